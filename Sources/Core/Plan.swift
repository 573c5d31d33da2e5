import KernelABI

/// How a call is computed. Every decision that follows from the request is made here, once; all later steps read it.
///
/// A pure function of the call, of the number of threads that it may use, and of the route that a test forces. Every
/// plan gives results with the same bits.
package struct Plan {
    package let route: Route
    /// Whether kernels compute in f64. For f32 and 16-bit input they compute in f32, unless the logits are transformed
    /// (but see `foldsScale` and `capsSingles`) or rows are pairs of distributions.
    package let computesInDoubles: Bool
    /// Whether kernels make the logits' scale part of f32 exponentials, rather than multiply logits by it in f64.
    package let foldsScale: Bool
    /// Whether kernels for f32 cap the logits.
    package let capsSingles: Bool
    /// Whether every class of a row may have target mass, rather than the label's class alone.
    package let needsMass: Bool
    /// Whether the kernels get a target that Core writes rather than the caller's.
    let writesTarget: Bool
    /// Whether this is a divergence with f32 (or 16-bit) logits on both sides, which needs no copy in f64.
    let usesSinglePairs: Bool
    package let threads: Int
    /// Rows that a kernel gets at a time.
    package let rowsPerGroup: Int
    /// Rows that a thread claims at a time.
    package let rowsPerPiece: Int
    package let tile: RowTile?
    /// Bytes for the exponentials of a group's targets, if these are f32 logits, and for one row of copied logits.
    package let teacherBytes: Int
    /// Whether the loss's own pass also computes row statistics.
    let computesStatistics: Bool
    /// Bytes for a group's exponentials, if the gradient's memory cannot keep them and this memory would stay in the caches.
    package let keptBytes: Int

    /// - Parameters:
    ///   - threads: The most threads that the call may use; 0: the process's number, which is read only if there is
    ///     work for several threads.
    ///   - forced: `rows`, `columns` or `shared`, for calls that can take that route.
    @inline(never)
    package init(for problem: borrowing Problem, threads allowed: Int, forced: Route?) {
        foldsScale = problem.foldsScale
        capsSingles = problem.capsSingles
        let computesInDoubles =
            problem.input.dtype == .f64 || (problem.settings.transform.applies != 0 && !foldsScale && !capsSingles)
            || problem.mode.isOfPairs
        let isSmoothed = problem.settings.labelSmoothing != 0
        let isSmoothedEvenly = !computesInDoubles && problem.isSmoothedEvenly
        let isDistribution = problem.hasTarget && !problem.isIndexTarget
        let needsMass =
            (isDistribution && (computesInDoubles || !problem.isPlainDistribution || problem.outputs.targetGrad != nil))
            || problem.mode.isOfPairs
            || (isSmoothed && !isSmoothedEvenly)
        let isOfGroups = problem.settings.inputType == .logits && !needsMass
        let isShort =
            isOfGroups && problem.slice == nil && problem.mode == .loss && !computesInDoubles
            && problem.classes <= CROSSENTROPY_SHORT_CLASSES && !isDistribution && !capsSingles
        let suitsColumns =
            isOfGroups && !isShort && problem.slice == nil && (problem.settings.transform.applies == 0 || capsSingles)
            && !isSmoothed && !isDistribution
            && (forced.map { $0 == .columns } ?? Plan.suitsColumns(problem))
        let tile = suitsColumns && forced == nil ? RowTile(for: problem) : nil
        let isByColumns = suitsColumns && (tile != nil || Processor.kernels.pointee.has_columns != 0)
        self.tile = tile

        let canShare =
            isOfGroups && !isShort && !isByColumns && problem.slice == nil
            && !(isDistribution && problem.settings.targetType == .logits)
        let useful = Plan.usefulThreads(problem)
        let most = useful > 1 ? min(useful, allowed > 0 ? allowed : ThreadCount.get(), maxThreads) : 1
        let isShared = canShare && (forced.map { $0 == .shared } ?? Plan.suitsSharing(problem, threads: most))
        threads = isShared ? (forced == nil ? most : 2) : max(1, min(most, problem.rows.count))

        if !isOfGroups {
            let isOfPairs = Plan.isOfPairs(problem)
            route =
                isOfPairs && Plan.isOfTerms(problem) ? .terms : isOfPairs ? .pairs : needsMass ? .mass : .labels
        } else if isShort {
            route = .short
        } else if problem.slice != nil {
            route = .slices
        } else if isByColumns {
            route = tile == nil ? .columns : .tiles
        } else {
            route = isShared ? .shared : .rows
        }
        self.computesInDoubles = computesInDoubles
        self.needsMass = needsMass
        writesTarget = Plan.writesTarget(problem)
        usesSinglePairs = Plan.isDivergenceOfSingles(problem)

        computesStatistics =
            isOfGroups && !isShort && !foldsScale && !capsSingles && !isSmoothed && !isDistribution

        // If rows have several blocks, a group holds only one row. The exponentials of targets stay in the caches.
        let isOfOneBlock = isByColumns || problem.classes <= CROSSENTROPY_BLOCK
        let hasTeacher = isOfGroups && isDistribution && problem.settings.targetType == .logits
        let mostRows = hasTeacher ? 32768 / problem.classes : Int(CROSSENTROPY_GROUP)
        let groupRows = max(1, min(Int(CROSSENTROPY_GROUP), mostRows))
        rowsPerGroup =
            isShort
            ? Int(crossentropy_short_strip(Int64(problem.classes)))
            : isOfGroups && isOfOneBlock ? groupRows : route == .terms ? DivergenceTerms.strip : 1
        teacherBytes = hasTeacher ? Groups.teacherBytes(problem.classes, rows: rowsPerGroup) : 0
        // Enough rows per piece that the counter's cost is negligible, few enough that no thread finishes late.
        let unit = tile?.rows ?? rowsPerGroup
        rowsPerPiece =
            route == .slices
            ? (problem.outputs.grad == nil ? 1 : unit)
            : max(1, min(problem.rows.count / (threads * 8), 65536 / problem.classes) / unit) * unit
        keptBytes =
            isOfGroups && !isShort && !isByColumns && problem.slice == nil
            ? Plan.keptBytes(
                problem, rows: rowsPerGroup, inDoubles: computesInDoubles, caps: capsSingles) : 0
    }

    /// Whether `Groups` computes the call: logits with labels, and their row statistics; or with plain distributions.
    var isOfGroups: Bool {
        switch route {
        case .rows, .columns, .tiles, .shared, .slices: true
        case .short, .labels, .mass, .pairs, .terms: false
        }
    }

    /// Whether kernels compute class by class; those that cannot compute the rows of a tile one after the other.
    var isByColumns: Bool {
        (route == .columns || route == .tiles) && Processor.kernels.pointee.has_columns != 0
    }

    // MARK: The reasons

    /// Whether to compute class by class: short rows, and rows that are neighbours in memory while their classes are not.
    @inline(__always)
    private static func suitsColumns(_ problem: borrowing Problem) -> Bool {
        problem.classes <= CROSSENTROPY_COLUMN_CLASSES
            || (problem.input.classStride != 1 && problem.rows.step.input == 1)
    }

    /// Whether there are too few rows to give every thread its own, and rows are long enough to be shared.
    @inline(__always)
    private static func suitsSharing(_ problem: borrowing Problem, threads: Int) -> Bool {
        threads > 1 && problem.classes >= 1 << 17
            && (problem.rows.count < threads || (problem.rows.count < 4 * threads && problem.classes >= 1 << 20))
    }

    /// The number of threads that have work: one per 2^16 elements, which is worth waking a thread.
    private static func usefulThreads(_ problem: borrowing Problem) -> Int {
        let (elements, overflow) = problem.rows.count.multipliedReportingOverflow(by: problem.classes)
        return overflow ? maxThreads : elements >> 16
    }

    /// Whether rows are pairs of distributions: targets that are not probabilities of all classes, divergences, and
    /// derivatives beside the gradient.
    private static func isOfPairs(_ problem: borrowing Problem) -> Bool {
        problem.mode.isOfPairs || problem.outputs.targetGrad != nil || writesTarget(problem)
    }

    /// Whether these are divergences of rows of one class, without logits, that all count alike.
    private static func isOfTerms(_ problem: borrowing Problem) -> Bool {
        problem.mode == .divergence && problem.classes == 1 && problem.settings.inputType != .logits
            && problem.settings.targetType != .logits && problem.sparse == nil && problem.weight == nil
            && problem.sampleWeight == nil && problem.mask == nil && problem.gradLosses == nil
    }

    private static func writesTarget(_ problem: borrowing Problem) -> Bool {
        problem.sparse != nil || problem.settings.targetType != .probs
    }

    /// Whether this is a divergence of f32 (or 16-bit) logits on both sides, without a softcap.
    @inline(__always)
    private static func isDivergenceOfSingles(_ problem: borrowing Problem) -> Bool {
        problem.mode == .divergence && problem.settings.inputType == .logits && problem.settings.targetType == .logits
            && problem.sparse == nil
            && problem.outputs.targetGrad == nil && problem.input.dtype != .f64 && problem.target.dtype != .f64
            && problem.settings.transform.softcap == 0
            && (problem.settings.transform.applies == 0 || problem.settings.transform.logit_scale.isFoldable)
            && (1 / problem.settings.temperature).isFoldable
    }

    private static func keptBytes(_ problem: borrowing Problem, rows: Int, inDoubles: Bool, caps: Bool) -> Int {
        guard let grad = problem.outputs.grad else { return 0 }
        let isNative = grad.dtype.format(inDoubles: inDoubles) == CROSSENTROPY_NATIVE
        // Slopes need the logits, so exponentials must not overwrite them.
        let isOwn = caps && grad.element(0) != problem.input.element(0)
        let isTransformed = problem.settings.transform.applies != 0 && !problem.foldsScale && !isOwn
        if isNative && grad.classStride == 1 && !isTransformed { return 0 }
        let (bytes, overflow) = problem.classes.multipliedReportingOverflow(by: rows * (inDoubles ? 8 : 4))
        return overflow || bytes > 1 << 20 ? 0 : bytes
    }
}

extension Problem {
    /// Whether labels of logits are smoothed in the same way for all classes.
    fileprivate var isSmoothedEvenly: Bool {
        @inline(__always) get {
            settings.labelSmoothing != 0 && isIndexTarget && mode == .loss && settings.inputType == .logits
                && classes >= 4 && slice == nil && weight == nil && prior == nil && outputs.targetGrad == nil
                && !crossentropy_has_terms(settings.terms)
        }
    }

    /// Whether targets of logits are distributions of all classes, or f32 logits that stand for such, and nothing else is wanted.
    var isPlainDistribution: Bool {
        mode == .loss && settings.inputType == .logits && (settings.targetType == .probs || isTeacher) && sparse == nil
            && hasTarget && !isIndexTarget && input.dtype != .f64 && slice == nil && weight == nil
            && settings.labelSmoothing == 0 && !crossentropy_has_terms(settings.terms)
    }

    /// Whether targets are logits whose exponentials are computed in f32. For the divisor, their mass is computed in f64.
    private var isTeacher: Bool {
        settings.targetType == .logits && target.dtype != .f64 && classes <= 1 << 40
            && (1 / settings.temperature).isFoldable && !(settings.reduction == .mean && settings.meanOver == .mass)
    }

    /// See `Plan.foldsScale`.
    var foldsScale: Bool {
        @inline(__always) get {
            let transform = settings.transform
            return transform.applies != 0 && transform.softcap == 0 && transform.logit_scale.isFoldable
                && mode == .loss && slice == nil && input.dtype != .f64
                && (isIndexTarget ? settings.labelSmoothing == 0 || isSmoothedEvenly : isPlainDistribution)
                && settings.inputType == .logits && outputs.targetGrad == nil
        }
    }
}

extension Problem {
    /// See `Plan.capsSingles`.
    var capsSingles: Bool {
        @inline(never) get {
            let transform = settings.transform
            return transform.softcap >= 0x1p-20 && transform.softcap <= 0x1p12 && transform.logit_scale.isFoldable
                && mode == .loss && slice == nil && input.dtype != .f64 && isIndexTarget && hasTarget
                && settings.labelSmoothing == 0 && settings.inputType == .logits && outputs.targetGrad == nil
        }
    }
}

extension Double {
    /// Whether this scale of logits can be part of exponentials in f32: the limits keep all distances between logits in the range
    /// of f32.
    fileprivate var isFoldable: Bool { @inline(__always) get { self > 0x1p-20 && self < 0x1p20 } }
}
