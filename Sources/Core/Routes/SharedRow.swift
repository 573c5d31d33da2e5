import KernelABI

/// One long row that several threads compute, a few blocks at a time. The blocks are the same as with a single thread,
/// and their sums are merged in order, so the bits are the same.
struct SharedRow {
    private var pieces: Pieces
    private let group: UnsafePointer<crossentropy_group>
    private let workspace: Workspace
    /// The kernel that all blocks go through.
    private let kernel: crossentropy_block_kernel

    /// Blocks that a thread claims at a time.
    private static var blocksPerPiece: Int { 32 }

    /// Computes the losses and gradients of all rows, one row after the other.
    static func runAll(_ pass: UnsafePointer<RowPass>) throws(LossFailure) {
        let problem = pass.pointee.problem
        pass.pointee.workspace.reset()
        let groups = Groups(pass, pass.pointee.workspace.slot(0))
        groups.group.pointee.kept = nil  // that memory belongs to one thread
        problem.pointee.rows.forEachRow(in: 0..<problem.pointee.rows.count) { row, offsets in
            run(groups, row, offsets)
            return !problem.pointee.settings.isCancelled
        }
        if problem.pointee.settings.wasCancelled { throw .cancelled }
    }

    @inline(never)
    private static func run(_ groups: Groups, _ row: Int, _ offsets: RowOffsets) {
        let inDoubles = groups.pass.pointee.plan.pointee.computesInDoubles
        let kernels = crossentropy_get_long_row_kernels(Processor.kernels, inDoubles ? 1 : 0).pointee
        let group = groups.group
        groups.prepare(1, offsets)
        kernels.begin(group)
        forEachBlock(groups, kernels.sum)
        if groups.problem.pointee.settings.wasCancelled { return }  // some blocks have no sums then
        kernels.finish(group)
        if group.pointee.grad != nil {
            forEachBlock(groups, kernels.grad)
        } else {
            groups.pass.pointee.clearGradients(offsets, 1)
        }
        groups.statistics?.store(&group.pointee, row, 1)
        groups.keepLosses(1, offsets)
    }

    private static func forEachBlock(_ groups: Groups, _ kernel: crossentropy_block_kernel) {
        let problem = groups.problem
        let blocks = (problem.pointee.classes + Int(CROSSENTROPY_BLOCK) - 1) / Int(CROSSENTROPY_BLOCK)
        let workspace = groups.pass.pointee.workspace
        var row = SharedRow(
            pieces: Pieces(count: blocks, length: blocksPerPiece, cancel: problem.pointee.settings.cancel),
            group: UnsafePointer(groups.group), workspace: workspace, kernel: kernel)
        ThreadPool.run(threads: workspace.threads, { SharedRow.work($0!) }, &row)
    }

    private static func work(_ context: UnsafeMutableRawPointer) {
        let row = context.assumingMemoryBound(to: SharedRow.self)
        let pieces = withUnsafeMutablePointer(to: &row.pointee.pieces) { $0 }
        guard var blocks = pieces.next() else { return }
        // All threads share the table of block sums, but each has scratch space of its own.
        var group = row.pointee.group.pointee
        group.scratch = row.pointee.workspace.slot(pieces.nextSlot()).scratch
        while true {
            row.pointee.kernel(&group, Int64(blocks.lowerBound), Int64(blocks.count))
            guard let next = pieces.next() else { return }
            blocks = next
        }
    }
}
