import KernelABI

// Losses of logits with class indices, where every call holds a slice of the classes: partial statistics of the slice;
// and, from the merged partial statistics of all classes, the loss and the gradient of the slice.
//
// `target` holds the labels. For loss and gradient these are the labels in the partial statistics, where an ignored row has -1.

extension Problem {
    public typealias Partials = UnsafeMutablePointer<crossentropy_partial>

    /// The label of an ignored row.
    public static var ignoredLabel: Int64 { -1 }

    /// Writes the partial statistics of each row's slice. `classes` is the length of the slice.
    @export(interface) public static func computePartials(_ problem: UnsafePointer<Problem>, _ partials: Partials)
        throws(LossFailure)
    {
        // The number of all classes is not known yet, so no label is too large.
        _ = try Problem.divisor(problem, below: .max)
        try runSlices(problem, partials, RowScales(loss: ScaledNumber(1), exponent: 0, grad: nil))
    }

    /// Writes the gradient of each row's slice, from each row's complete partial statistics.
    @export(interface) public static func gradOfPartials(_ problem: UnsafePointer<Problem>, _ partials: Partials)
        throws(LossFailure)
    {
        let divisor = try Problem.divisor(problem)
        let isEmpty = try problem.pointee.settings.isEmptyMean(divisor)
        try runSlices(problem, partials, Problem.scales(problem, divisor, isEmpty: isEmpty))
    }

    @inline(never)
    @_optimize(size)
    private static func runSlices(_ problem: UnsafePointer<Problem>, _ partials: Partials, _ scales: RowScales)
        throws(LossFailure)
    {
        try Workspace.with(problem) { plan, workspace throws(LossFailure) in
            var pass = RowPass(.slices(partials), problem, plan, workspace, scales)
            try pass.run()
        }
    }

    /// Computes the loss from each row's complete partial statistics.
    @_optimize(size)
    @export(interface) public static func lossOfPartials(_ problem: UnsafePointer<Problem>, _ partials: Partials)
        throws(LossFailure)
    {
        let divisor = try Problem.divisor(problem)
        let isEmpty = try problem.pointee.settings.isEmptyMean(divisor)
        let scales = Problem.scales(problem, divisor, isEmpty: isEmpty)
        try Workspace.with(problem, threads: 1) { plan, workspace throws(LossFailure) in
            var pass = RowPass(.slices(partials), problem, plan, workspace, scales)
            workspace.reset()
            withUnsafePointer(to: &pass) { pass in
                let groups = Groups(pass, workspace.slot(0))
                let rows = problem.pointee.rows
                rows.forEachRun(in: 0..<rows.count, limit: Int(CROSSENTROPY_GROUP)) { row, first, count in
                    if problem.pointee.settings.isCancelled { return false }
                    groups.prepare(count, first)
                    groups.complete(count, partials + row)
                    groups.keepLosses(count, first)
                    return true
                }
            }
            if problem.pointee.settings.wasCancelled { throw .cancelled }
            Problem.storeReduced(problem, workspace.total(), divisor, isEmpty: isEmpty)
        }
    }
}

extension Groups {
    /// Computes the losses of a group from its rows' partial statistics, and the numbers that its gradients need.
    @inline(never)
    @_optimize(size)
    fileprivate func complete(_ count: Int, _ partials: Problem.Partials) {
        let kernels = Processor.kernels
        let target = crossentropy_group_target(group)!
        let max = crossentropy_group_max(group)!
        let rest = crossentropy_group_rest(group)!
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

/// A thread's pass over rows of which the input holds a slice of the classes.
struct Slices {
    private let groups: Groups
    private let kernels: crossentropy_slice_kernels

    init(_ pass: UnsafePointer<RowPass>, _ slot: Workspace.Slot) {
        groups = Groups(pass, slot)
        let inDoubles = pass.pointee.plan.pointee.computesInDoubles
        kernels = crossentropy_get_slice_kernels(Processor.kernels, inDoubles ? 1 : 0).pointee
    }

    private var problem: UnsafePointer<Problem> { groups.problem }
    private var group: UnsafeMutablePointer<crossentropy_group> { groups.group }

    @_optimize(size)
    func run(_ rows: Range<Int>) {
        guard case .slices(let partials) = groups.pass.pointee.purpose else { return }
        problem.pointee.rows.forEachRun(in: rows, limit: Int(CROSSENTROPY_GROUP)) { row, offsets, count in
            if problem.pointee.outputs.grad != nil {
                writeGradient(partials + row, offsets, count)
            } else {
                for i in 0..<count where !problem.pointee.settings.isCancelled {
                    compute(partials + row + i, offsets + problem.pointee.rows.step * i)
                }
            }
            return true
        }
    }

    @inline(never)
    @_optimize(size)
    private func compute(_ place: Problem.Partials, _ offsets: RowOffsets) {
        let first = problem.pointee.slice!.lowerBound
        let label = problem.pointee.target.label(at: offsets.target)
        let isIgnored = problem.pointee.isIgnored(label)
        var partial = crossentropy_partial(
            dtype: problem.pointee.input.dtype, label: isIgnored ? Problem.ignoredLabel : label.value,
            transform: problem.pointee.settings.transform)
        partial.cover(first: first, count: problem.pointee.classes)
        if !isIgnored {
            group.pointee.rows = 1
            group.pointee.input = UnsafeRawPointer(problem.pointee.input.element(offsets.input))
            crossentropy_group_labels(group)![0] = label.value &- Int64(first)
            kernels.read(group)
            if problem.pointee.slice!.contains(Int(label.value)) {
                partial.has_target = 1
                partial.target = crossentropy_group_target(group)![0]
            }
            var sum = crossentropy_block_sum()
            for block in 0..<(problem.pointee.classes + Int(CROSSENTROPY_BLOCK) - 1) / Int(CROSSENTROPY_BLOCK) {
                if problem.pointee.settings.isCancelled { return }
                sum.max = partial.max
                kernels.sum(group, 0, Int64(block), &sum)
                partial.add(sum, first: first)
            }
        }
        place.pointee = partial
    }

    @inline(never)
    @_optimize(size)
    private func writeGradient(_ partials: Problem.Partials, _ offsets: RowOffsets, _ count: Int) {
        if !groups.pass.pointee.scales.hasGradients { return groups.pass.pointee.clearGradients(offsets, count) }
        groups.prepare(count, offsets)
        // From here on labels are counted from the slice's first class.
        let first = Int64(problem.pointee.slice!.lowerBound)
        for i in 0..<count { crossentropy_group_labels(group)![i] -= first }
        kernels.read(group)
        groups.complete(count, partials)
        kernels.grad(group)
    }
}
