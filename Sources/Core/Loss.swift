import Shims

extension Problem {
    // Exported as an interface, because otherwise CABI gets a second copy of everything below.
    @_optimize(speed)
    @export(interface) public static func run(_ problem: UnsafePointer<Problem>) throws(LossFailure) {
        var divisor = try divisor(problem)
        if problem.pointee.isMeanOverDistributionMass { divisor = try sumMass(problem, divisor) }
        let isEmpty = try problem.pointee.settings.isEmptyMean(divisor)
        if problem.pointee.outputs.statistics != nil { try runForStatistics(problem) }
        if problem.pointee.outputs.targetGrad != nil && problem.pointee.isPlainDistribution {
            try runTargetGradientApart(problem, divisor, isEmpty: isEmpty)
        } else {
            try runLosses(problem, divisor, isEmpty: isEmpty)
        }
    }

    /// Computes the derivatives with respect to the target in a pass of their own, where the kernels of the loss do not
    /// have them. This pass comes first, because a gradient may overwrite the input.
    @inline(never)
    private static func runTargetGradientApart(
        _ problem: UnsafePointer<Problem>, _ divisor: borrowing MeanDivisor, isEmpty: Bool
    ) throws(LossFailure) {
        var part = Problem(
            .loss, problem.pointee.settings, classes: problem.pointee.classes, rows: problem.pointee.rows,
            input: problem.pointee.input, target: problem.pointee.target)
        part.sampleWeight = problem.pointee.sampleWeight
        part.mask = problem.pointee.mask
        part.gradLosses = problem.pointee.gradLosses
        part.outputs.targetGrad = problem.pointee.outputs.targetGrad
        try runLosses(&part, divisor, isEmpty: isEmpty)
        part.outputs = problem.pointee.outputs
        part.outputs.targetGrad = nil
        try runLosses(&part, divisor, isEmpty: isEmpty)
    }

    /// The sum of the target mass of all rows times their sample weights. Only the kernels can compute it.
    @inline(never)
    private static func sumMass(_ problem: UnsafePointer<Problem>, _ weights: borrowing MeanDivisor)
        throws(LossFailure) -> MeanDivisor
    {
        var divisor = MeanDivisor(1)
        try Workspace.with(problem) { plan, workspace throws(LossFailure) in
            // The exponents of the sum of the sample weights and of the largest class weight.
            let exponent = weights.exponent + workspace.massExponent
            let scales = RowScales(loss: ScaledNumber(1), exponent: exponent, grad: nil)
            var pass = RowPass(.mass, problem, plan, workspace, scales)
            try pass.run()
            divisor = try MeanDivisor(workspace.total().pointee, exponent: exponent)
        }
        return divisor
    }

    @inline(never)
    @_optimize(speed)
    private static func runLosses(_ problem: UnsafePointer<Problem>, _ divisor: borrowing MeanDivisor, isEmpty: Bool)
        throws(LossFailure)
    {
        let scales = scales(problem, divisor, isEmpty: isEmpty)
        try Workspace.with(problem) { plan, workspace throws(LossFailure) in
            var pass = RowPass(.loss, problem, plan, workspace, scales)
            if plan.pointee.route == .shared {
                try SharedRow.runAll(&pass)
            } else {
                try pass.run()
            }
            storeReduced(problem, workspace.total(), divisor, isEmpty: isEmpty)
        }
    }

    // Below, problems are passed as pointers, because functions that are not inlined get a copy of a value of this size.

    /// The factors of all losses and gradients. For an empty mean gradients are 0 or NaN.
    @inline(__always)
    static func scales(_ problem: UnsafePointer<Problem>, _ divisor: borrowing MeanDivisor, isEmpty: Bool) -> RowScales
    {
        let hasFactors =
            problem.pointee.settings.squaresTemperature || problem.pointee.settings.transform.applies != 0
        if !hasFactors && !isEmpty && problem.pointee.settings.gradLoss.isOrdinary, let divisor = divisor.ordinary {
            let grad = problem.pointee.settings.gradLoss / divisor
            if grad.isOrdinary { return RowScales(loss: 1, grad: grad) }
        }
        return problem.pointee.anyScales(divisor, isEmpty: isEmpty)
    }

    /// As `scales`, for all numbers.
    @inline(never)
    private func anyScales(_ divisor: borrowing MeanDivisor, isEmpty: Bool) -> RowScales {
        let factor = ScaledNumber(settings.squaresTemperature ? settings.temperature : 1)
        let squared = factor * factor
        let slopes = mode == .hessianVector || mode == .hessianDiagonal ? 2 : 1
        let exponent = slopes * settings.transform.slopeExponent
        // The rest of the slope is the kernels' part, except in those for f32.
        let slope = ScaledNumber(foldsScale || capsSingles ? settings.transform.slope : 1).shifted(by: exponent)
        let grad = divisor.dividing(ScaledNumber(settings.gradLoss) * squared * slope)
        return RowScales(
            loss: squared, exponent: divisor.exponent,
            grad: isEmpty ? (settings.empty == .zero ? nil : ScaledNumber(.nan)) : grad)
    }

    /// Stores the sum or mean of the losses, if there is a reduction.
    @inline(__always)
    static func storeReduced(
        _ problem: UnsafePointer<Problem>, _ total: UnsafePointer<ExactSum>, _ divisor: borrowing MeanDivisor,
        isEmpty: Bool
    ) {
        guard problem.pointee.settings.reduction != .none, let loss = problem.pointee.outputs.loss else { return }
        let ofNothing: Double = problem.pointee.settings.empty == .zero ? 0 : .nan
        loss.store(isEmpty ? ofNothing : divisor.mean(total), at: 0)
    }

    /// Computes row statistics in a pass of their own, if the loss needs the target mass of all classes. This pass
    /// comes first, because a gradient may overwrite the input.
    @inline(never)
    private static func runForStatistics(_ problem: UnsafePointer<Problem>) throws(LossFailure) {
        if Plan(for: problem.pointee, threads: 1, forced: Route.forced).computesStatistics { return }
        var settings = problem.pointee.settings
        settings.reduction = .none
        settings.labelSmoothing = 0
        settings.squaresTemperature = false
        settings.targetType = .probs
        var statistics = Problem(
            .softmax, settings, classes: problem.pointee.classes, rows: problem.pointee.rows,
            input: problem.pointee.input, target: problem.pointee.target)
        if !problem.pointee.isIndexTarget { statistics.withoutTarget() }
        statistics.ignoreIndices = problem.pointee.ignoreIndices
        statistics.weight = problem.pointee.weight
        statistics.sampleWeight = problem.pointee.sampleWeight
        statistics.mask = problem.pointee.mask
        statistics.outputs.statistics = problem.pointee.outputs.statistics
        try withUnsafePointer(to: statistics) { statistics throws(LossFailure) in
            try runLosses(statistics, MeanDivisor(1), isEmpty: false)
        }
    }

    /// Whether the divisor is a sum over classes, which only the kernels can compute.
    private var isMeanOverDistributionMass: Bool {
        settings.reduction == .mean && settings.meanOver == .mass && !isIndexTarget
    }
}

extension Settings {
    /// Whether this is a mean over no rows; throws if the settings make that an error.
    @inline(__always)
    func isEmptyMean(_ divisor: borrowing MeanDivisor) throws(LossFailure) -> Bool {
        let isEmpty = reduction == .mean && meanOver != .divisor && divisor.isZero
        if isEmpty && empty == .error { throw .empty }
        return isEmpty
    }
}
