import Shims

extension RowWorker {
    /// Losses and gradients of rows with class indices.
    func runGroups(_ rows: Range<Int>) {
        var group = emptyGroup()
        if let tile = plan.tile {
            call.rows.forEachRun(in: rows, limit: tile.rows) { row, first, count in
                run(&group, tile, row, count, first)
                return true
            }
        } else {
            call.rows.forEachRun(in: rows, limit: plan.rowsPerGroup) { row, first, count in
                prepare(&group, count, first)
                run(&group, count, first)
                call.statistics?.store(&group, row, count)
                return true
            }
        }
    }

    /// Groups of rows whose classes lie far apart, from a copy.
    @inline(never)
    private func run(_ group: inout crossentropy_group, _ tile: RowTile, _ row: Int, _ count: Int, _ first: RowOffsets)
    {
        let size = call.input.dtype.size
        let holdsGradients = scales.hasGradients && tile.holdsGradients(call)
        group.input_stride = Int64(tile.stride)
        if holdsGradients { group.grad_stride = Int64(tile.stride) }
        tile.read(call.input, first.input, count, classes: call.classes, to: extraMemory)
        for start in stride(from: 0, to: count, by: Int(CROSSENTROPY_GROUP)) {
            let rows = min(Int(CROSSENTROPY_GROUP), count - start)
            let offsets = first + call.rows.step * start
            prepare(&group, rows, offsets)
            group.input = UnsafeRawPointer(extraMemory + start * size)
            group.upcoming = group.input  // `read` has asked for what comes next
            group.upcoming_stride = 0
            if holdsGradients { group.grad = extraMemory + start * size }
            run(&group, rows, offsets)
            call.statistics?.store(&group, row + start, rows)
        }
        if holdsGradients { tile.write(extraMemory, to: call.grad!, first.grad, count, classes: call.classes) }
    }

    @inline(never)
    private func run(_ group: inout crossentropy_group, _ count: Int, _ first: RowOffsets) {
        groupKernel!(&group)
        applyPowers(&group, count)
        let losses = shim_group_loss(&group)!
        if call.reduction == .none {
            for i in 0..<count { keep(losses[i], at: first.loss + i * call.rows.step.loss) }
        } else {
            keep(losses, count)
        }
        if group.grad == nil { clearGradients(first, count) }
    }

    /// What is the same for all groups.
    func emptyGroup() -> crossentropy_group {
        var group = crossentropy_group()
        group.classes = row.classes
        group.input_stride = row.input_stride
        group.input_row_stride = Int64(call.rows.step.input)
        group.mode = call.mode.rawValue
        group.wants_statistics = call.statistics?.wanted(hasTarget: call.hasTarget) ?? 0
        group.by_columns = plan.isByColumns ? 1 : 0
        group.input_format = row.input_format
        group.grad_format = row.grad_format
        group.grad_stride = row.grad_stride
        group.grad_row_stride = Int64(call.rows.step.grad)
        // Short rows lie one after the other, neighbours class by class.
        let apart = call.rows.step.input == 1 ? call.input.classStride : Int(CROSSENTROPY_GROUP)
        group.upcoming_stride = Int64(apart &* call.input.dtype.size)
        group.terms = row.terms
        group.transform = row.transform
        group.cancel = call.cancel
        group.scratch = row.scratch
        group.blocks = row.blocks
        group.kept = plan.keptBytes == 0 ? nil : extraMemory
        return group
    }

    /// Fills in what differs from group to group.
    @inline(never)
    func prepare(_ group: inout crossentropy_group, _ count: Int, _ first: RowOffsets) {
        let step = call.rows.step
        let labels = shim_group_labels(&group)!
        let isCounted = shim_group_is_counted(&group)!
        let lossScale = shim_group_loss_scale(&group)!
        let gradScale = shim_group_grad_scale(&group)!
        let sampleWeight = shim_group_sample_weight(&group)!
        let gradWeight = shim_group_grad_weight(&group)!
        let factor = scales.gradFactor
        let classes = UInt64(call.classes)
        let ignores = call.ignoreIndex != nil
        let ignored = call.ignoreIndex ?? 0
        for i in count..<Int(CROSSENTROPY_GROUP) { labels[i] = 0 }
        if call.hasTarget {
            call.target.copyLabels(at: first.target, count, step.target, to: labels)
        } else {
            for i in 0..<count { labels[i] = 0 }
        }
        if call.mask != nil || call.ignoreIndices != nil { leaveOut(labels, count, first) }
        // Without weights, which is the usual case.
        for i in 0..<Int(CROSSENTROPY_GROUP) {
            let label = labels[i]
            // Labels were checked, but the caller's memory may have changed since.
            let isIndex = UInt64(bitPattern: label) < classes || label == Self.leftOut
            let isCountedRow = i < count && call.hasTarget && !(ignores && label == ignored) && label != Self.leftOut
            isCounted[i] = isCountedRow ? 1 : 0
            lossScale[i] = isIndex ? 1 : .nan
            gradScale[i] = isIndex ? factor : .nan
            sampleWeight[i] = 1
            gradWeight[i] = factor
            labels[i] = isIndex && label != Self.leftOut ? label : 0
        }
        group.has_powers = 0
        if call.weight != nil || call.sampleWeight != nil || call.gradLosses != nil || !scales.areOnes {
            scale(&group, count, first)
        }
        group.rows = Int64(count)
        group.input = UnsafeRawPointer(call.input.element(first.input))
        group.upcoming = group.input + call.rows.step.input &* count &* call.input.dtype.size
        group.grad = scales.hasGradients ? call.grad?.element(first.grad) : nil
    }

    /// What multiplies each row's loss and gradient, where it is not the same for all.
    @inline(never)
    private func scale(_ group: inout crossentropy_group, _ count: Int, _ first: RowOffsets) {
        let step = call.rows.step
        let labels = shim_group_labels(&group)!
        let isCounted = shim_group_is_counted(&group)!
        let lossScale = shim_group_loss_scale(&group)!
        let gradScale = shim_group_grad_scale(&group)!
        let sampleWeight = shim_group_sample_weight(&group)!
        let gradWeight = shim_group_grad_weight(&group)!
        let lossPower = shim_group_loss_power(&group)!
        let gradPower = shim_group_grad_power(&group)!
        for i in 0..<Int(CROSSENTROPY_GROUP) { (lossPower[i], gradPower[i]) = (1, 1) }
        for i in 0..<count where isCounted[i] != 0 {
            let s = call.sampleWeight?.double(at: first.sampleWeight + i * step.sampleWeight) ?? 1
            let w = call.weight.map { $0.double(at: Int(labels[i]) * $0.classStride) } ?? 1
            let g = call.gradLosses?.double(at: first.gradLoss + i * step.gradLoss) ?? 1
            // A class weight of 0 leaves the z-loss, which is the row's.
            if s == 0 || (w == 0 && call.terms.z_loss == 0) { isCounted[i] = 0 }
            let row = scales.row(s, w, g, isOfLabel: true)
            lossScale[i] *= row.loss
            gradScale[i] = gradScale[i] == gradScale[i] && scales.isFinite(s, g) ? row.grad : .nan
            sampleWeight[i] = row.zLoss
            gradWeight[i] = row.zGrad
            lossPower[i] = row.lossPower
            gradPower[i] = row.gradPower
            if row.lossPower != 1 || row.gradPower != 1 { group.has_powers = 1 }
        }
    }

    /// Multiplies the losses of a finished group by their rows' powers of two.
    @inline(__always)
    func applyPowers(_ group: inout crossentropy_group, _ count: Int) {
        if group.has_powers == 0 { return }
        let losses = shim_group_loss(&group)!
        for i in 0..<count { losses[i] *= shim_group_loss_power(&group)![i] }
    }

    /// Stands for the label of a row that a mask or one of several ignored labels leaves out.
    private static var leftOut: Int64 { .min }

    @inline(never)
    private func leaveOut(_ labels: UnsafeMutablePointer<Int64>, _ count: Int, _ first: RowOffsets) {
        for i in 0..<count {
            let offsets = first + call.rows.step * i
            if call.isMasked(at: offsets.mask)
                || (call.hasTarget && call.isIgnored(call.target.label(at: offsets.target)))
            {
                labels[i] = Self.leftOut
            }
        }
    }

    /// Of an empty mean that is to be 0, the gradients are too.
    func clearGradients(_ first: RowOffsets, _ count: Int) {
        if call.grad == nil { return }
        var offsets = first
        for _ in 0..<count {
            fillGradient(offsets, with: 0)
            offsets = offsets + call.rows.step
        }
    }
}
