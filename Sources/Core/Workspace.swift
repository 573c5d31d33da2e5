import KernelABI
import Shims

/// The memory of a call beside the caller's: O(threads + classes). A small workspace is on the stack. A larger one is
/// from malloc, so that running out of memory is an error and does not end the process.
struct Workspace {
    let threads: Int
    private let slotBytes: Int
    private let scratchBytes: Int
    private let blocksBytes: Int
    private let memory: UnsafeMutableRawPointer
    private let tables: ClassTables

    // See ClassTables.
    var classWeights: UnsafeMutablePointer<Double>? { tables.weights }
    var weightExponent: Int { tables.weightExponent }
    var massExponent: Int { tables.massExponent }
    var priors: UnsafeMutablePointer<Double>? { tables.priors }

    /// One thread's share.
    struct Slot {
        /// The sum of the losses or of the target mass.
        let sum: UnsafeMutablePointer<ExactSum>
        /// Up to 16 rows, by address because a group is large.
        let group: UnsafeMutablePointer<crossentropy_group>
        /// crossentropy_scratch_bytes
        let scratch: UnsafeMutableRawPointer
        /// crossentropy_blocks_bytes
        let blocks: UnsafeMutableRawPointer
        /// A `RowTile`, or exponentials that the gradient's memory cannot keep, or the arrays of `Pairs` (with
        /// those of `DivergenceTerms`) or of `ShortRows`: a call uses one of them.
        let extra: UnsafeMutableRawPointer
    }

    private static var alignment: Int { 128 }
    private static var sumBytes: Int { aligned(MemoryLayout<ExactSum>.size) }
    private static var groupBytes: Int { aligned(MemoryLayout<crossentropy_group>.size) }
    private static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) & -alignment }

    /// Plans a call and lets `body` compute it. Memory is allocated before anything is written.
    @inline(__always)
    static func with(
        _ problem: UnsafePointer<Problem>, threads: Int? = nil,
        _ body: (UnsafePointer<Plan>, Workspace) throws(LossFailure) -> Void
    ) throws(LossFailure) {
        let plan = Plan(
            for: problem.pointee, threads: threads ?? problem.pointee.settings.threads, forced: Route.forced)
        // Not cleared, because clearing would take longer than using it.
        var stack = shim_stack_memory()
        try withUnsafeMutableBytes(of: &stack) { stack throws(LossFailure) in
            try withUnsafePointer(to: plan) { plan throws(LossFailure) in
                guard let workspace = Workspace(for: problem, plan, stack) else { throw .outOfMemory }
                defer { workspace.free(stack) }
                try body(plan, workspace)
            }
        }
    }

    @inline(__always)
    private init?(
        for problem: UnsafePointer<Problem>, _ plan: UnsafePointer<Plan>, _ stack: UnsafeMutableRawBufferPointer
    ) {
        let classes = problem.pointee.classes
        let route = plan.pointee.route
        let byColumns: Int32 = plan.pointee.isByColumns ? 1 : 0
        let isTransformed = problem.pointee.settings.transform.applies != 0
        let needsFourth: Int32 = isTransformed || (problem.pointee.hasTarget && !problem.pointee.isIndexTarget) ? 1 : 0
        threads = plan.pointee.threads
        scratchBytes =
            route == .short
            ? 0
            : Int(crossentropy_scratch_bytes(Int64(classes), byColumns, needsFourth))
        blocksBytes = route == .short ? 0 : Int(crossentropy_blocks_bytes(Int64(classes), byColumns))
        let (pairBytes, isTooLong) =
            route == .pairs || route == .terms ? Pairs.bytes(for: problem.pointee) : (0, false)
        if isTooLong { return nil }
        let termBytes = route == .terms ? DivergenceTerms.bytes(for: problem.pointee) : 0
        let shortBytes = route == .short ? ShortRows.bytes(for: problem.pointee, plan.pointee) : 0
        let extraBytes =
            (plan.pointee.tile?.bytes(problem.pointee) ?? plan.pointee.keptBytes + plan.pointee.teacherBytes)
            + pairBytes + termBytes + shortBytes
        slotBytes = Self.aligned(scratchBytes + blocksBytes + extraBytes) + Self.sumBytes + Self.groupBytes
        let (bytes, overflow) = threads.multipliedReportingOverflow(by: slotBytes)
        if overflow { return nil }

        let isSmall = bytes <= stack.count - Self.alignment
        let start = Int(bitPattern: stack.baseAddress!)
        let onStack = stack.baseAddress! + (Self.aligned(start) - start)
        let tables = plan.pointee.needsMass ? ClassTables(for: problem) : ClassTables()
        let memory = isSmall ? onStack : aligned_alloc(Self.alignment, bytes)
        guard let memory, let tables else {
            if !isSmall { Shims.free(memory) }
            tables?.free()
            return nil
        }
        if !isSmall { shim_use_large_pages(memory, bytes) }
        self.memory = memory
        self.tables = tables
    }

    private func free(_ stack: UnsafeMutableRawBufferPointer) {
        let isSmall = memory >= stack.baseAddress! && memory < stack.baseAddress! + stack.count
        if !isSmall { Shims.free(memory) }
        tables.free()
    }

    func slot(_ number: Int) -> Slot {
        let scratch = memory + number * slotBytes
        let group = scratch + slotBytes - Self.groupBytes
        return Slot(
            sum: (group - Self.sumBytes).assumingMemoryBound(to: ExactSum.self),
            group: group.assumingMemoryBound(to: crossentropy_group.self), scratch: scratch,
            blocks: scratch + scratchBytes, extra: scratch + scratchBytes + blocksBytes)
    }

    /// Empties all sums.
    func reset() {
        for i in 0..<threads { ExactSum.clear(slot(i).sum) }
    }

    /// Adds all threads' sums to the first thread's, and returns it.
    func total() -> UnsafePointer<ExactSum> {
        let total = slot(0).sum
        for i in 1..<max(1, threads) {
            total.pointee.add(slot(i).sum.pointee)
            slot(i).sum.pointee = ExactSum()
        }
        return UnsafePointer(total)
    }
}
