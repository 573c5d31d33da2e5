import Shims

/// Binary cross-entropy over checked views: every element of the input has a loss of its own.
///
/// Elements are computed a block at a time. A kernel's arguments are gathered side by side, unless they already are;
/// losses and gradients are scattered back. The division into blocks does not matter, because sums over elements are
/// exact.
public struct BinaryProblem {
    public var settings: Settings
    public var input: ElementWalk
    public var target: ElementWalk
    /// These three have a weight for every element; class weights step along the class axis alone.
    public var weight: ElementWalk?
    public var positiveWeight: ElementWalk?
    public var sampleWeight: ElementWalk?
    public var loss: ElementWalk?
    public var grad: ElementWalk?
    /// The index of each element in an input whose last dimension is the fastest, as offsets.
    public var numbering: ElementWalk

    public init(settings: Settings, input: ElementWalk, target: ElementWalk, numbering: ElementWalk) {
        self.settings = settings
        self.input = input
        self.target = target
        self.numbering = numbering
    }

    var count: Int { input.count }

    var isIndexTarget: Bool { !target.operand.dtype.isFloatingPoint }

    /// f32 for f32 and 16-bit logits, unless the target needs f64 or there is focal weighting.
    var computesInDoubles: Bool {
        input.operand.dtype == .f64 || target.operand.dtype == .f64 || settings.inputType != .logits
            || settings.terms.focal_gamma != 0
    }

    /// Whether masses can differ from y and 1 - y.
    var needsMasses: Bool {
        weight != nil || positiveWeight != nil || sampleWeight != nil || settings.labelSmoothing != 0
    }

    // Exported as an interface, because otherwise CABI gets a second copy of everything below.
    @export(interface) public func run() throws(LossFailure) {
        // All memory is allocated before anything is written.
        guard let workspace = BinaryWorkspace(threads: threadsToUse(), count: count) else { throw .outOfMemory }
        defer { workspace.free() }
        var counted = count
        let divisor = try scanTargets(workspace, counted: &counted)
        let isEmpty = try settings.isEmptyMean(divisor)
        let ofEmpty: ScaledNumber? = settings.empty == .zero ? nil : ScaledNumber(.nan)
        let grad = isEmpty ? ofEmpty : divisor.dividing(ScaledNumber(settings.gradLoss))
        try pass(.loss, workspace, grad: grad, exponent: divisor.exponent, areBinary: counted == count)
        guard settings.reduction != .none, let loss else { return }
        let value =
            isEmpty ? (settings.empty == .zero ? 0 : .nan) : divisor.mean(workspace.total())
        loss.operand.store(value, at: 0)
    }

    /// Checks every label, counts those that are not ignored, and returns the divisor of the losses (1 without a mean).
    private func scanTargets(
        _ workspace: BinaryWorkspace, counted: inout Int
    ) throws(LossFailure) -> MeanDivisor {
        let addsWeights =
            settings.reduction == .mean && settings.meanOver == .weight && (weight != nil || sampleWeight != nil)
        var exponent = 0
        if isIndexTarget || addsWeights {
            do throws(LossFailure) {
                try pass(.scan(addsWeights ? .products : .ones), workspace)
                let largest = workspace.largest()
                if addsWeights && largest != .min && largest.magnitude > 300 {
                    exponent = -largest
                    try pass(.scan(.shifted(by: exponent)), workspace)
                }
            } catch {
                if settings.wasCancelled { throw error }
                throw badLabel() ?? error
            }
            counted = workspace.counted()
        }
        guard settings.reduction == .mean else { return MeanDivisor(1) }
        if settings.meanOver == .divisor { return MeanDivisor(settings.meanDivisor) }
        return addsWeights
            ? try MeanDivisor(workspace.total().pointee, exponent: exponent) : MeanDivisor(Double(counted))
    }

    /// The first invalid label, in the order of the input's dimensions.
    @_optimize(size)
    private func badLabel() -> LossFailure? {
        guard isIndexTarget else { return nil }
        var first = Int.max
        var failure: LossFailure?
        for element in 0..<count {
            if element % Settings.part == 0 && settings.isCancelled { return nil }
            let label = target.operand.label(at: target.place(of: element).offset)
            if settings.ignoreIndex.map({ label.isEqual(to: $0) }) ?? false || label.isIndex(below: 2) { continue }
            let number = numbering.place(of: element).offset
            if number < first {
                first = number
                failure = .label(label, row: number)
            }
        }
        return failure
    }

    private func threadsToUse() -> Int {
        let useful = count / (2 * ElementPass.elementsPerPiece)
        return useful <= 1 ? 1 : min(useful, settings.threads > 0 ? settings.threads : ThreadCount.get(), maxThreads)
    }

    private func pass(
        _ what: ElementPass.Purpose, _ workspace: BinaryWorkspace, grad: ScaledNumber? = nil, exponent: Int = 0,
        areBinary: Bool = false
    ) throws(LossFailure) {
        if settings.isCancelled { throw .cancelled }
        workspace.reset()
        try withUnsafePointer(to: self) { problem throws(LossFailure) in
            var pass = ElementPass(problem, what, workspace, grad: grad, exponent: exponent, areBinary: areBinary)
            ThreadPool.run(threads: workspace.threads, { ElementPass.work($0!) }, &pass)
            if settings.wasCancelled || withUnsafeMutablePointer(to: &pass.pieces, { $0.wasStopped }) {
                throw .cancelled
            }
        }
    }
}
