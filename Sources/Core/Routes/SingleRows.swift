import KernelABI

/// A thread's pass over rows that a kernel computes one by one: probabilities, or any class may have target mass.
struct SingleRows {
    private let pass: UnsafePointer<RowPass>
    private let slot: Workspace.Slot
    private let kernel: crossentropy_row_kernel
    private let isOfMass: Bool
    /// The kernel's arguments; those that all rows share are set once.
    private var row = crossentropy_row()
    /// Computes rows as distributions in f64, if the plan needs it.
    private var pairs: Pairs?

    private var problem: UnsafePointer<Problem> { pass.pointee.problem }

    init(_ pass: UnsafePointer<RowPass>, _ slot: Workspace.Slot) {
        self.pass = pass
        self.slot = slot
        let problem = pass.pointee.problem
        let plan = pass.pointee.plan.pointee
        let workspace = pass.pointee.workspace
        let kernels = Processor.kernels
        let inDoubles = plan.computesInDoubles
        let type: Int32 = inDoubles ? 1 : 0
        if case .mass = pass.pointee.purpose { isOfMass = true } else { isOfMass = false }
        if isOfMass || problem.pointee.mode.isOfPairs {
            kernel = kernels.pointee.total_mass
        } else if plan.needsMass {
            kernel = crossentropy_get_mass_kernel(kernels, problem.pointee.settings.inputType.rawValue, type)
        } else {
            kernel = crossentropy_get_index_kernel(kernels, problem.pointee.settings.inputType.rawValue, type)
        }
        row.classes = Int64(problem.pointee.classes)
        row.input_stride = Int64(problem.pointee.input.classStride)
        row.input_format = problem.pointee.input.dtype.format(inDoubles: inDoubles)
        row.target_stride = Int64(problem.pointee.target.classStride)
        row.target_format = problem.pointee.target.dtype.format(inDoubles: true)
        row.grad_stride = Int64(problem.pointee.outputs.grad?.classStride ?? 0)
        row.grad_format = problem.pointee.outputs.grad?.dtype.format(inDoubles: inDoubles) ?? CROSSENTROPY_NATIVE
        if let weights = workspace.classWeights { row.weight = UnsafePointer(weights) }
        row.keep = 1
        if !isOfMass {
            row.keep = 1 - problem.pointee.settings.labelSmoothing
            row.spread =
                problem.pointee.prior == nil
                ? problem.pointee.settings.labelSmoothing / Double(problem.pointee.classes) : 0
            if let priors = workspace.priors { row.prior = UnsafePointer(priors) }
        }
        row.terms = problem.pointee.settings.terms
        row.terms.z_loss =
            ScaledNumber(problem.pointee.settings.terms.z_loss).shifted(by: -workspace.weightExponent).value
        row.transform = problem.pointee.settings.transform
        row.clip_low = problem.pointee.settings.clipLow
        row.clip_high = problem.pointee.settings.clipHigh
        row.cancel = problem.pointee.settings.cancel
        row.scratch = slot.scratch
        row.blocks = slot.blocks
        pairs =
            plan.route == .pairs || plan.route == .terms
            ? Pairs(pass.pointee.problem, plan, slot.extra, row.weight) : nil
        if plan.writesTarget {
            row.target_stride = 1
            row.target_format = CROSSENTROPY_NATIVE
        }
    }

    @_optimize(speed)
    mutating func run(_ rows: Range<Int>) {
        problem.pointee.rows.forEachRun(in: rows, limit: Int(CROSSENTROPY_GROUP)) { first, offsets, count in
            run(first, offsets, count)
            return true
        }
    }

    /// Computes up to 16 neighbouring rows.
    @_optimize(speed)
    private mutating func run(_ first: Int, _ firstOffsets: RowOffsets, _ count: Int) {
        let facts = RowFacts(problem, firstOffsets)
        let labels = crossentropy_group_labels(slot.group)!
        let isCounted = crossentropy_group_is_counted(slot.group)!
        facts.read(count, labels: labels, isCounted: isCounted)
        for i in 0..<count {
            if problem.pointee.settings.isCancelled { return }
            let offsets = firstOffsets + problem.pointee.rows.step * i
            let value = value(
                of: first + i, offsets, facts.weights(i, label: labels[i]), labels[i], isCounted[i], facts)
            if pass.pointee.storesLosses {
                problem.pointee.outputs.loss?.store(value, at: offsets.loss)
            } else {
                slot.sum.pointee.add(value)
            }
        }
    }

    /// The row's loss (or target mass), weighted. Writes its gradient if requested.
    @_optimize(speed)
    private mutating func value(
        of number: Int, _ offsets: RowOffsets, _ weights: (sample: Double, ofClass: Double, upstream: Double),
        _ label: Int64, _ isCounted: Double, _ facts: RowFacts
    ) -> Double {
        let scales = pass.pointee.scales
        let (s, w, g) = weights
        if isCounted == 0 || !facts.counts(s, w) { return filled(offsets, with: 0) }
        if isCounted != isCounted { return filled(offsets, with: .nan) }
        row.label = label
        if pairs != nil {
            if !problem.pointee.isIndexTarget {
                guard let target = pairs!.target(of: number, offsets) else { return filled(offsets, with: 0) }
                row.target = target
            }
        } else if !problem.pointee.isIndexTarget {
            row.target = UnsafeRawPointer(problem.pointee.target.element(offsets.target))
        }
        row.input = UnsafeRawPointer(problem.pointee.input.element(offsets.input))
        let scale: RowScales.Row
        if pass.pointee.plan.pointee.needsMass || isOfMass {
            // The kernels get the class weights divided by a power of two that keeps them in range.
            let exponent = pass.pointee.workspace.weightExponent
            row.label_mass = row.keep * (ScaledNumber(w).shifted(by: -exponent).value)
            scale = scales.row(s, ScaledNumber(1).shifted(by: exponent).value, g, isOfLabel: false)
        } else {
            row.label_mass = 1
            scale = scales.row(s, row.keep * w, g, isOfLabel: true)
        }
        row.row_weight = scale.loss
        row.grad_scale = scale.grad
        row.grad_power = scale.gradPower
        let hasGradients = !isOfMass && scales.hasGradients && scales.isFinite(s, g)
        row.grad = hasGradients ? problem.pointee.outputs.grad?.element(offsets.grad) : nil
        var value: Double
        if pairs != nil && !isOfMass {
            value = pairs!.value(&row, kernel, offsets, hasGradients: hasGradients)
            if value != value && hasGradients { fillGradients(offsets, with: .nan) }
        } else {
            value = withUnsafePointer(to: row) { kernel($0) }
        }
        if scale.lossPower != 1 { value *= scale.lossPower }
        if !hasGradients { fillGradients(offsets, with: scales.hasGradients ? .nan : 0) }
        return value
    }

    /// Sets all gradients to `value`, and returns it as the loss.
    private func filled(_ offsets: RowOffsets, with value: Double) -> Double {
        fillGradients(offsets, with: value)
        return value
    }

    /// Fills the row's gradients with respect to the input and to the target.
    private func fillGradients(_ offsets: RowOffsets, with value: Double) {
        pass.pointee.fillGradient(offsets, with: value)
        if !isOfMass { pairs?.fillTargetGradient(offsets, with: value) }
    }
}
