import Shims

/// The memory that a call needs beside the caller's: O(threads + classes), from malloc, so that running out of it is
/// an error and not the end of the process.
struct Workspace {
    let threads: Int
    private let scratchBytes: Int
    private let blocksBytes: Int
    private let extraBytes: Int
    private let sums: UnsafeMutablePointer<ExactSum>
    /// Each thread's scratch space, followed by its table of blocks and its tile, or room for exponentials.
    private let scratch: UnsafeMutableRawPointer
    /// The class weights as contiguous doubles, divided by 2^weightExponent, which is 1 unless they are near an end of the range.
    let classWeights: UnsafeMutablePointer<Double>?
    let weightExponent: Int
    /// What brings the largest class weight near 1, where that is near an end of the range.
    let massExponent: Int
    /// The prior, times the label smoothing.
    let priors: UnsafeMutablePointer<Double>?

    init?(for call: LossCall, _ plan: Plan) {
        threads = plan.threads
        let byColumns: Int32 = plan.isByColumns ? 1 : 0
        scratchBytes = Int(
            shim_scratch_bytes(Int64(call.classes), byColumns, call.transform.applies == 0 ? 0 : 1))
        blocksBytes = Int(shim_blocks_bytes(Int64(call.classes), byColumns))
        let (rowsBytes, isTooLong) = plan.route == .pairs ? PairRows.bytes(for: call) : (0, false)
        if isTooLong { return nil }
        extraBytes = ((plan.tile?.bytes(call) ?? plan.keptBytes) + rowsBytes + 127) & ~127
        let view = plan.needsMass ? call.weight : nil
        let prior = call.labelSmoothing == 0 ? nil : call.prior
        let weights = view.flatMap { _ in calloc(call.classes, MemoryLayout<Double>.stride) }
        let priors = prior.flatMap { _ in calloc(call.classes, MemoryLayout<Double>.stride) }
        let sums = malloc(threads * MemoryLayout<ExactSum>.stride)
        let (bytes, overflow) = threads.multipliedReportingOverflow(by: scratchBytes + blocksBytes + extraBytes)
        let scratch = overflow ? nil : aligned_alloc(128, bytes)
        guard let sums, let scratch, (weights != nil) == (view != nil), (priors != nil) == (prior != nil) else {
            Shims.free(sums)
            Shims.free(scratch)
            Shims.free(weights)
            Shims.free(priors)
            return nil
        }
        shim_use_large_pages(scratch, bytes)
        shim_use_large_pages(weights, weights == nil ? 0 : call.classes * MemoryLayout<Double>.stride)
        shim_use_large_pages(priors, priors == nil ? 0 : call.classes * MemoryLayout<Double>.stride)
        self.sums = sums.bindMemory(to: ExactSum.self, capacity: threads)
        self.sums.initialize(repeating: ExactSum(), count: threads)
        self.scratch = scratch
        classWeights = weights?.bindMemory(to: Double.self, capacity: call.classes)
        if let view, let classWeights {
            call.forEachPart(of: call.classes) { part in
                for c in part { classWeights[c] = view.double(at: c * view.classStride) }
            }
        }
        (weightExponent, massExponent) = classWeights.map { Self.normalize($0, for: call) } ?? (0, 0)
        self.priors = priors?.bindMemory(to: Double.self, capacity: call.classes)
        if let prior, let priors = self.priors {
            call.forEachPart(of: call.classes) { part in
                for c in part { priors[c] = call.labelSmoothing * prior.double(at: c * prior.classStride) }
            }
        }
    }

    /// Divides the class weights by a power of two, the exponent of which is returned, if the largest is near an end of the range; and
    /// the exponent that would bring the largest near 1. The z-loss is divided by it too, as it is added to what they weigh. None
    /// of them may get near the other end.
    private static func normalize(_ weights: UnsafeMutablePointer<Double>, for call: LossCall) -> (Int, Int) {
        var largest = 0.0
        var least = Double.infinity
        call.forEachPart(of: call.classes) { part in
            for c in part where weights[c] != 0 {
                let weight = weights[c].magnitude
                if weight > largest { largest = weight }
                if weight < least { least = weight }
            }
        }
        if largest == 0 || largest == .infinity { return (0, 0) }
        let massExponent = largest.isOrdinary ? 0 : -ScaledNumber(largest).exponent
        let zLoss = call.terms.z_loss
        if zLoss != 0 { (least, largest) = (min(least, zLoss), max(largest, zLoss)) }
        let (low, high) = (ScaledNumber(least).exponent, ScaledNumber(largest).exponent)
        // Ordinary ones are left as they are, unless they come with some that lose digits when they are multiplied.
        let exponent =
            high.magnitude < 200
            ? (low < -700 ? high - 200 : 0) : high > 0 ? max(0, min(high, low + 700)) : high
        if exponent == 0 { return (0, massExponent) }
        call.forEachPart(of: call.classes) { part in
            for c in part { weights[c] = ScaledNumber(weights[c]).shifted(by: -exponent).value }
        }
        return (exponent, massExponent)
    }

    func free() {
        Shims.free(sums)
        Shims.free(scratch)
        Shims.free(classWeights)
        Shims.free(priors)
    }

    func reset() {
        for i in 0..<threads { sums[i] = ExactSum() }
    }

    func sum(slot: Int) -> UnsafeMutablePointer<ExactSum> { sums + slot }

    func scratch(slot: Int) -> UnsafeMutableRawPointer {
        scratch + slot * (scratchBytes + blocksBytes + extraBytes)
    }

    func blocks(slot: Int) -> UnsafeMutableRawPointer { scratch(slot: slot) + scratchBytes }

    func extra(slot: Int) -> UnsafeMutableRawPointer { blocks(slot: slot) + blocksBytes }

    func total() -> ExactSum {
        var total = sums[0]
        for i in 1..<max(1, threads) { total.add(sums[i]) }
        return total
    }
}
