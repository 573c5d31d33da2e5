import KernelABI

/// Who of up to 16 neighbouring rows counts, and with what weights.
struct RowFacts {
    private let problem: UnsafePointer<Problem>
    private let first: RowOffsets

    init(_ problem: UnsafePointer<Problem>, _ first: RowOffsets) {
        self.problem = problem
        self.first = first
    }

    private func offsets(_ i: Int) -> RowOffsets { first + problem.pointee.rows.step * i }

    /// Reads the labels of `count` rows: 0 for all that have none or an ignored one, and for the rest of the 16. A row is counted (1), is not
    /// (0), or has a label that is no class (NaN): labels were checked, but the caller's memory may have changed since.
    @inline(__always)
    func read(_ count: Int, labels: UnsafeMutablePointer<Int64>, isCounted: UnsafeMutablePointer<Double>) {
        let hasLabels = problem.pointee.hasTarget && problem.pointee.isIndexTarget
        let classes = UInt64(problem.pointee.classes)
        let ignores = problem.pointee.settings.ignoreIndex != nil
        let ignored = problem.pointee.settings.ignoreIndex ?? 0
        for i in 0..<Int(CROSSENTROPY_GROUP) { (labels[i], isCounted[i]) = (0, 0) }
        if hasLabels {
            problem.pointee.target.copyLabels(at: first.target, count, problem.pointee.rows.step.target, to: labels)
        }
        for i in 0..<(problem.pointee.hasTarget ? count : 0) {
            let label = labels[i]
            let isIndex = UInt64(bitPattern: label) < classes
            let isIgnored = hasLabels && ignores && label == ignored
            isCounted[i] = isIgnored ? 0 : isIndex ? 1 : .nan
            labels[i] = isIndex ? label : 0
        }
        if problem.pointee.mask != nil || problem.pointee.ignoreIndices != nil {
            leaveOut(count, isCounted, hasLabels: hasLabels)
        }
    }

    /// Rows that a mask or one of several ignored labels leaves out.
    @inline(never)
    private func leaveOut(_ count: Int, _ isCounted: UnsafeMutablePointer<Double>, hasLabels: Bool) {
        for i in 0..<count {
            let offsets = offsets(i)
            if problem.pointee.isMasked(at: offsets.mask)
                || (hasLabels && problem.pointee.isIgnored(problem.pointee.target.label(at: offsets.target)))
            {
                isCounted[i] = 0
            }
        }
    }

    /// Gives rows that a mask or one of several ignored labels leaves out the label `ignored`.
    @inline(never)
    func leaveOut(_ count: Int, labels: UnsafeMutablePointer<Int64>, as ignored: Int64) {
        for i in 0..<count {
            let offsets = offsets(i)
            if problem.pointee.isMasked(at: offsets.mask)
                || problem.pointee.isIgnored(problem.pointee.target.label(at: offsets.target))
            {
                labels[i] = ignored
            }
        }
    }

    /// Of one row: the sample weight, the weight of the label's class, and the row's own upstream gradient.
    @inline(__always)
    func weights(_ i: Int, label: Int64) -> (sample: Double, ofClass: Double, upstream: Double) {
        let s =
            problem.pointee.sampleWeight?.double(at: first.sampleWeight + i * problem.pointee.rows.step.sampleWeight)
            ?? 1
        let w =
            problem.pointee.isIndexTarget
            ? problem.pointee.weight.map { $0.double(at: Int(label) * $0.classStride) } ?? 1 : 1
        let g = problem.pointee.gradLosses?.double(at: first.gradLoss + i * problem.pointee.rows.step.gradLoss) ?? 1
        return (s, w, g)
    }

    /// Whether a row with these weights counts. A class weight of 0 leaves the z-loss, which is the row's, and smoothing, which
    /// is the other classes'.
    @inline(__always)
    func counts(_ s: Double, _ w: Double) -> Bool {
        s != 0 && (w != 0 || problem.pointee.settings.terms.z_loss != 0 || problem.pointee.settings.labelSmoothing != 0)
    }
}
