import KernelABI

/// A thread's rows as distributions in f64: for targets that are not probabilities of all classes, divergences,
/// derivatives with respect to the target, and second derivatives.
///
/// For every type of target, the loss's own kernels get probabilities of all classes.
struct Pairs {
    private let problem: UnsafePointer<Problem>
    private let kernels: crossentropy_pair_kernels
    private let scatter: crossentropy_scatter_kernel
    private let fill: crossentropy_fill_kernel
    private var pair = crossentropy_pair()
    /// The probabilities of all classes of a sparse row.
    private let dense: UnsafeMutablePointer<Double>
    /// Whether f32 logits on both sides are computed without staging.
    private let usesSingles: Bool
    private let scatterSingles: crossentropy_scatter_kernel
    /// A power of two, nearly always 1, by which derivatives are multiplied when they are written.
    private var power = 1.0

    /// The smallest divergence that is computed with exponentials in f32: their error, 6.4e-14, or 1.1e-13 with a scale, is 1.4e-7
    /// of it at most. See LogitsDivergence.swift.
    private static func leastSingleDivergence(_ isScaled: Bool) -> Double { isScaled ? 0x1p-20 : 0x1p-21 }

    /// The bytes of a row's arrays; true if these are more than can be allocated.
    static func bytes(for problem: borrowing Problem) -> (Int, Bool) {
        let (bytes, overflow) = rowLength(problem.classes).multipliedReportingOverflow(
            by: 5 * MemoryLayout<Double>.size)
        return (bytes, overflow || bytes > Int.max / 512)  // for each of the threads
    }

    /// A row is padded to whole vectors.
    private static func rowLength(_ classes: Int) -> Int { (classes &+ 15) & ~15 }

    /// - Parameters:
    ///   - memory: As many bytes as `bytes` returns.
    ///   - weight: The class weights.
    init(
        _ problem: UnsafePointer<Problem>, _ plan: Plan, _ memory: UnsafeMutableRawPointer,
        _ weight: UnsafePointer<Double>?
    ) {
        self.problem = problem
        let table = Processor.kernels
        kernels = table.pointee.pair
        scatter = crossentropy_get_binary_kernels(table, 1).pointee.scatter
        scatterSingles = crossentropy_get_binary_kernels(table, 0).pointee.scatter
        fill = crossentropy_get_fill_kernel(table, 1)
        usesSingles = plan.usesSinglePairs
        let length = Self.rowLength(problem.pointee.classes)
        let rows = memory.bindMemory(to: Double.self, capacity: 5 * length)
        dense = rows

        pair.classes = Int64(problem.pointee.classes)
        pair.weight = weight
        pair.keep = 1 - problem.pointee.settings.labelSmoothing
        pair.is_plain = problem.pointee.mode == .divergence && problem.pointee.settings.isPlainDivergence ? 1 : 0
        pair.cancel = problem.pointee.settings.cancel
        pair.prediction.cancel = problem.pointee.settings.cancel
        pair.target.cancel = problem.pointee.settings.cancel
        pair.prediction.stride = Int64(problem.pointee.input.classStride)
        pair.prediction.format = problem.pointee.input.dtype.format(inDoubles: true)
        pair.prediction.kind = problem.pointee.settings.inputType.rawValue
        pair.prediction.transform = problem.pointee.settings.transform
        pair.prediction.clip_low = problem.pointee.settings.clipLow
        pair.prediction.clip_high = problem.pointee.settings.clipHigh
        pair.prediction.values = rows + length
        pair.prediction.logs = rows + 2 * length
        pair.target.clip_low = -.infinity
        pair.target.clip_high = .infinity
        pair.target.values = rows + 3 * length
        pair.target.logs = rows + 4 * length
        if problem.pointee.settings.temperature != 1 && problem.pointee.settings.targetType == .logits {
            pair.target.transform = crossentropy_transform(scale: 1 / problem.pointee.settings.temperature, softcap: 0)
        }
        pair.prediction.exponent_scale = Self.exponentScale(pair.prediction.transform)
        pair.target.exponent_scale = Self.exponentScale(pair.target.transform)
    }

    private static func exponentScale(_ transform: crossentropy_transform) -> crossentropy_exponent_scale {
        transform.applies == 0 ? crossentropy_no_scale() : crossentropy_exponent_scale(transform.logit_scale)
    }

    /// The probabilities of all classes of a row, either the caller's own or contiguous f64; `nil` if the row names no class.
    mutating func target(of row: Int, _ offsets: RowOffsets) -> UnsafeRawPointer? {
        if problem.pointee.sparse != nil {
            let entries = problem.pointee.entries(ofRow: row, offsets)
            // The offsets were checked, but the caller's memory may have changed since.
            return problem.pointee.hasEntry(entries) ? UnsafeRawPointer(expand(entries!)) : nil
        }
        let place = UnsafeRawPointer(problem.pointee.target.element(offsets.target))
        if problem.pointee.settings.targetType == .probs || usesSingles { return place }
        stageTarget(place, problem.pointee.target, problem.pointee.settings.targetType.kind)
        if problem.pointee.mode != .divergence { kernels.normalize(&pair.target, pair.classes) }
        return UnsafeRawPointer(pair.target.values)
    }

    private mutating func stageTarget(_ place: UnsafeRawPointer, _ operand: Operand, _ kind: Int32) {
        pair.target.data = place
        pair.target.stride = Int64(operand.classStride)
        pair.target.format = operand.dtype.format(inDoubles: true)
        pair.target.kind = kind
        kernels.stage(&pair.target, pair.classes)
    }

    /// Writes a sparse row to memory with a probability for each class.
    private mutating func expand(_ entries: SparseEntries) -> UnsafeMutablePointer<Double> {
        let sparse = problem.pointee.sparse!
        let named = pair.target.values!
        var count = 0
        for i in 0..<entries.count where problem.pointee.label(entries, i) != nil {
            if i % Settings.part == 0 && problem.pointee.settings.isCancelled { break }
            if count == problem.pointee.classes { break }  // checked, but the caller's memory may have changed since
            named[count] = sparse.probs.double(at: entries.firstProb + i * sparse.probs.classStride)
            count += 1
        }
        if problem.pointee.settings.targetType != .probs {
            pair.target.data = UnsafeRawPointer(named)
            pair.target.kind = problem.pointee.settings.targetType.kind
            kernels.stage(&pair.target, Int64(count))
            kernels.normalize(&pair.target, Int64(count))
        }
        var total = sum(named, count)
        // If all logarithms are far from 0, their exponentials have no digits. Shares relative to the largest logarithm do.
        let isFar = !(total.sum > 0x1p-900 && total.sum < .infinity)
        if isFar && problem.pointee.settings.targetType == .logProbs && sparse.rest == .renormalize {
            problem.pointee.settings.forEachPart(of: count) { part in
                for i in part { named[i] = pair.target.logs[i] }
            }
            pair.target.kind = CROSSENTROPY_LOGITS
            kernels.stage(&pair.target, Int64(count))
            kernels.normalize(&pair.target, Int64(count))
            total = sum(named, count)
        }
        if total.sum.magnitude == .infinity && sparse.rest == .renormalize {
            problem.pointee.settings.forEachPart(of: count) { part in
                for i in part { named[i] *= 0x1p-64 }
            }
            total = sum(named, count)
        }
        let others = problem.pointee.classes - count
        let share = sparse.rest == .spread && others > 0 ? sparse.remainder(of: total, count) / Double(others) : 0
        problem.pointee.settings.forEachPart(of: problem.pointee.classes) { part in
            for c in part { dense[c] = share }
        }
        var next = 0
        for i in 0..<entries.count {
            if i % Settings.part == 0 && problem.pointee.settings.isCancelled { break }
            guard next < count, let label = problem.pointee.label(entries, i) else { continue }
            let value = sparse.rest == .renormalize ? named[next] / total.value : named[next]
            next += 1
            dense[label.isIndex(below: problem.pointee.classes) ? Int(label.value) : 0] = value
        }
        return dense
    }

    private func sum(_ values: UnsafePointer<Double>, _ count: Int) -> CompensatedSum {
        var total = CompensatedSum()
        problem.pointee.settings.forEachPart(of: count) { part in
            for i in part { total.add(values[i]) }
        }
        return total
    }

    /// The row's loss, weighted. Writes the derivatives that are requested. `row` is complete, including its target.
    mutating func value(
        _ row: inout crossentropy_row, _ kernel: crossentropy_row_kernel, _ offsets: RowOffsets, hasGradients: Bool
    ) -> Double {
        pair.prediction.data = row.input
        pair.grad_scale = row.grad_scale
        pair.z_loss = row.terms.z_loss
        power = row.grad_power
        switch problem.pointee.mode {
        case .divergence:
            if usesSingles && power == 1, let value = divergenceOfSingles(row) { return value }
            return divergence(row, offsets, hasGradients: hasGradients)
        case .hessianVector, .hessianDiagonal: return hasGradients ? secondDerivatives(&row, kernel, offsets) : 0
        case .loss, .softmax, .logSoftmax:
            if !hasGradients || problem.pointee.outputs.targetGrad == nil { return kernel(&row) }
            return lossWithTargetGradient(&row, kernel, offsets)
        }
    }

    private mutating func divergence(_ row: crossentropy_row, _ offsets: RowOffsets, hasGradients: Bool) -> Double {
        kernels.stage(&pair.prediction, pair.classes)
        if problem.pointee.sparse != nil {
            stageTarget(row.target, Operand(data: dense, dtype: .f64, classStride: 1), CROSSENTROPY_PROBS)
        } else if problem.pointee.settings.targetType == .probs || usesSingles {
            stageTarget(row.target, problem.pointee.target, problem.pointee.settings.targetType.kind)
        }
        let divergence = kernels.divergence(&pair)
        let value = row.row_weight * divergence * pair.total_unit
        guard hasGradients && value == value else { return value }
        if let grad = row.grad {
            let transform = pair.prediction.transform
            if transform.applies != 0 && transform.softcap == 0 { pair.grad_scale *= transform.slope }
            kernels.divergence_grad(&pair)
            if transform.softcap != 0 { kernels.chain(&pair) }
            write(pair.prediction.logs, grad, row.grad_format, row.grad_stride)
        }
        writeTargetGradient(row, offsets)
        return value
    }

    /// Writes second derivatives and returns 0 in place of the loss; or returns NaN, if the
    /// row's result is NaN, and writes nothing.
    private mutating func secondDerivatives(
        _ row: inout crossentropy_row, _ totalMass: crossentropy_row_kernel, _ offsets: RowOffsets
    ) -> Double {
        row.row_weight = 1
        pair.mass = totalMass(&row)
        if pair.prediction.transform.applies != 0 {
            let slope = pair.prediction.transform.slope
            pair.grad_scale *= slope * slope
        }
        kernels.stage(&pair.prediction, pair.classes)
        if pair.mass != pair.mass || pair.prediction.factor != pair.prediction.factor { return .nan }
        if let vector = problem.pointee.vector {
            stageTarget(UnsafeRawPointer(vector.element(offsets.vector)), vector, CROSSENTROPY_NUMBERS)
            kernels.hessian_vector(&pair)
        } else {
            kernels.hessian_diagonal(&pair)
        }
        write(pair.prediction.logs, row.grad, row.grad_format, row.grad_stride)
        return 0
    }

    private mutating func lossWithTargetGradient(
        _ row: inout crossentropy_row, _ kernel: crossentropy_row_kernel, _ offsets: RowOffsets
    ) -> Double {
        // Read first, because the gradient may overwrite the input.
        kernels.stage(&pair.prediction, pair.classes)
        if problem.pointee.settings.targetType == .probs {
            stageTarget(row.target, problem.pointee.target, CROSSENTROPY_NUMBERS)
            pair.target.kind = CROSSENTROPY_PROBS
        }
        kernels.costs(&pair)
        let value = kernel(&row)
        if value == value { writeTargetGradient(row, offsets) }
        return value
    }

    /// The divergence computed in f32; `nil` if f32 is not accurate enough, and then nothing has been written.
    private mutating func divergenceOfSingles(_ row: crossentropy_row) -> Double? {
        pair.target.data = row.target
        pair.target.stride = Int64(problem.pointee.target.classStride)
        pair.target.format = problem.pointee.target.dtype.format(inDoubles: true)
        pair.scratch = row.scratch
        let divergence = kernels.single_divergence(&pair)
        let isScaled = pair.prediction.transform.applies != 0 || pair.target.transform.applies != 0
        if divergence < Self.leastSingleDivergence(isScaled) || divergence == .infinity { return nil }
        let value = row.row_weight * divergence
        guard let grad = row.grad, value == value else { return value }
        if pair.prediction.transform.applies != 0 { pair.grad_scale *= pair.prediction.transform.slope }
        let isDirect = row.grad_stride == 1 && row.grad_format == CROSSENTROPY_F32
        let copy = UnsafeMutableRawPointer(dense)
        pair.single_grad = (isDirect ? grad : copy).assumingMemoryBound(to: Float.self)
        kernels.single_divergence_grad(&pair)
        if !isDirect {
            let format = row.grad_format == CROSSENTROPY_F32 ? CROSSENTROPY_NATIVE : row.grad_format
            problem.pointee.settings.forEachPart(of: problem.pointee.classes) { part in
                scatterSingles(
                    copy + part.lowerBound * MemoryLayout<Float>.size, Int64(part.count), grad, format,
                    Int64(part.lowerBound) * row.grad_stride, row.grad_stride)
            }
        }
        return value
    }

    private func write(
        _ copy: UnsafeMutablePointer<Double>, _ place: UnsafeMutableRawPointer, _ format: Int32, _ stride: Int64
    ) {
        problem.pointee.settings.forEachPart(of: problem.pointee.classes) { part in
            if power != 1 { for c in part { copy[c] *= power } }
            scatter(
                copy + part.lowerBound, Int64(part.count), place, format, Int64(part.lowerBound) * stride, stride)
        }
    }

    private mutating func writeTargetGradient(_ row: crossentropy_row, _ offsets: RowOffsets) {
        guard let grad = problem.pointee.outputs.targetGrad else { return }
        // Only the prediction has this transform.
        let scale = ScaledNumber(row.grad_scale) * ScaledNumber(row.grad_power)
        (pair.grad_scale, power) = scale.shifted(by: -pair.prediction.transform.slopeExponent).parts()
        if pair.target.kind == CROSSENTROPY_LOGITS && !(pair.cost_sum.magnitude < .infinity) {
            return fillTargetGradient(offsets, with: .nan)
        }
        kernels.target_grad(&pair)
        write(
            pair.target.logs, grad.element(offsets.targetGrad), grad.dtype.format(inDoubles: true),
            Int64(grad.classStride))
    }

    func fillTargetGradient(_ offsets: RowOffsets, with value: Double) {
        guard let grad = problem.pointee.outputs.targetGrad else { return }
        problem.pointee.settings.forEachPart(of: problem.pointee.classes) { part in
            fill(
                grad.element(offsets.targetGrad + part.lowerBound * grad.classStride), Int64(part.count),
                Int64(grad.classStride), grad.dtype.format(inDoubles: true), value)
        }
    }
}
