import Shims

extension Problem {
    /// What `scanTargets` finds: quickly in the usual case of labels without weights. If a label is bad, the other way finds out which.
    /// - Parameter limit: What labels are below; `nil`: the number of classes.
    @inline(__always)
    static func divisor(
        _ problem: UnsafePointer<Problem>, below limit: Int? = nil
    ) throws(LossFailure) -> MeanDivisor {
        let classes = limit ?? problem.pointee.classes
        if problem.pointee.countsLabelsAlone, let counted = countedRows(problem, below: classes) {
            return problem.pointee.settings.meanDivisor(counting: counted)
        }
        if !problem.pointee.hasTarget { return MeanDivisor(1) }
        if problem.pointee.countsAllRows {
            return problem.pointee.settings.meanDivisor(counting: problem.pointee.rows.count)
        }
        if problem.pointee.addsWeights {
            var weights = WeightSum()
            if addOrdinaryWeights(problem, below: classes, &weights) { return try weights.divisor() }
            if problem.pointee.settings.wasCancelled { throw .cancelled }
        }
        return try problem.pointee.scanTargets(below: classes)
    }

    /// Checks every label, which is to be below `classes`, and finds what the losses will be divided by (1 where they are not).
    @inline(never)
    private func scanTargets(below classes: Int) throws(LossFailure) -> MeanDivisor {
        let classSet = sparse == nil ? nil : ClassSet(classes)
        if sparse != nil && classSet == nil { throw .outOfMemory }
        defer { classSet?.free() }
        let addsWeights = self.addsWeights
        var counted = 0
        var weights = WeightSum()
        var failure: LossFailure?
        repeat {
            counted = 0
            rows.forEachRow(in: 0..<rows.count) { row, offsets in
                var w = 1.0
                if row % Settings.part == 0 && settings.isCancelled { return false }
                if isMasked(at: offsets.mask) { return true }
                if isIndexTarget {
                    let label = target.label(at: offsets.target)
                    if isIgnored(label) { return true }
                    guard label.isIndex(below: classes) else {
                        failure = .label(label, row: row)
                        return false
                    }
                    w = classWeight(label)
                }
                if sparse != nil {
                    let entries = entries(ofRow: row, offsets)
                    failure = check(entries, row, classSet!)
                    if failure != nil { return false }
                    if !hasEntry(entries) { return true }
                }
                counted += 1
                if addsWeights { weights.add(sampleWeight?.double(at: offsets.sampleWeight) ?? 1, w) }
                return true
            }
        } while failure == nil && !settings.wasCancelled && weights.beginsAgain()
        if settings.wasCancelled { throw .cancelled }
        if let failure { throw failure }
        return addsWeights ? try weights.divisor() : settings.meanDivisor(counting: counted)
    }

    /// Whether the divisor is a sum of weights. One of ones needs no adding up.
    private var addsWeights: Bool {
        @inline(__always) get {
            settings.reduction == .mean && (settings.meanOver == .weight || settings.meanOver == .mass)
                && (sampleWeight != nil || (weight != nil && isIndexTarget))
        }
    }

    /// Whether no row can be ignored, nor weighs anything else than 1.
    private var countsAllRows: Bool {
        @inline(__always) get { !isIndexTarget && sparse == nil && !addsWeights && mask == nil }
    }

    /// Whether nothing but the labels says which rows count, and all of these count alike.
    private var countsLabelsAlone: Bool {
        @inline(__always) get { hasTarget && isIndexTarget && !addsWeights && mask == nil && ignoreIndices == nil }
    }

    /// How many rows are not ignored; `nil` if a label is out of range, or the call was cancelled.
    @inline(__always)
    private static func countedRows(_ problem: UnsafePointer<Problem>, below classes: Int) -> Int? {
        let count = problem.pointee.rows.count
        if problem.pointee.rows.isEven && count <= Settings.part {
            return problem.pointee.settings.isCancelled ? nil : countedRows(problem, at: 0, count, below: classes)
        }
        return countedInRuns(problem, below: classes)
    }

    private static func countedRows(
        _ problem: UnsafePointer<Problem>, at offset: Int, _ count: Int, below classes: Int
    ) -> Int? {
        problem.pointee.target.countLabels(
            at: offset, count, problem.pointee.rows.step.target, below: classes,
            ignoring: problem.pointee.settings.ignoreIndex)
    }

    @inline(never)
    private static func countedInRuns(_ problem: UnsafePointer<Problem>, below classes: Int) -> Int? {
        var counted = 0
        var isGood = true
        problem.pointee.rows.forEachRun(in: 0..<problem.pointee.rows.count, limit: Settings.part) { _, offsets, count in
            isGood = !problem.pointee.settings.isCancelled
            if !isGood { return false }
            let found = countedRows(problem, at: offsets.target, count, below: classes)
            isGood = found != nil
            counted += found ?? 0
            return isGood
        }
        return isGood ? counted : nil
    }
}

extension Settings {
    @inline(__always)
    fileprivate func meanDivisor(counting rows: Int) -> MeanDivisor {
        guard reduction == .mean else { return MeanDivisor(1) }
        return MeanDivisor(meanOver == .divisor ? meanDivisor : Double(rows))
    }
}
