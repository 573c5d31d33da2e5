import Shims

/// The memory that a call needs beside the caller's: O(threads + classes), from malloc, so that running out of it is
/// an error and not the end of the process.
struct Workspace {
    let threads: Int
    private let scratchBytes = Int(shim_scratch_bytes())
    private let sums: UnsafeMutablePointer<ExactSum>
    private let scratch: UnsafeMutableRawPointer?
    /// The class weights as contiguous doubles.
    let classWeights: UnsafeMutablePointer<Double>?

    init?(threads: Int, classWeights view: Operand?, classes: Int) {
        self.threads = threads
        guard let sums = malloc(threads * MemoryLayout<ExactSum>.stride) else { return nil }
        let scratch = aligned_alloc(128, threads * scratchBytes)
        let weights = view.flatMap { _ in calloc(classes, MemoryLayout<Double>.stride) }
        guard scratch != nil, (weights != nil) == (view != nil) else {
            Shims.free(sums)
            Shims.free(scratch)
            Shims.free(weights)
            return nil
        }
        self.sums = sums.bindMemory(to: ExactSum.self, capacity: threads)
        self.sums.initialize(repeating: ExactSum(), count: threads)
        self.scratch = scratch
        classWeights = weights?.bindMemory(to: Double.self, capacity: classes)
        if let view, let classWeights {
            for c in 0..<classes { classWeights[c] = view.double(at: c * view.classStride) }
        }
    }

    func free() {
        Shims.free(sums)
        Shims.free(scratch)
        Shims.free(classWeights)
    }

    func reset() {
        for i in 0..<threads { sums[i] = ExactSum() }
    }

    func sum(slot: Int) -> UnsafeMutablePointer<ExactSum> { sums + slot }

    func scratch(slot: Int) -> UnsafeMutableRawPointer? {
        scratch.map { $0 + slot * scratchBytes }
    }

    func total() -> ExactSum {
        var total = sums[0]
        for i in 1..<max(1, threads) { total.add(sums[i]) }
        return total
    }
}
