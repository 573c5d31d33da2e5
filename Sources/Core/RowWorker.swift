import Shims

/// One thread's way through the rows it takes: looks up each row's label and weights, and hands it to the kernel.
struct RowWorker {
    let call: LossCall
    let plan: Plan
    let what: LossCall.RowSum
    let scales: RowScales
    private let sum: UnsafeMutablePointer<ExactSum>
    private let kernel: crossentropy_row_kernel?
    /// Where rows become distributions in f64.
    private var pairs: PairRows?
    /// Logits with class indices have a kernel for several rows.
    let groupKernel: crossentropy_group_kernel?
    private let fill: crossentropy_fill_kernel
    /// The workspace's class weights are the call's, divided by this power of two.
    private let weightExponent: Int
    private let weightPower: Double
    /// What the kernel is told; the parts that are the same for all rows are set once.
    private(set) var row: crossentropy_row
    /// Where a `RowTile` is; or exponentials wait that cannot in the gradient's memory. No call needs both.
    let extraMemory: UnsafeMutableRawPointer
    /// For a row that several threads share.
    let longRowKernels: crossentropy_long_row_kernels
    /// For rows of which the call has a slice of the classes.
    let sliceKernels: crossentropy_slice_kernels

    init(_ pass: RowPass, slot: Int) {
        call = pass.call
        plan = pass.plan
        what = pass.what
        scales = pass.scales
        sum = pass.workspace.sum(slot: slot)
        let kernels = withUnsafePointer(to: &Processor.state.pointee.kernels) { $0 }
        let inDoubles = plan.computesInDoubles
        let type: Int32 = inDoubles ? 1 : 0
        if what == .mass || call.mode.isOfPairs {
            kernel = kernels.pointee.total_mass
        } else if plan.needsMass {
            kernel = shim_mass_kernel(kernels, call.inputType.rawValue, type)
        } else {
            kernel = shim_index_kernel(kernels, call.inputType.rawValue, type)
        }
        groupKernel = what == .loss && plan.isOfGroups ? shim_group_kernel(kernels, type) : nil
        longRowKernels = shim_long_row_kernels(kernels, type).pointee
        sliceKernels = shim_slice_kernels(kernels, type).pointee
        fill = shim_fill_kernel(kernels, type)

        row = crossentropy_row()
        row.classes = Int64(call.slice?.count ?? call.classes)
        row.input_stride = Int64(call.input.classStride)
        row.input_format = call.input.dtype.format(inDoubles: inDoubles)
        row.target_stride = Int64(call.target.classStride)
        row.target_is_f64 = call.target.dtype == .f64 ? 1 : 0
        row.grad_stride = Int64(call.grad?.classStride ?? 0)
        row.grad_format = call.grad?.dtype.format(inDoubles: inDoubles) ?? CROSSENTROPY_NATIVE
        if let weights = pass.workspace.classWeights { row.weight = UnsafePointer(weights) }
        weightExponent = pass.workspace.weightExponent
        weightPower = ScaledNumber(1).shifted(by: weightExponent).value
        row.keep = 1
        if what == .loss {
            row.keep = 1 - call.labelSmoothing
            row.spread = call.prior == nil ? call.labelSmoothing / Double(call.classes) : 0
            if let priors = pass.workspace.priors { row.prior = UnsafePointer(priors) }
        }
        row.terms = call.terms
        row.terms.z_loss = ScaledNumber(call.terms.z_loss).shifted(by: -weightExponent).value
        row.transform = call.transform
        row.clip_low = call.clipLow
        row.clip_high = call.clipHigh
        row.cancel = call.cancel
        row.scratch = pass.workspace.scratch(slot: slot)
        row.blocks = pass.workspace.blocks(slot: slot)
        extraMemory = pass.workspace.extra(slot: slot)
        pairs = plan.route == .pairs ? PairRows(for: call, plan, extraMemory, row.weight) : nil
        if plan.writesTarget {
            row.target_stride = 1
            row.target_is_f64 = 1
        }
    }

    mutating func run(_ rows: Range<Int>) {
        if groupKernel != nil {
            runGroups(rows)
        } else {
            call.rows.forEachRow(in: rows) { number, offsets in
                keep(value(of: number, offsets), at: offsets.loss)
                return true
            }
        }
    }

    /// Stores a row's value, or adds it to the sum.
    @inline(__always)
    func keep(_ value: Double, at offset: Int) {
        if what == .loss && call.reduction == .none {
            if let loss = call.loss { loss.store(value, at: offset) }
        } else {
            sum.pointee.add(value)
        }
    }

    /// Adds rows' losses to the sum.
    @inline(__always)
    func keep(_ losses: UnsafePointer<Double>, _ count: Int) {
        if count == Int(CROSSENTROPY_GROUP) {
            sum.pointee.add(UnsafeRawPointer(losses).loadUnaligned(as: SIMD16<Double>.self))
        } else {
            for i in 0..<count { sum.pointee.add(losses[i]) }
        }
    }

    /// The row's loss (or target mass), weighted. Its gradient, if asked for, is written.
    mutating func value(of number: Int, _ offsets: RowOffsets) -> Double {
        let s = call.sampleWeight?.double(at: offsets.sampleWeight) ?? 1
        var w = 1.0
        var isSkipped = s == 0 || call.isMasked(at: offsets.mask)
        if isSkipped {
            // Whatever the label is.
        } else if call.isIndexTarget {
            let label = call.target.label(at: offsets.target)
            if call.isIgnored(label) {
                isSkipped = true
            } else {
                // Labels were checked, but the caller's memory may have changed since.
                guard label.isIndex(below: call.classes) else {
                    fillGradients(offsets, with: .nan)
                    return .nan
                }
                w = call.classWeight(label)
                row.label = label.value
                if w == 0 && call.labelSmoothing == 0 && call.terms.z_loss == 0 { isSkipped = true }
            }
        } else if pairs != nil {
            guard let target = pairs!.target(of: number, offsets) else {
                fillGradients(offsets, with: 0)
                return 0
            }
            row.target = target
        } else {
            row.target = UnsafeRawPointer(call.target.element(offsets.target))
        }
        if isSkipped {
            fillGradients(offsets, with: 0)
            return 0
        }
        row.input = UnsafeRawPointer(call.input.element(offsets.input))
        let g = call.gradLosses?.double(at: offsets.gradLoss) ?? 1
        let scale: RowScales.Row
        if plan.needsMass || what == .mass {
            // The kernels have the class weights, times a power of two that keeps them in range.
            row.label_mass = row.keep * (ScaledNumber(w).shifted(by: -weightExponent).value)
            scale = scales.row(s, weightPower, g, isOfLabel: false)
        } else {
            row.label_mass = 1
            scale = scales.row(s, row.keep * w, g, isOfLabel: true)
        }
        row.row_weight = scale.loss
        row.grad_scale = scale.grad
        row.grad_power = scale.gradPower
        row.grad = nil
        let hasGradients = what == .loss && scales.hasGradients && scales.isFinite(s, g)
        if hasGradients { row.grad = call.grad?.element(offsets.grad) }
        var value: Double
        if pairs != nil && what == .loss {
            value = pairs!.value(&row, kernel!, offsets, hasGradients: hasGradients)
            if value != value && hasGradients { fillGradients(offsets, with: .nan) }
        } else {
            value = withUnsafePointer(to: row) { kernel!($0) }
        }
        if scale.lossPower != 1 { value *= scale.lossPower }
        if !hasGradients { fillGradients(offsets, with: scales.hasGradients ? .nan : 0) }
        return value
    }

    /// Of the row, with respect to the input and to the target.
    private func fillGradients(_ offsets: RowOffsets, with value: Double) {
        fillGradient(offsets, with: value)
        if what == .loss { pairs?.fillTargetGradient(offsets, with: value) }
    }

    func fillGradient(_ offsets: RowOffsets, with value: Double) {
        guard what == .loss, let grad = call.grad else { return }
        call.forEachPart(of: Int(row.classes)) { part in
            fill(
                grad.element(offsets.grad + part.lowerBound * grad.classStride), Int64(part.count), row.grad_stride,
                row.grad_format, value)
        }
    }
}
