import Shims

extension Problem {
    /// Checks every label, and finds what the losses will be divided by (1 where they are not).
    /// - Parameter limit: What labels are below; `nil`: the number of classes.
    func scanTargets(below limit: Int? = nil) throws(LossFailure) -> MeanDivisor {
        let classes = limit ?? self.classes
        if !hasTarget { return MeanDivisor(1) }
        let classSet = sparse == nil ? nil : ClassSet(classes)
        if sparse != nil && classSet == nil { throw .outOfMemory }
        defer { classSet?.free() }
        // A sum of ones needs no adding up.
        let addsWeights =
            settings.reduction == .mean && (settings.meanOver == .weight || settings.meanOver == .mass)
            && (sampleWeight != nil || (weight != nil && isIndexTarget))
        guard isIndexTarget || sparse != nil || addsWeights || mask != nil else {
            return meanDivisor(counting: rows.count)
        }
        // The usual case quickly; if a label is bad, the other way finds out which.
        if !addsWeights && mask == nil && ignoreIndices == nil && sparse == nil,
            let counted = countedRows(below: classes)
        {
            return meanDivisor(counting: counted)
        }

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
        return addsWeights ? try weights.divisor() : meanDivisor(counting: counted)
    }

    /// How many rows are not ignored; `nil` if a label is out of range, or the call was cancelled.
    private func countedRows(below classes: Int) -> Int? {
        let step = rows.step.target
        var counted = 0
        var isGood = true
        rows.forEachRun(in: 0..<rows.count, limit: Settings.part) { _, offsets, count in
            isGood = !settings.isCancelled
            if !isGood { return false }
            let found = target.countLabels(
                at: offsets.target, count, step, below: classes, ignoring: settings.ignoreIndex)
            isGood = found != nil
            counted += found ?? 0
            return isGood
        }
        return isGood ? counted : nil
    }

    private func meanDivisor(counting rows: Int) -> MeanDivisor {
        guard settings.reduction == .mean else { return MeanDivisor(1) }
        return MeanDivisor(settings.meanOver == .divisor ? settings.meanDivisor : Double(rows))
    }
}
