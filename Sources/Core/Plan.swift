import Shims

/// How a call is computed. Every decision that follows from what was asked is made here, once, and all that comes later reads it.
///
/// A pure function of the call, of the number of threads that it may use, and of the route that a test forces. Whatever it decides,
/// the results have the same bits.
package struct Plan {
    package let route: Route
    /// f32 for f32 and 16-bit input, unless the logits are transformed or rows are pairs of distributions.
    package let computesInDoubles: Bool
    /// Whether every class of a row may have target mass, rather than the label's class alone.
    package let needsMass: Bool
    /// Whether the kernels are given another target than the caller's.
    let writesTarget: Bool
    /// Divergences: f32 logits on both sides need no copy in f64.
    let usesSinglePairs: Bool
    package let threads: Int
    /// Rows that a kernel is given at a time.
    package let rowsPerGroup: Int
    /// Rows that a thread takes at a time.
    package let rowsPerPiece: Int
    package let tile: RowTile?
    /// Room for a group's exponentials, where they cannot wait in the gradient's memory and would stay near the core.
    package let keptBytes: Int

    /// - Parameters:
    ///   - threads: The most that the call may use; 0: the process's number, looked up only where there is work for several.
    ///   - forced: `rows`, `columns` or `shared`, for calls that can take that route.
    @inline(never)
    package init(for call: LossCall, threads allowed: Int, forced: Route? = Route.forced) {
        let computesInDoubles = call.input.dtype == .f64 || call.transform.applies != 0 || call.mode.isOfPairs
        let needsMass = !call.isIndexTarget || call.labelSmoothing != 0 || call.mode.isOfPairs
        let isOfGroups = call.inputType == .logits && !needsMass
        let isByColumns =
            isOfGroups && call.slice == nil && call.transform.applies == 0
            && (forced.map { $0 == .columns } ?? Plan.suitsColumns(call))
        tile = isByColumns && forced == nil ? RowTile(for: call) : nil

        let canShare = isOfGroups && !isByColumns && call.slice == nil
        let useful = Plan.usefulThreads(call)
        let most = useful > 1 ? min(useful, allowed > 0 ? allowed : ThreadCount.get(), maxThreads) : 1
        let isShared = canShare && (forced.map { $0 == .shared } ?? Plan.suitsSharing(call, threads: most))
        threads = isShared ? (forced == nil ? most : 2) : max(1, min(most, call.rows.count))

        if !isOfGroups {
            route = Plan.isOfPairs(call) ? .pairs : needsMass ? .mass : .labels
        } else if call.slice != nil {
            route = .slices
        } else if isByColumns {
            route = tile == nil ? .columns : .tiles
        } else {
            route = isShared ? .shared : .rows
        }
        self.computesInDoubles = computesInDoubles
        self.needsMass = needsMass
        writesTarget = Plan.writesTarget(call)
        usesSinglePairs = Plan.isDivergenceOfSingles(call)

        // Of rows of several blocks a group can hold one only.
        let isShort = isByColumns || call.classes <= CROSSENTROPY_BLOCK
        rowsPerGroup = isOfGroups && isShort ? Int(CROSSENTROPY_GROUP) : 1
        // Enough rows per piece for the counter not to matter, few enough for the last thread not to be late.
        let unit = tile?.rows ?? rowsPerGroup
        rowsPerPiece =
            route == .slices
            ? (call.grad == nil ? 1 : unit)
            : max(1, min(call.rows.count / (threads * 8), 65536 / call.classes) / unit) * unit
        keptBytes =
            isOfGroups && !isByColumns && call.slice == nil
            ? Plan.keptBytes(call, rows: rowsPerGroup, inDoubles: computesInDoubles) : 0
    }

    /// Logits with labels: several rows to a kernel.
    var isOfGroups: Bool {
        switch route {
        case .rows, .columns, .tiles, .shared, .slices: true
        case .labels, .mass, .pairs: false
        }
    }

    var isByColumns: Bool { route == .columns || route == .tiles }

    // MARK: The reasons

    /// Short rows, and rows that are neighbours in memory while their classes are not.
    private static func suitsColumns(_ call: LossCall) -> Bool {
        call.classes <= CROSSENTROPY_COLUMN_CLASSES || (call.input.classStride != 1 && call.rows.step.input == 1)
    }

    /// Too few rows to give every thread its own, and long enough ones to be shared.
    private static func suitsSharing(_ call: LossCall, threads: Int) -> Bool {
        threads > 1 && call.classes >= 1 << 17
            && (call.rows.count < threads || (call.rows.count < 4 * threads && call.classes >= 1 << 20))
    }

    /// As many as there are 2^16 elements, for which a thread is worth being woken.
    private static func usefulThreads(_ call: LossCall) -> Int {
        let (elements, overflow) = call.rows.count.multipliedReportingOverflow(by: call.classes)
        return overflow ? maxThreads : elements >> 16
    }

    /// Targets that are not probabilities of all classes, divergences, and derivatives beside the gradient.
    private static func isOfPairs(_ call: LossCall) -> Bool {
        call.mode.isOfPairs || call.targetGrad != nil || writesTarget(call)
    }

    private static func writesTarget(_ call: LossCall) -> Bool { call.sparse != nil || call.targetType != .probs }

    /// A divergence of f32 (or 16-bit) logits on both sides, scaled by powers of two at most.
    private static func isDivergenceOfSingles(_ call: LossCall) -> Bool {
        call.mode == .divergence && call.inputType == .logits && call.targetType == .logits && call.sparse == nil
            && call.targetGrad == nil && call.input.dtype != .f64 && call.target.dtype == .f32
            && call.transform.softcap == 0
            && (call.transform.applies == 0 || call.transform.logit_scale.isSmallPowerOfTwo)
            && (1 / call.temperature).isSmallPowerOfTwo
    }

    private static func keptBytes(_ call: LossCall, rows: Int, inDoubles: Bool) -> Int {
        guard let grad = call.grad else { return 0 }
        let isNative = grad.dtype.format(inDoubles: inDoubles) == CROSSENTROPY_NATIVE
        if isNative && grad.classStride == 1 && call.transform.applies == 0 { return 0 }
        let (bytes, overflow) = call.classes.multipliedReportingOverflow(by: rows * (inDoubles ? 8 : 4))
        return overflow || bytes > 1 << 20 ? 0 : bytes
    }
}

extension Double {
    /// A product with it is exact in f32, but for subnormal numbers.
    fileprivate var isSmallPowerOfTwo: Bool { significand == 1 && self > 0x1p-10 && self < 0x1p10 }
}
