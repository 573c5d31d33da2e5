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
    /// The prior, times the label smoothing.
    let priors: UnsafeMutablePointer<Double>?

    init?(threads: Int, for call: LossCall) {
        self.threads = threads
        scratchBytes = Int(
            shim_scratch_bytes(
                Int64(call.classes), call.usesColumns ? 1 : 0, call.transform.applies == 0 ? 0 : 1))
        blocksBytes = Int(shim_blocks_bytes(Int64(call.classes), call.usesColumns ? 1 : 0))
        let (rowsBytes, isTooLong) = PairRows.bytes(for: call)
        if isTooLong { return nil }
        extraBytes = ((RowTile(for: call)?.bytes(call) ?? call.keptBytes) + rowsBytes + 127) & ~127
        let view = call.needsMass ? call.weight : nil
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
        weightExponent = classWeights.map { Self.normalize($0, for: call) } ?? 0
        self.priors = priors?.bindMemory(to: Double.self, capacity: call.classes)
        if let prior, let priors = self.priors {
            call.forEachPart(of: call.classes) { part in
                for c in part { priors[c] = call.labelSmoothing * prior.double(at: c * prior.classStride) }
            }
        }
    }

    /// Divides the class weights by a power of two, the exponent of which is returned, if the largest is near an end of the range.
    private static func normalize(_ weights: UnsafeMutablePointer<Double>, for call: LossCall) -> Int {
        var largest = 0.0
        call.forEachPart(of: call.classes) { part in
            for c in part where weights[c].magnitude > largest { largest = weights[c].magnitude }
        }
        if largest.isOrdinary || largest == .infinity { return 0 }
        let exponent = ScaledNumber(largest).exponent
        call.forEachPart(of: call.classes) { part in
            for c in part { weights[c] = ScaledNumber(weights[c]).shifted(by: -exponent).value }
        }
        return exponent
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
