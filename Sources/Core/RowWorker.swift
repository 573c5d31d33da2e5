import Shims

/// One thread's way through the rows it takes: looks up each row's label and weights, and hands it to the kernel.
struct RowWorker {
    private let pass: UnsafeMutablePointer<RowPass>
    private let sum: UnsafeMutablePointer<ExactSum>
    private let kernel: crossentropy_row_kernel
    private let fill: crossentropy_fill_kernel
    /// What the kernel is told; the parts that are the same for all rows are set once.
    private var row: crossentropy_row

    init(_ pass: UnsafeMutablePointer<RowPass>, slot: Int) {
        self.pass = pass
        sum = pass.pointee.workspace.sum(slot: slot)
        let kernels = withUnsafePointer(to: &Processor.state.pointee.kernels) { $0 }
        let type: Int32 = pass.pointee.call.input.dtype == .f64 ? 1 : 0
        let inputType = pass.pointee.call.inputType.rawValue
        if pass.pointee.what == .mass {
            kernel = kernels.pointee.total_mass
        } else if pass.pointee.call.needsMass {
            kernel = shim_mass_kernel(kernels, inputType, type)
        } else {
            kernel = shim_index_kernel(kernels, inputType, type)
        }
        fill = shim_fill_kernel(kernels, type)
        row = crossentropy_row()
        row.classes = Int64(pass.pointee.call.classes)
        row.input_stride = Int64(pass.pointee.call.input.classStride)
        row.target_stride = Int64(pass.pointee.call.target.classStride)
        row.target_is_f64 = pass.pointee.call.target.dtype == .f64 ? 1 : 0
        row.grad_stride = Int64(pass.pointee.call.grad?.classStride ?? 0)
        if let weights = pass.pointee.workspace.classWeights { row.weight = UnsafePointer(weights) }
        row.keep = 1
        if pass.pointee.what == .loss {
            row.keep = 1 - pass.pointee.call.labelSmoothing
            row.spread = pass.pointee.call.labelSmoothing / Double(pass.pointee.call.classes)
        }
        row.clip_low = pass.pointee.call.clipLow
        row.clip_high = pass.pointee.call.clipHigh
        row.scratch = pass.pointee.workspace.scratch(slot: slot)
    }

    mutating func run(_ rows: Range<Int>) {
        let pass = self.pass
        pass.pointee.call.rows.forEachRow(in: rows) { _, offsets in
            let value = value(of: offsets)
            if pass.pointee.what == .loss && pass.pointee.call.reduction == .none {
                if let loss = pass.pointee.call.loss { loss.store(value, at: offsets.loss) }
            } else {
                sum.pointee.add(value)
            }
            return true
        }
    }

    /// The row's loss (or target mass), weighted. Its gradient, if asked for, is written.
    private mutating func value(of offsets: RowOffsets) -> Double {
        let s = pass.pointee.call.sampleWeight?.double(at: offsets.sampleWeight) ?? 1
        var isSkipped = s == 0
        if pass.pointee.call.isIndexTarget {
            let label = pass.pointee.call.target.label(at: offsets.target)
            if pass.pointee.call.isIgnored(label) {
                isSkipped = true
            } else {
                // Labels were checked, but the caller's memory may have changed since.
                guard label.isIndex(below: pass.pointee.call.classes) else {
                    fillGradient(offsets, with: .nan)
                    return .nan
                }
                let weight = pass.pointee.call.weight
                let w = weight.map { $0.double(at: Int(label.value) * $0.classStride) } ?? 1
                row.label = label.value
                row.label_mass = row.keep * w
                if !pass.pointee.call.needsMass && s * w == 0 { isSkipped = true }
            }
        } else {
            row.target = UnsafeRawPointer(pass.pointee.call.target.element(offsets.target))
        }
        if isSkipped {
            fillGradient(offsets, with: 0)
            return 0
        }
        row.input = UnsafeRawPointer(pass.pointee.call.input.element(offsets.input))
        row.row_weight = s
        row.grad_scale = s * (pass.pointee.gradFactor ?? 0)
        // A factor that is no number leaves nothing to compute.
        let hasFactor = pass.pointee.gradFactor != nil && row.grad_scale.magnitude < .infinity
        row.grad = nil
        if hasFactor, pass.pointee.what == .loss, let grad = pass.pointee.call.grad {
            row.grad = grad.element(offsets.grad)
        }
        let value = kernel(&row)
        if !hasFactor { fillGradient(offsets, with: pass.pointee.gradFactor == nil ? 0 : .nan) }
        return value
    }

    private func fillGradient(_ offsets: RowOffsets, with value: Double) {
        guard pass.pointee.what == .loss, let grad = pass.pointee.call.grad else { return }
        fill(grad.element(offsets.grad), row.classes, row.grad_stride, value)
    }
}
