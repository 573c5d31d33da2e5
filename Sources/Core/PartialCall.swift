import Shims

// Losses of logits with class indices, of which every call sees a slice of the classes: statistics of the slice, and from the
// statistics of all classes the loss, and the gradient of the slice.
//
// `target` is the labels; in loss and gradient those that the statistics hold, where an ignored row has -1.

extension LossCall {
    public typealias Partials = UnsafeMutablePointer<crossentropy_partial>

    /// The label of an ignored row.
    public static var ignoredLabel: Int64 { -1 }

    /// Writes the statistics of each row's slice. `classes` is the length of the slice.
    @export(interface) public func computePartials(_ partials: Partials) throws(LossFailure) {
        // Which labels are too large is not known yet.
        var scan = self
        scan.classes = .max
        _ = try scan.scanTargets()
        try runSlices(partials, RowScales(loss: ScaledNumber(1), exponent: 0, grad: nil))
    }

    /// The loss from complete statistics of each row.
    @_optimize(size)
    @export(interface) public func lossOfPartials(_ partials: Partials) throws(LossFailure) {
        let divisor = try scanTargets()
        let isEmpty = try isEmptyMean(divisor)
        let plan = Plan(for: self, threads: 1)
        guard let workspace = Workspace(for: self, plan) else { throw .outOfMemory }
        defer { workspace.free() }
        let worker = RowWorker(
            RowPass(
                call: self, plan: plan, what: .loss, workspace: workspace, scales: scales(divisor, isEmpty: isEmpty)),
            slot: 0)
        var group = worker.emptyGroup()
        rows.forEachRun(in: 0..<rows.count, limit: Int(CROSSENTROPY_GROUP)) { row, first, count in
            if isCancelled { return false }
            worker.prepare(&group, count, first)
            finish(&group, count, partials + row)
            worker.applyPowers(&group, count)
            let losses = shim_group_loss(&group)!
            for i in 0..<count { worker.keep(losses[i], at: (first + rows.step * i).loss) }
            return true
        }
        if wasCancelled { throw .cancelled }
        storeReduced(workspace.total(), divisor, isEmpty: isEmpty)
    }

    /// The gradient of each row's slice, from complete statistics of each row.
    @export(interface) public func gradOfPartials(_ partials: Partials) throws(LossFailure) {
        let divisor = try scanTargets()
        try runSlices(partials, scales(divisor, isEmpty: try isEmptyMean(divisor)))
    }

    @inline(never)
    @_optimize(size)
    private func runSlices(_ partials: Partials, _ scales: RowScales) throws(LossFailure) {
        let plan = plan()
        guard let workspace = Workspace(for: self, plan) else { throw .outOfMemory }
        defer { workspace.free() }
        if isCancelled { throw .cancelled }
        var pass = SlicePass(
            rows: RowPass(call: self, plan: plan, what: .loss, workspace: workspace, scales: scales),
            partials: partials)
        ThreadPool.run(threads: workspace.threads, { SlicePass.work($0!) }, &pass)
        if wasCancelled { throw .cancelled }
    }

    /// The group's losses, and what its gradients need.
    @inline(never)
    @_optimize(size)
    fileprivate func finish(_ group: inout crossentropy_group, _ count: Int, _ partials: Partials) {
        let kernels = withUnsafePointer(to: &Processor.state.pointee.kernels) { $0 }
        let target = shim_group_target(&group)!
        let max = shim_group_max(&group)!
        let rest = shim_group_rest(&group)!
        for i in 0..<Int(CROSSENTROPY_GROUP) {
            (target[i], max[i], rest[i]) = (0, 0, 0)
            if i >= count { continue }
            target[i] = partials[i].target
            max[i] = partials[i].max
            if max[i].magnitude < .infinity {
                let (sum, exponent) = partials[i].total()
                rest[i] = kernels.pointee.slice_rest(max[i], sum, exponent)
            }
        }
        kernels.pointee.slice_finish(&group)
    }
}

/// One pass over the rows of a slice.
private struct SlicePass {
    var rows: RowPass
    let partials: LossCall.Partials

    private var isGradient: Bool { rows.call.grad != nil }

    @_optimize(size)
    static func work(_ context: UnsafeMutableRawPointer) {
        let pass = context.assumingMemoryBound(to: SlicePass.self)
        let call = pass.pointee.rows.call
        let unit = pass.pointee.isGradient ? Int(CROSSENTROPY_GROUP) : 1
        var worker: RowWorker?
        while true {
            let piece = Int(shim_fetch_add_i64(&pass.pointee.rows.nextPiece, 1))
            let (first, overflow) = piece.multipliedReportingOverflow(by: unit)
            if overflow || first >= call.rows.count || call.isCancelled { break }
            if worker == nil {
                let slot = Int(shim_fetch_add_i64(&pass.pointee.rows.nextSlot, 1))
                worker = RowWorker(pass.pointee.rows, slot: slot)
            }
            let rows = first..<min(first + unit, call.rows.count)
            call.rows.forEachRun(in: rows, limit: Int(CROSSENTROPY_GROUP)) { row, offsets, count in
                if pass.pointee.isGradient {
                    pass.pointee.writeGradient(worker!, row, offsets, count)
                } else {
                    pass.pointee.compute(worker!, row, offsets)
                }
                return true
            }
        }
    }

    @inline(never)
    @_optimize(size)
    private func compute(_ worker: RowWorker, _ row: Int, _ offsets: RowOffsets) {
        let call = worker.call
        let first = call.slice!.lowerBound
        let label = call.target.label(at: offsets.target)
        let isIgnored = call.isIgnored(label)
        var partial = crossentropy_partial(
            dtype: call.input.dtype, label: isIgnored ? LossCall.ignoredLabel : label.value, transform: call.transform)
        partial.cover(first: first, count: call.classes)
        if !isIgnored {
            var group = worker.emptyGroup()
            group.rows = 1
            group.input = UnsafeRawPointer(call.input.element(offsets.input))
            shim_group_labels(&group)![0] = label.value &- Int64(first)
            worker.sliceKernels.read(&group)
            if call.slice!.contains(Int(label.value)) {
                partial.has_target = 1
                partial.target = shim_group_target(&group)![0]
            }
            var sum = crossentropy_block_sum()
            for block in 0..<(call.classes + Int(CROSSENTROPY_BLOCK) - 1) / Int(CROSSENTROPY_BLOCK) {
                if call.isCancelled { return }
                sum.max = partial.max
                worker.sliceKernels.sum(&group, 0, Int64(block), &sum)
                partial.add(sum, first: first)
            }
        }
        partials[row] = partial
    }

    @inline(never)
    @_optimize(size)
    private func writeGradient(_ worker: RowWorker, _ row: Int, _ offsets: RowOffsets, _ count: Int) {
        let call = worker.call
        let slice = call.slice!
        if !worker.scales.hasGradients { return worker.clearGradients(offsets, count) }
        var group = worker.emptyGroup()
        worker.prepare(&group, count, offsets)
        // From here on counted from the slice's first class.
        for i in 0..<count { shim_group_labels(&group)![i] -= Int64(slice.lowerBound) }
        worker.sliceKernels.read(&group)
        call.finish(&group, count, partials + row)
        worker.sliceKernels.grad(&group)
    }
}
