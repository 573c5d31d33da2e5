import Shims

// Few long rows: the threads share each row, a few blocks at a time. The blocks are those that a single thread would make,
// and what they come to is merged in their order, so the bits are the same.

extension LossCall {
    /// Whether there are too few rows to give every thread its own, and they are long enough to be shared.
    func sharesRows(threads: Int) -> Bool {
        threads > 1 && inputType == .logits && !needsMass && !usesGroups && classes >= 1 << 17
            && (rows.count < threads || (rows.count < 4 * threads && classes >= 1 << 20))
    }

    /// The sum of the rows' losses, or with reduction none, nothing: the losses are stored.
    func sumOverLongRows(_ workspace: Workspace, gradFactor: Double?) throws(LossFailure) -> ExactSum {
        let blocks = (classes + Int(CROSSENTROPY_BLOCK) - 1) / Int(CROSSENTROPY_BLOCK)
        guard let memory = calloc(blocks, MemoryLayout<crossentropy_stats>.stride) else { throw .outOfMemory }
        defer { free(memory) }
        var worker = RowWorker(
            RowPass(call: self, what: .loss, workspace: workspace, gradFactor: gradFactor, rowsPerPiece: 1), slot: 0)
        var isCancelled = false
        rows.forEachRow(in: 0..<rows.count) { _, offsets in
            if let known = worker.prepare(offsets) {
                worker.keep(known, at: offsets.loss)
                return true
            }
            var share = LongRow(
                row: worker.row, kernels: worker.longRowKernels,
                blocks: memory.assumingMemoryBound(to: crossentropy_stats.self), blockCount: blocks,
                workspace: workspace, cancel: cancel)
            share.forEachPiece(threads: workspace.threads)
            var outcome = crossentropy_outcome()
            withUnsafePointer(to: worker.row) { outcome = share.kernels.outcome($0, share.blocks, Int64(blocks)) }
            if outcome.loss != outcome.loss {
                worker.fillGradient(offsets, with: .nan)
            } else if worker.row.grad != nil {
                share.outcome = outcome
                share.forEachPiece(threads: workspace.threads)
            }
            if worker.row.grad == nil { worker.fillUncomputedGradient(offsets) }
            worker.keep(outcome.loss, at: offsets.loss)
            isCancelled = shim_load_i32(&share.isCancelled) != 0
            return !isCancelled
        }
        if isCancelled { throw .cancelled }
        return workspace.total()
    }
}

/// One row that several threads work on.
private struct LongRow {
    let row: crossentropy_row
    let kernels: crossentropy_long_row_kernels
    let blocks: UnsafeMutablePointer<crossentropy_stats>
    let blockCount: Int
    let workspace: Workspace
    let cancel: UnsafePointer<Int32>?
    /// The whole row's; `nil` while the statistics of its blocks are being made.
    var outcome: crossentropy_outcome?
    var nextPiece: Int64 = 0
    var nextSlot: Int64 = 0
    var isCancelled: Int32 = 0

    /// Blocks that a thread takes at a time.
    private static var blocksPerPiece: Int { 32 }

    mutating func forEachPiece(threads: Int) {
        nextPiece = 0
        nextSlot = 0
        ThreadPool.run(threads: threads, { LongRow.work($0!) }, &self)
    }

    private static func work(_ context: UnsafeMutableRawPointer) {
        let share = context.assumingMemoryBound(to: LongRow.self)
        var row = share.pointee.row
        var hasSlot = false
        while true {
            let first = Int(shim_fetch_add_i64(&share.pointee.nextPiece, 1)) * blocksPerPiece
            if first >= share.pointee.blockCount || shim_load_i32(&share.pointee.isCancelled) != 0 { break }
            if let cancel = share.pointee.cancel, shim_load_i32(cancel) != 0 {
                shim_store_i32(&share.pointee.isCancelled, 1)
                break
            }
            if !hasSlot {
                row.scratch = share.pointee.workspace.scratch(slot: Int(shim_fetch_add_i64(&share.pointee.nextSlot, 1)))
                hasSlot = true
            }
            let count = min(blocksPerPiece, share.pointee.blockCount - first)
            if var outcome = share.pointee.outcome {
                share.pointee.kernels.grad(&row, &outcome, Int64(first), Int64(count))
            } else {
                share.pointee.kernels.stats(&row, Int64(first), Int64(count), share.pointee.blocks)
            }
        }
    }
}
