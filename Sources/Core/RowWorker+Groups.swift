import Shims

extension LossCall {
    /// Whether rows are taken several at a time: short ones, and those that are neighbours in memory while their
    /// classes are not.
    var usesGroups: Bool {
        inputType == .logits && !needsMass
            && (classes <= CROSSENTROPY_GROUP_CLASSES
                || (input.classStride != 1 && rows.step.input == 1 && !input.dtype.isHalf))
    }
}

extension RowWorker {
    /// Losses and gradients of rows with class indices, up to 16 at a time.
    mutating func runGroups(_ rows: Range<Int>) {
        let step = call.rows.step
        var group = crossentropy_group()
        group.classes = row.classes
        group.input_stride = row.input_stride
        group.input_row_stride = Int64(step.input)
        group.input_format = row.input_format
        group.grad_format = row.grad_format
        group.grad_stride = row.grad_stride
        group.grad_row_stride = Int64(step.grad)
        group.scratch = row.scratch
        let losses = shim_group_loss(&group)!
        call.rows.forEachRun(in: rows, limit: Int(CROSSENTROPY_GROUP)) { _, first, count in
            let isRegular = prepare(&group, count, first, step)
            if isRegular { groupKernel!(&group) }
            var offsets = first
            for i in 0..<count {
                keep(isRegular ? losses[i] : value(of: offsets), at: offsets.loss)
                offsets = offsets + step
            }
            return true
        }
    }

    /// Fills in what differs from group to group. False if a row needs more than the kernel for groups does.
    @inline(__always)
    private func prepare(_ group: inout crossentropy_group, _ count: Int, _ first: RowOffsets, _ step: RowOffsets)
        -> Bool
    {
        guard let gradFactor else { return false }
        let labels = shim_group_labels(&group)!
        let isCounted = shim_group_is_counted(&group)!
        let lossScale = shim_group_loss_scale(&group)!
        let gradScale = shim_group_grad_scale(&group)!
        var offsets = first
        for i in 0..<count {
            let label = call.target.label(at: offsets.target)
            let s = call.sampleWeight?.double(at: offsets.sampleWeight) ?? 1
            offsets = offsets + step
            let isIgnored = call.isIgnored(label)
            guard isIgnored || label.isIndex(below: call.classes) else { return false }
            let w = isIgnored ? 0 : call.classWeight(label)
            guard (s * gradFactor).magnitude < .infinity else { return false }
            labels[i] = isIgnored ? 0 : label.value
            isCounted[i] = s == 0 || w == 0 ? 0 : 1
            lossScale[i] = s * w
            gradScale[i] = s * gradFactor * w
        }
        for i in count..<Int(CROSSENTROPY_GROUP) {
            labels[i] = 0
            isCounted[i] = 0
            lossScale[i] = 0
            gradScale[i] = 0
        }
        group.rows = Int64(count)
        group.input = UnsafeRawPointer(call.input.element(first.input))
        group.grad = call.grad?.element(first.grad)
        return true
    }
}
