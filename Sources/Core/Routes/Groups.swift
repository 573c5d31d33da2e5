import KernelABI

/// A thread's pass over logits with labels or distributions, up to 16 rows to a kernel.
struct Groups {
    let pass: UnsafePointer<RowPass>
    let slot: Workspace.Slot
    private let kernel: crossentropy_group_kernel
    let teacher: Teacher?

    /// The kernel's arguments and results.
    var group: UnsafeMutablePointer<crossentropy_group> { slot.group }
    var problem: UnsafePointer<Problem> { pass.pointee.problem }
    private var plan: UnsafePointer<Plan> { pass.pointee.plan }
    /// Whether targets are distributions.
    private var isOfMass: Bool { problem.pointee.hasTarget && !problem.pointee.isIndexTarget }
    /// The row statistics that this pass computes.
    var statistics: RowStatistics? {
        plan.pointee.computesStatistics ? problem.pointee.outputs.statistics : nil
    }

    init(_ pass: UnsafePointer<RowPass>, _ slot: Workspace.Slot) {
        self.pass = pass
        self.slot = slot
        let inDoubles = pass.pointee.plan.pointee.computesInDoubles
        kernel = crossentropy_get_group_kernel(Processor.kernels, inDoubles ? 1 : 0)
        teacher =
            pass.pointee.plan.pointee.teacherBytes == 0
            ? nil : Teacher(pass.pointee.problem.pointee, slot.extra + pass.pointee.plan.pointee.keptBytes)
        fillInCommon(inDoubles)
    }

    /// Sets the arguments that all groups share.
    private func fillInCommon(_ inDoubles: Bool) {
        group.pointee.classes = Int64(problem.pointee.classesPerRow)
        group.pointee.input_stride = Int64(problem.pointee.input.classStride)
        group.pointee.input_row_stride = Int64(problem.pointee.rows.step.input)
        group.pointee.mode = problem.pointee.mode.rawValue
        group.pointee.wants_statistics = statistics?.wanted(hasTarget: problem.pointee.hasTarget) ?? 0
        group.pointee.by_columns = plan.pointee.isByColumns ? 1 : 0
        group.pointee.input_format = problem.pointee.input.dtype.format(inDoubles: inDoubles)
        group.pointee.grad_format =
            problem.pointee.outputs.grad?.dtype.format(inDoubles: inDoubles) ?? CROSSENTROPY_NATIVE
        group.pointee.grad_stride = Int64(problem.pointee.outputs.grad?.classStride ?? 0)
        group.pointee.grad_row_stride = Int64(problem.pointee.rows.step.grad)
        // The next group is prefetched in as many parts as there are classes: class by class if rows are neighbours;
        // otherwise 16 elements at a time, because short rows lie one after the other.
        let apart = problem.pointee.rows.step.input == 1 ? problem.pointee.input.classStride : Int(CROSSENTROPY_GROUP)
        group.pointee.upcoming_stride = Int64(apart &* problem.pointee.input.dtype.size)
        group.pointee.terms = problem.pointee.settings.terms
        let transform = problem.pointee.settings.transform
        group.pointee.transform = plan.pointee.foldsScale ? crossentropy_transform() : transform
        group.pointee.exponent_scale =
            plan.pointee.foldsScale
            ? crossentropy_exponent_scale(transform.logit_scale)
            : plan.pointee.capsSingles ? crossentropy_cap_scale() : crossentropy_no_scale()
        group.pointee.smoothing = problem.pointee.settings.labelSmoothing
        if let teacher {
            group.pointee.mass_stride = 1
            group.pointee.mass_row_stride = Int64(teacher.rowLength)
            group.pointee.mass_format = CROSSENTROPY_F32
        } else if isOfMass {
            group.pointee.mass_stride = Int64(problem.pointee.target.classStride)
            group.pointee.mass_row_stride = Int64(problem.pointee.rows.step.target)
            group.pointee.mass_format = problem.pointee.target.dtype.format(inDoubles: true)
        }
        group.pointee.mass = nil
        for i in 0..<Int(CROSSENTROPY_GROUP) { crossentropy_group_mass_factor(group)![i] = 1 }
        group.pointee.cancel = problem.pointee.settings.cancel
        group.pointee.scratch = slot.scratch
        group.pointee.blocks = slot.blocks
        group.pointee.kept = plan.pointee.keptBytes == 0 ? nil : slot.extra
    }

    @_optimize(speed)
    func run(_ rows: Range<Int>) {
        if let tile = plan.pointee.tile {
            problem.pointee.rows.forEachRun(in: rows, limit: tile.rows) { row, first, count in
                run(tile, row, count, first)
                return true
            }
        } else {
            problem.pointee.rows.forEachRun(in: rows, limit: plan.pointee.rowsPerGroup) { row, first, count in
                prepare(count, first)
                finish(row, count, first)
                return true
            }
        }
    }

    /// Computes a group that is prepared, and stores its results.
    @inline(never)
    @_optimize(speed)
    func finish(_ row: Int, _ count: Int, _ first: RowOffsets) {
        kernel(group)
        keepLosses(count, first)
        if group.pointee.grad == nil { pass.pointee.clearGradients(first, count) }
        statistics?.store(&group.pointee, row, count)
    }

    /// Stores the losses of a finished group, or adds them up.
    @_optimize(speed)
    func keepLosses(_ count: Int, _ first: RowOffsets) {
        let losses = crossentropy_group_loss(group)!
        if group.pointee.has_powers != 0 {
            for i in 0..<count { losses[i] *= crossentropy_group_loss_power(group)![i] }
        }
        if pass.pointee.storesLosses {
            guard let loss = problem.pointee.outputs.loss else { return }
            for i in 0..<count { loss.store(losses[i], at: first.loss + i * problem.pointee.rows.step.loss) }
        } else {
            // 0 in lanes without a row.
            slot.sum.pointee.add(UnsafePointer(losses), count)
        }
    }

    /// Sets the arguments that differ from group to group.
    @inline(never)
    @_optimize(speed)
    func prepare(_ count: Int, _ first: RowOffsets) {
        let scales = pass.pointee.scales
        let facts = RowFacts(problem, first)
        let labels = crossentropy_group_labels(group)!
        let isCounted = crossentropy_group_is_counted(group)!
        let lossScale = crossentropy_group_loss_scale(group)!
        let gradScale = crossentropy_group_grad_scale(group)!
        let sampleWeight = crossentropy_group_sample_weight(group)!
        let gradWeight = crossentropy_group_grad_weight(group)!
        let factor = scales.gradFactor
        facts.read(count, labels: labels, isCounted: isCounted)
        // The usual case: no weights.
        for i in 0..<Int(CROSSENTROPY_GROUP) {
            lossScale[i] = 1
            gradScale[i] = factor
            sampleWeight[i] = 1
            gradWeight[i] = factor
        }
        for i in 0..<count where isCounted[i] != isCounted[i] { (lossScale[i], gradScale[i]) = (.nan, .nan) }
        group.pointee.has_powers = 0
        if problem.pointee.weight != nil || problem.pointee.sampleWeight != nil || problem.pointee.gradLosses != nil
            || !scales.areOnes
        {
            scale(count, facts)
        }
        group.pointee.rows = Int64(count)
        if teacher != nil {
            stageTeachers(count, first)
        } else if isOfMass {
            group.pointee.mass = UnsafeRawPointer(problem.pointee.target.element(first.target))
        }
        group.pointee.input = UnsafeRawPointer(problem.pointee.input.element(first.input))
        group.pointee.upcoming =
            group.pointee.input + problem.pointee.rows.step.input &* count &* problem.pointee.input.dtype.size
        group.pointee.grad = scales.hasGradients ? problem.pointee.outputs.grad?.element(first.grad) : nil
    }

    /// Sets the factors of each row's loss and gradient, if they are not the same for all rows.
    @inline(never)
    @_optimize(speed)
    private func scale(_ count: Int, _ facts: RowFacts) {
        let scales = pass.pointee.scales
        let labels = crossentropy_group_labels(group)!
        let isCounted = crossentropy_group_is_counted(group)!
        let lossScale = crossentropy_group_loss_scale(group)!
        let gradScale = crossentropy_group_grad_scale(group)!
        let sampleWeight = crossentropy_group_sample_weight(group)!
        let gradWeight = crossentropy_group_grad_weight(group)!
        let lossPower = crossentropy_group_loss_power(group)!
        let gradPower = crossentropy_group_grad_power(group)!
        for i in 0..<Int(CROSSENTROPY_GROUP) { (lossPower[i], gradPower[i]) = (1, 1) }
        for i in 0..<count where isCounted[i] != 0 {
            let (s, w, g) = facts.weights(i, label: labels[i])
            if !facts.counts(s, w) { isCounted[i] = 0 }
            let row = scales.row(s, w, g, isOfLabel: problem.pointee.isIndexTarget)
            lossScale[i] *= row.loss
            gradScale[i] = gradScale[i] == gradScale[i] && scales.isFinite(s, g) ? row.grad : .nan
            sampleWeight[i] = row.zLoss
            gradWeight[i] = row.zGrad
            lossPower[i] = row.lossPower
            gradPower[i] = row.gradPower
            if row.lossPower != 1 || row.gradPower != 1 { group.pointee.has_powers = 1 }
        }
    }
}
