import Shims

public enum InputType: Int32 { case logits, probs, logProbs }
/// What a target that is not of labels holds.
public enum TargetType: Int32 {
    case probs, logits, logProbs

    /// The kernels' name for it.
    var kind: Int32 {
        switch self {
        case .probs: CROSSENTROPY_PROBS
        case .logits: CROSSENTROPY_LOGITS
        case .logProbs: CROSSENTROPY_LOG_PROBS
        }
    }
}
public enum Reduction: Int32 { case mean, sum, none }
public enum MeanOver: Int32 { case weight, mass, count, divisor }
/// What a call is for: the loss of logits, probabilities or their logarithms, and its gradient; or without targets, lse in
/// place of the loss, and the softmax or its logarithm in place of the gradient; or the divergence from a distribution; or second
/// derivatives of the loss in place of the gradient.
public enum Mode: Int32 {
    case loss, softmax, logSoftmax, divergence, hessianVector, hessianDiagonal

    /// Whether rows become pairs of distributions in f64, rather than a kernel's own.
    var isOfPairs: Bool { self == .divergence || self == .hessianVector || self == .hessianDiagonal }
}
public enum EmptyPolicy: Int32 { case nan, zero, error }

/// What stops a checked call. Nothing has been written then, except after `cancelled`.
public enum LossFailure: Error {
    case label(Label, row: Int)
    /// A class that a sparse target names twice.
    case repeatedClass(Int, row: Int)
    /// Offsets of a sparse target that lead elsewhere, or backwards.
    case offsets(row: Int)
    case empty
    case outOfMemory
    case cancelled
}

/// A loss over checked views: everything that a call was given, in the form that the loops use.
public struct LossCall {
    public var mode = Mode.loss
    public var inputType = InputType.logits
    public var reduction = Reduction.mean
    public var meanOver = MeanOver.weight
    public var empty = EmptyPolicy.nan
    public var ignoreIndex: Int64? = -100
    public var labelSmoothing = 0.0
    public var meanDivisor = 0.0
    /// Probabilities are clamped to this range.
    public var clipLow = -Double.infinity
    public var clipHigh = Double.infinity
    /// Of logits.
    public var terms = crossentropy_terms()
    public var transform = crossentropy_transform()
    /// Divides the logits of the target; `transform` sees to those of the input.
    public var temperature = 1.0
    /// Losses and gradients are multiplied by the square of the temperature.
    public var squaresTemperature = false
    public var targetType = TargetType.probs
    /// Divergence: without q and p beside q log(q / p).
    public var isPlainDivergence = false
    public var gradLoss = 1.0
    /// Where the call notes that it was cancelled, as long as it runs; `nil` if the caller has no flag.
    public var cancel: UnsafeMutablePointer<crossentropy_cancel>?
    /// At most this many threads; 0: the process's number.
    public var threads = 0
    public var classes: Int
    /// Where the input holds a slice of the classes: which of them. Labels are counted from class 0 nevertheless.
    public var slice: Range<Int>?
    public var rows: RowSpace
    public var input: Operand
    /// Without a target, which only other modes than `loss` allow, there are no labels to be read.
    public var target: Operand
    public var hasTarget = true
    /// Makes the target's integers the classes that rows name.
    public var sparse: SparseTarget?
    /// Class probabilities, of which label smoothing takes its part; all equal if `nil`.
    public var prior: Operand?
    public var weight: Operand?
    public var sampleWeight: Operand?
    /// Integers; rows where it is 0 are ignored.
    public var mask: Operand?
    /// Multiplies the gradient of each row.
    public var gradLosses: Operand?
    /// Rows with one of these labels are ignored, beside those with `ignoreIndex`; of any alignment.
    public var ignoreIndices: UnsafeRawBufferPointer?
    public var loss: Operand?
    public var grad: Operand?
    /// The derivative with respect to the target.
    public var targetGrad: Operand?
    /// What the Hessian is multiplied with.
    public var vector: Operand?
    public var statistics: RowStatistics?

    public init(classes: Int, rows: RowSpace, input: Operand, target: Operand) {
        self.classes = classes
        self.rows = rows
        self.input = input
        self.target = target
    }

    /// Of a slice, those that the input holds.
    var classesPerRow: Int { slice?.count ?? classes }

    var isIndexTarget: Bool { !target.dtype.isFloatingPoint && sparse == nil }

    func isIgnored(_ label: Label) -> Bool {
        if let ignoreIndex, label.isEqual(to: ignoreIndex) { return true }
        guard let ignoreIndices else { return false }
        var i = 0
        while i < ignoreIndices.count / 8 && !(i % Self.part == 0 && isCancelled) {
            if label.isEqual(to: ignoreIndices.loadUnaligned(fromByteOffset: i * 8, as: Int64.self)) { return true }
            i += 1
        }
        return false
    }

    /// Whether a row is left out by the mask.
    @inline(__always)
    func isMasked(at offset: Int) -> Bool { mask.map { $0.label(at: offset).isEqual(to: 0) } ?? false }

    /// The weight of the class that a (checked) label names.
    @inline(__always)
    func classWeight(_ label: Label) -> Double {
        weight.map { $0.double(at: Int(label.value) * $0.classStride) } ?? 1
    }

    // Exported as an interface, or else CABI would get a second copy of everything below.
    @export(interface) public static func run(_ call: UnsafePointer<LossCall>) throws(LossFailure) {
        var divisor = try call.pointee.scanTargets()
        if call.pointee.isMeanOverDistributionMass { divisor = try sumMass(call, divisor) }
        let isEmpty = try call.pointee.isEmptyMean(divisor)
        if call.pointee.statistics != nil { try call.pointee.runForStatistics() }
        try runLosses(call, divisor, isEmpty: isEmpty)
    }

    /// The sum of the target mass of all rows, which only the kernels can make, times the sample weights.
    @inline(never)
    private static func sumMass(_ call: UnsafePointer<LossCall>, _ weights: borrowing MeanDivisor)
        throws(LossFailure) -> MeanDivisor
    {
        var divisor = MeanDivisor(1)
        try Workspace.with(call) { plan, workspace throws(LossFailure) in
            // The sum of the sample weights has an exponent, and the largest class weight has one.
            let exponent = weights.exponent + workspace.massExponent
            let scales = RowScales(loss: ScaledNumber(1), exponent: exponent, grad: nil)
            var pass = RowPass(.mass, call, plan, workspace, scales)
            try pass.run()
            divisor = MeanDivisor(workspace.total().pointee, exponent: exponent)
        }
        return divisor
    }

    @inline(never)
    private static func runLosses(_ call: UnsafePointer<LossCall>, _ divisor: borrowing MeanDivisor, isEmpty: Bool)
        throws(LossFailure)
    {
        let scales = call.pointee.scales(divisor, isEmpty: isEmpty)
        try Workspace.with(call) { plan, workspace throws(LossFailure) in
            var pass = RowPass(.loss, call, plan, workspace, scales)
            if plan.pointee.route == .shared {
                try SharedRow.runAll(&pass)
            } else {
                try pass.run()
            }
            call.pointee.storeReduced(workspace.total(), divisor, isEmpty: isEmpty)
        }
    }

    /// Whether there is a mean of nothing; an error where that is to be one.
    func isEmptyMean(_ divisor: borrowing MeanDivisor) throws(LossFailure) -> Bool {
        let isEmpty = reduction == .mean && meanOver != .divisor && divisor.isZero
        if isEmpty && empty == .error { throw .empty }
        return isEmpty
    }

    /// What multiplies all losses and gradients. Of an empty mean gradients are 0 or NaN.
    func scales(_ divisor: borrowing MeanDivisor, isEmpty: Bool) -> RowScales {
        let temperature = ScaledNumber(squaresTemperature ? self.temperature : 1)
        let squared = temperature * temperature
        let slopes = mode == .hessianVector || mode == .hessianDiagonal ? 2 : 1
        let grad = divisor.dividing(ScaledNumber(gradLoss) * squared).shifted(by: slopes * transform.slopeExponent)
        return RowScales(
            loss: squared, exponent: divisor.exponent,
            grad: isEmpty ? (empty == .zero ? nil : ScaledNumber(.nan)) : grad)
    }

    /// Stores the sum or mean of the losses, if there is to be one.
    func storeReduced(_ total: UnsafePointer<ExactSum>, _ divisor: borrowing MeanDivisor, isEmpty: Bool) {
        guard reduction != .none, let loss else { return }
        loss.store(isEmpty ? (empty == .zero ? 0 : .nan) : divisor.mean(total.pointee), at: 0)
    }

    /// Where the loss looks at the target mass of all classes, a pass of its own; before a gradient may take the input's place.
    @inline(never)
    private func runForStatistics() throws(LossFailure) {
        if Plan(for: self, threads: 1).isOfGroups { return }  // which have them from the loss's own pass
        var call = self
        call.mode = .softmax
        call.labelSmoothing = 0
        call.reduction = .none
        call.squaresTemperature = false
        call.gradLosses = nil
        call.loss = nil
        call.grad = nil
        call.targetGrad = nil
        call.sparse = nil
        call.targetType = .probs
        call.prior = nil
        if !isIndexTarget { call.withoutTarget() }
        try withUnsafePointer(to: call) { call throws(LossFailure) in
            try LossCall.runLosses(call, MeanDivisor(1), isEmpty: false)
        }
    }

    /// Puts labels that are never read in the target's place.
    public mutating func withoutTarget() {
        hasTarget = false
        target = Operand(data: input.data, dtype: .i64)
    }

    /// The divisor is a sum over classes, which only the kernels can make.
    private var isMeanOverDistributionMass: Bool {
        reduction == .mean && meanOver == .mass && !isIndexTarget
    }

    // MARK: Before anything is written

    /// Checks every label, and finds what the losses will be divided by (1 where they are not).
    func scanTargets() throws(LossFailure) -> MeanDivisor {
        if !hasTarget { return MeanDivisor(1) }
        let classSet = sparse == nil ? nil : ClassSet(classes)
        if sparse != nil && classSet == nil { throw .outOfMemory }
        defer { classSet?.free() }
        // A sum of ones needs no adding up.
        let addsWeights =
            reduction == .mean && (meanOver == .weight || meanOver == .mass)
            && (sampleWeight != nil || (weight != nil && isIndexTarget))
        guard isIndexTarget || sparse != nil || addsWeights || mask != nil else {
            return meanDivisor(counting: rows.count)
        }
        // The usual case quickly; if a label is bad, the other way finds out which.
        if !addsWeights && mask == nil && ignoreIndices == nil && sparse == nil, let counted = countedRows() {
            return meanDivisor(counting: counted)
        }

        var counted = 0
        var weights = WeightSum()
        var failure: LossFailure?
        repeat {
            counted = 0
            rows.forEachRow(in: 0..<rows.count) { row, offsets in
                var w = 1.0
                if row % Self.part == 0 && isCancelled { return false }
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
        } while failure == nil && !wasCancelled && weights.beginsAgain()
        if wasCancelled { throw .cancelled }
        if let failure { throw failure }
        return addsWeights ? weights.divisor : meanDivisor(counting: counted)
    }

    /// How many rows are not ignored; `nil` if a label is out of range, or the call was cancelled.
    private func countedRows() -> Int? {
        let step = rows.step.target
        var counted = 0
        var isGood = true
        rows.forEachRun(in: 0..<rows.count, limit: Self.part) { _, offsets, count in
            isGood = !isCancelled
            if !isGood { return false }
            let found = target.countLabels(at: offsets.target, count, step, below: classes, ignoring: ignoreIndex)
            isGood = found != nil
            counted += found ?? 0
            return isGood
        }
        return isGood ? counted : nil
    }

    private func meanDivisor(counting rows: Int) -> MeanDivisor {
        guard reduction == .mean else { return MeanDivisor(1) }
        return MeanDivisor(meanOver == .divisor ? meanDivisor : Double(rows))
    }
}
