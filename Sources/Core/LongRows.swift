import Shims

// Few long rows: the threads share each row, a few blocks at a time. The blocks are those that a single thread would make,
// and what they come to is merged in their order, so the bits are the same.

extension LossCall {
    /// The sum of the rows' losses, or with reduction none, nothing: the losses are stored.
    func sumOverLongRows(_ plan: Plan, _ workspace: Workspace, _ scales: RowScales) throws(LossFailure) -> ExactSum {
        let blocks = (classes + Int(CROSSENTROPY_BLOCK) - 1) / Int(CROSSENTROPY_BLOCK)
        let worker = RowWorker(
            RowPass(call: self, plan: plan, what: .loss, workspace: workspace, scales: scales), slot: 0)
        rows.forEachRow(in: 0..<rows.count) { row, offsets in
            run(worker, row, offsets, blocks, workspace)
            return !isCancelled
        }
        if wasCancelled { throw .cancelled }
        return workspace.total()
    }

    /// One row.
    @inline(never)
    private func run(_ worker: RowWorker, _ row: Int, _ offsets: RowOffsets, _ blocks: Int, _ workspace: Workspace) {
        var share = LongRow(
            group: worker.emptyGroup(), kernels: worker.longRowKernels, blockCount: blocks, workspace: workspace)
        share.group.kept = nil  // each thread's own
        worker.prepare(&share.group, 1, offsets)
        share.kernels.begin(&share.group)
        share.forEachPiece(threads: workspace.threads, share.kernels.sum)
        if wasCancelled { return }  // and some blocks have no sums
        share.kernels.finish(&share.group)
        worker.applyPowers(&share.group, 1)
        if share.group.grad != nil {
            share.forEachPiece(threads: workspace.threads, share.kernels.grad)
        } else {
            worker.clearGradients(offsets, 1)
        }
        statistics?.store(&share.group, row, 1)
        worker.keep(shim_group_loss(&share.group)[0], at: offsets.loss)
    }
}

/// One row that several threads work on.
private struct LongRow {
    var group: crossentropy_group
    let kernels: crossentropy_long_row_kernels
    let blockCount: Int
    let workspace: Workspace
    /// What is being done with all the blocks.
    var kernel: crossentropy_block_kernel?
    var nextPiece: Int64 = 0
    var nextSlot: Int64 = 0

    /// Blocks that a thread takes at a time.
    private static var blocksPerPiece: Int { 32 }

    mutating func forEachPiece(threads: Int, _ kernel: crossentropy_block_kernel) {
        self.kernel = kernel
        nextPiece = 0
        nextSlot = 0
        ThreadPool.run(threads: threads, { LongRow.work($0!) }, &self)
    }

    private static func work(_ context: UnsafeMutableRawPointer) {
        let share = context.assumingMemoryBound(to: LongRow.self)
        var group = share.pointee.group
        var hasSlot = false
        while true {
            let first = Int(shim_fetch_add_i64(&share.pointee.nextPiece, 1)) * blocksPerPiece
            if first >= share.pointee.blockCount || shim_is_cancelled(group.cancel) { break }
            if !hasSlot {
                // The table of blocks stays the one that all share.
                let slot = Int(shim_fetch_add_i64(&share.pointee.nextSlot, 1))
                group.scratch = share.pointee.workspace.scratch(slot: slot)
                hasSlot = true
            }
            let count = min(blocksPerPiece, share.pointee.blockCount - first)
            share.pointee.kernel!(&group, Int64(first), Int64(count))
        }
    }
}
