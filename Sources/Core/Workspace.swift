import KernelABI
import Shims

/// The memory that a call needs beside the caller's: O(threads + classes), from the stack where that is little, else from malloc, so
/// that running out of it is an error and not the end of the process.
struct Workspace {
    let threads: Int
    private let slotBytes: Int
    private let scratchBytes: Int
    private let blocksBytes: Int
    private let memory: UnsafeMutableRawPointer
    /// The class weights as contiguous doubles, divided by 2^weightExponent, which is 1 unless they are near an end of the range.
    let classWeights: UnsafeMutablePointer<Double>?
    let weightExponent: Int
    /// What brings the largest class weight near 1, where that is near an end of the range.
    let massExponent: Int
    /// The prior, times the label smoothing.
    let priors: UnsafeMutablePointer<Double>?

    /// One thread's share.
    struct Slot {
        /// Of losses or mass.
        let sum: UnsafeMutablePointer<ExactSum>
        /// Up to 16 rows, in their own memory as it is large.
        let group: UnsafeMutablePointer<crossentropy_group>
        /// crossentropy_scratch_bytes
        let scratch: UnsafeMutableRawPointer
        /// crossentropy_blocks_bytes
        let blocks: UnsafeMutableRawPointer
        /// A `RowTile`, or exponentials that cannot wait in the gradient's memory, or the arrays of `Pairs` or of `ShortRows`: no call needs two.
        let extra: UnsafeMutableRawPointer
    }

    private static var alignment: Int { 128 }
    private static var sumBytes: Int { aligned(MemoryLayout<ExactSum>.size) }
    private static var groupBytes: Int { aligned(MemoryLayout<crossentropy_group>.size) }
    private static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) & -alignment }

    /// Plans a call and has `body` compute it. Memory is taken before anything is written.
    @inline(__always)
    static func with(
        _ problem: UnsafePointer<Problem>, threads: Int? = nil,
        _ body: (UnsafePointer<Plan>, Workspace) throws(LossFailure) -> Void
    ) throws(LossFailure) {
        let plan = Plan(for: problem.pointee, threads: threads ?? problem.pointee.settings.threads)
        // As it comes: to clear it would take longer than to use it.
        var stack = shim_stack_memory()
        try withUnsafeMutableBytes(of: &stack) { stack throws(LossFailure) in
            try withUnsafePointer(to: plan) { plan throws(LossFailure) in
                guard let workspace = Workspace(for: problem, plan, stack) else { throw .outOfMemory }
                defer { workspace.free(stack) }
                try body(plan, workspace)
            }
        }
    }

    private init?(
        for problem: UnsafePointer<Problem>, _ plan: UnsafePointer<Plan>, _ stack: UnsafeMutableRawBufferPointer
    ) {
        let classes = problem.pointee.classes
        let byColumns: Int32 = plan.pointee.isByColumns ? 1 : 0
        threads = plan.pointee.threads
        scratchBytes = Int(
            crossentropy_scratch_bytes(
                Int64(classes), byColumns, problem.pointee.settings.transform.applies == 0 ? 0 : 1))
        blocksBytes = Int(crossentropy_blocks_bytes(Int64(classes), byColumns))
        let (pairBytes, isTooLong) = plan.pointee.route == .pairs ? Pairs.bytes(for: problem.pointee) : (0, false)
        if isTooLong { return nil }
        let shortBytes = plan.pointee.route == .short ? ShortRows.bytes(for: problem.pointee, plan.pointee) : 0
        let extraBytes =
            (plan.pointee.tile?.bytes(problem.pointee) ?? plan.pointee.keptBytes) + pairBytes + shortBytes
        slotBytes = Self.aligned(scratchBytes + blocksBytes + extraBytes) + Self.sumBytes + Self.groupBytes
        let (bytes, overflow) = threads.multipliedReportingOverflow(by: slotBytes)
        if overflow { return nil }

        let weight = plan.pointee.needsMass ? problem.pointee.weight : nil
        let prior = problem.pointee.settings.labelSmoothing == 0 ? nil : problem.pointee.prior
        let weights = weight.flatMap { _ in calloc(classes, MemoryLayout<Double>.stride) }
        let priors = prior.flatMap { _ in calloc(classes, MemoryLayout<Double>.stride) }
        let isSmall = bytes <= stack.count - Self.alignment
        let start = Int(bitPattern: stack.baseAddress!)
        let onStack = stack.baseAddress! + (Self.aligned(start) - start)
        let memory = isSmall ? onStack : aligned_alloc(Self.alignment, bytes)
        guard let memory, (weights != nil) == (weight != nil), (priors != nil) == (prior != nil) else {
            if !isSmall { Shims.free(memory) }
            Shims.free(weights)
            Shims.free(priors)
            return nil
        }
        if !isSmall { shim_use_large_pages(memory, bytes) }
        shim_use_large_pages(weights, weights == nil ? 0 : classes * MemoryLayout<Double>.stride)
        shim_use_large_pages(priors, priors == nil ? 0 : classes * MemoryLayout<Double>.stride)
        self.memory = memory
        classWeights = weights?.bindMemory(to: Double.self, capacity: classes)
        if let weight, let classWeights {
            problem.pointee.settings.forEachPart(of: classes) { part in
                for c in part { classWeights[c] = weight.double(at: c * weight.classStride) }
            }
        }
        (weightExponent, massExponent) = classWeights.map { Self.normalize($0, for: problem.pointee) } ?? (0, 0)
        self.priors = priors?.bindMemory(to: Double.self, capacity: classes)
        if let prior, let priors = self.priors {
            problem.pointee.settings.forEachPart(of: classes) { part in
                for c in part {
                    priors[c] = problem.pointee.settings.labelSmoothing * prior.double(at: c * prior.classStride)
                }
            }
        }
    }

    private func free(_ stack: UnsafeMutableRawBufferPointer) {
        let isSmall = memory >= stack.baseAddress! && memory < stack.baseAddress! + stack.count
        if !isSmall { Shims.free(memory) }
        Shims.free(classWeights)
        Shims.free(priors)
    }

    func slot(_ number: Int) -> Slot {
        let scratch = memory + number * slotBytes
        let group = scratch + slotBytes - Self.groupBytes
        return Slot(
            sum: (group - Self.sumBytes).assumingMemoryBound(to: ExactSum.self),
            group: group.assumingMemoryBound(to: crossentropy_group.self), scratch: scratch,
            blocks: scratch + scratchBytes, extra: scratch + scratchBytes + blocksBytes)
    }

    /// No sums yet.
    func reset() {
        for i in 0..<threads { ExactSum.clear(slot(i).sum) }
    }

    /// The sum of all threads' sums, which becomes the first one's.
    func total() -> UnsafePointer<ExactSum> {
        let total = slot(0).sum
        for i in 1..<max(1, threads) {
            total.pointee.add(slot(i).sum.pointee)
            slot(i).sum.pointee = ExactSum()
        }
        return UnsafePointer(total)
    }

    /// Divides the class weights by a power of two, the exponent of which is returned, if the largest is near an end of the range; and
    /// the exponent that would bring the largest near 1. The z-loss is divided by it too, as it is added to what they weigh. None
    /// of them may get near the other end.
    private static func normalize(_ weights: UnsafeMutablePointer<Double>, for problem: borrowing Problem) -> (Int, Int)
    {
        var largest = 0.0
        var least = Double.infinity
        problem.settings.forEachPart(of: problem.classes) { part in
            for c in part where weights[c] != 0 {
                let weight = weights[c].magnitude
                if weight > largest { largest = weight }
                if weight < least { least = weight }
            }
        }
        if largest == 0 || largest == .infinity { return (0, 0) }
        let massExponent = largest.isOrdinary ? 0 : -ScaledNumber(largest).exponent
        let zLoss = problem.settings.terms.z_loss
        if zLoss != 0 { (least, largest) = (min(least, zLoss), max(largest, zLoss)) }
        let (low, high) = (ScaledNumber(least).exponent, ScaledNumber(largest).exponent)
        // Ordinary ones are left as they are, unless they come with some that lose digits when they are multiplied.
        let exponent =
            high.magnitude < 200
            ? (low < -700 ? high - 200 : 0) : high > 0 ? max(0, min(high, low + 700)) : high
        if exponent == 0 { return (0, massExponent) }
        problem.settings.forEachPart(of: problem.classes) { part in
            for c in part { weights[c] = ScaledNumber(weights[c]).shifted(by: -exponent).value }
        }
        return (exponent, massExponent)
    }
}
