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
    @export(interface) public static func computePartials(_ call: UnsafePointer<LossCall>, _ partials: Partials)
        throws(LossFailure)
    {
        // Which labels are too large is not known yet.
        var scan = call.pointee
        scan.classes = .max
        _ = try scan.scanTargets()
        try runSlices(call, partials, RowScales(loss: ScaledNumber(1), exponent: 0, grad: nil))
    }

    /// The gradient of each row's slice, from complete statistics of each row.
    @export(interface) public static func gradOfPartials(_ call: UnsafePointer<LossCall>, _ partials: Partials)
        throws(LossFailure)
    {
        let divisor = try call.pointee.scanTargets()
        let isEmpty = try call.pointee.isEmptyMean(divisor)
        try runSlices(call, partials, call.pointee.scales(divisor, isEmpty: isEmpty))
    }

    @inline(never)
    @_optimize(size)
    private static func runSlices(_ call: UnsafePointer<LossCall>, _ partials: Partials, _ scales: RowScales)
        throws(LossFailure)
    {
        try Workspace.with(call) { plan, workspace throws(LossFailure) in
            var pass = RowPass(.slices(partials), call, plan, workspace, scales)
            try pass.run()
        }
    }

    /// The loss from complete statistics of each row.
    @_optimize(size)
    @export(interface) public static func lossOfPartials(_ call: UnsafePointer<LossCall>, _ partials: Partials)
        throws(LossFailure)
    {
        let divisor = try call.pointee.scanTargets()
        let isEmpty = try call.pointee.isEmptyMean(divisor)
        let scales = call.pointee.scales(divisor, isEmpty: isEmpty)
        try Workspace.with(call, threads: 1) { plan, workspace throws(LossFailure) in
            var pass = RowPass(.slices(partials), call, plan, workspace, scales)
            workspace.reset()
            withUnsafePointer(to: &pass) { pass in
                let groups = Groups(pass, workspace.slot(0))
                let rows = call.pointee.rows
                rows.forEachRun(in: 0..<rows.count, limit: Int(CROSSENTROPY_GROUP)) { row, first, count in
                    if call.pointee.isCancelled { return false }
                    groups.prepare(count, first)
                    groups.complete(count, partials + row)
                    groups.keepLosses(count, first)
                    return true
                }
            }
            if call.pointee.wasCancelled { throw .cancelled }
            call.pointee.storeReduced(workspace.total(), divisor, isEmpty: isEmpty)
        }
    }
}

extension Groups {
    /// The losses of a group whose rows have their statistics, and what its gradients need.
    @inline(never)
    @_optimize(size)
    fileprivate func complete(_ count: Int, _ partials: LossCall.Partials) {
        let kernels = withUnsafePointer(to: &Processor.state.pointee.kernels) { $0 }
        let target = shim_group_target(group)!
        let max = shim_group_max(group)!
        let rest = shim_group_rest(group)!
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
        kernels.pointee.slice_finish(group)
    }
}

/// Rows of which the input holds a slice of the classes: a thread's way through them.
struct Slices {
    private let groups: Groups
    private let kernels: crossentropy_slice_kernels

    init(_ pass: UnsafePointer<RowPass>, _ slot: Workspace.Slot) {
        groups = Groups(pass, slot)
        let inDoubles = pass.pointee.plan.pointee.computesInDoubles
        kernels = shim_slice_kernels(&Processor.state.pointee.kernels, inDoubles ? 1 : 0).pointee
    }

    private var call: UnsafePointer<LossCall> { groups.call }
    private var group: UnsafeMutablePointer<crossentropy_group> { groups.group }

    @_optimize(size)
    func run(_ rows: Range<Int>) {
        guard case .slices(let partials) = groups.pass.pointee.purpose else { return }
        call.pointee.rows.forEachRun(in: rows, limit: Int(CROSSENTROPY_GROUP)) { row, offsets, count in
            if call.pointee.grad != nil {
                writeGradient(partials + row, offsets, count)
            } else {
                for i in 0..<count where !call.pointee.isCancelled {
                    compute(partials + row + i, offsets + call.pointee.rows.step * i)
                }
            }
            return true
        }
    }

    @inline(never)
    @_optimize(size)
    private func compute(_ place: LossCall.Partials, _ offsets: RowOffsets) {
        let call = call.pointee
        let first = call.slice!.lowerBound
        let label = call.target.label(at: offsets.target)
        let isIgnored = call.isIgnored(label)
        var partial = crossentropy_partial(
            dtype: call.input.dtype, label: isIgnored ? LossCall.ignoredLabel : label.value, transform: call.transform)
        partial.cover(first: first, count: call.classes)
        if !isIgnored {
            group.pointee.rows = 1
            group.pointee.input = UnsafeRawPointer(call.input.element(offsets.input))
            shim_group_labels(group)![0] = label.value &- Int64(first)
            kernels.read(group)
            if call.slice!.contains(Int(label.value)) {
                partial.has_target = 1
                partial.target = shim_group_target(group)![0]
            }
            var sum = crossentropy_block_sum()
            for block in 0..<(call.classes + Int(CROSSENTROPY_BLOCK) - 1) / Int(CROSSENTROPY_BLOCK) {
                if call.isCancelled { return }
                sum.max = partial.max
                kernels.sum(group, 0, Int64(block), &sum)
                partial.add(sum, first: first)
            }
        }
        place.pointee = partial
    }

    @inline(never)
    @_optimize(size)
    private func writeGradient(_ partials: LossCall.Partials, _ offsets: RowOffsets, _ count: Int) {
        if !groups.pass.pointee.scales.hasGradients { return groups.pass.pointee.clearGradients(offsets, count) }
        groups.prepare(count, offsets)
        // From here on counted from the slice's first class.
        let first = Int64(call.pointee.slice!.lowerBound)
        for i in 0..<count { shim_group_labels(group)![i] -= first }
        kernels.read(group)
        groups.complete(count, partials)
        kernels.grad(group)
    }
}
