import KernelABI

/// Divergences of rows of one class that are not logits: a thread's way through them, some hundred rows to a kernel.
///
/// Rows are staged side by side as if they were the classes of one row (`Pairs`). No step looks at a neighbour, so each gets
/// the bits of a row alone.
struct DivergenceTerms {
    private let pass: UnsafePointer<RowPass>
    private let slot: Workspace.Slot
    private let kernels: crossentropy_pair_kernels
    private let scatter: crossentropy_scatter_kernel
    private var pair = crossentropy_pair()
    private let scale: RowScales.Row
    /// Computes rows one by one: what cannot be computed side by side.
    private var singles: SingleRows
    private let isSideBySide: Bool
    private var sums: LaneSums
    private let room: Room

    /// Rows to a kernel. Their six arrays stay in the core's first cache.
    static var strip: Int { 512 }

    private var problem: UnsafePointer<Problem> { pass.pointee.problem }

    @_optimize(size)
    init(_ pass: UnsafePointer<RowPass>, _ slot: Workspace.Slot) {
        self.pass = pass
        self.slot = slot
        let problem = pass.pointee.problem
        kernels = Processor.kernels.pointee.pair
        scatter = crossentropy_get_binary_kernels(Processor.kernels, 1).pointee.scatter
        singles = SingleRows(pass, slot)
        let scales = pass.pointee.scales
        isSideBySide = scales.hasGradients && scales.isFinite(1, 1)
        scale = scales.row(1, 1, 1, isOfLabel: false)
        room = Room(slot.extra, problem.pointee)
        sums = LaneSums(room.sums)

        pair.is_plain = problem.pointee.settings.isPlainDivergence ? 1 : 0
        pair.prediction.stride = Int64(problem.pointee.rows.step.input)
        pair.prediction.format = problem.pointee.input.dtype.format(inDoubles: true)
        pair.prediction.clip_low = problem.pointee.settings.clipLow
        pair.prediction.clip_high = problem.pointee.settings.clipHigh
        pair.prediction.values = room.numbers(0)
        pair.target.stride = Int64(problem.pointee.rows.step.target)
        pair.target.format = problem.pointee.target.dtype.format(inDoubles: true)
        pair.target.kind = problem.pointee.settings.targetType.kind
        pair.target.clip_low = -.infinity
        pair.target.clip_high = .infinity
        pair.target.values = room.numbers(2)
        pair.target.logs = room.numbers(3)
    }

    @_optimize(size)
    mutating func run(_ rows: Range<Int>) {
        problem.pointee.rows.forEachRun(in: rows, limit: Self.strip) { row, offsets, count in
            if !isSideBySide || !run(offsets, count) { singles.run(row..<row + count) }
            return !problem.pointee.settings.isCancelled
        }
    }

    /// Empties the sums of lanes into that of the thread.
    mutating func finish() { sums.empty(into: &slot.sum.pointee) }

    /// False if some rows must be computed one by one; then nothing has been written.
    @inline(never)
    @_optimize(size)
    private mutating func run(_ first: RowOffsets, _ count: Int) -> Bool {
        pair.classes = Int64(count)
        stagePrediction(UnsafeRawPointer(problem.pointee.input.element(first.input)))
        pair.target.data = UnsafeRawPointer(problem.pointee.target.element(first.target))
        kernels.stage(&pair.target, pair.classes)
        let notes = kernels.terms(&pair, scale.loss, room.loss)
        if notes & CROSSENTROPY_TERMS_OVERFLOW != 0 { return false }
        if scale.lossPower != 1 {
            for i in 0..<count { room.loss[i] *= scale.lossPower }
        }
        let hasNaN = notes & CROSSENTROPY_TERMS_NAN != 0
        if let grad = problem.pointee.outputs.grad {
            pair.grad_scale = scale.grad
            kernels.divergence_grad(&pair)
            write(
                pair.prediction.logs, scale.gradPower, hasNaN, count, grad, first.grad, problem.pointee.rows.step.grad)
        }
        if let grad = problem.pointee.outputs.targetGrad {
            let (factor, power) = (ScaledNumber(scale.grad) * ScaledNumber(scale.gradPower)).parts()
            pair.grad_scale = factor
            kernels.target_grad(&pair)
            write(pair.target.logs, power, hasNaN, count, grad, first.targetGrad, problem.pointee.rows.step.targetGrad)
        }
        keepLosses(first, count)
        return true
    }

    private mutating func stagePrediction(_ place: UnsafeRawPointer) {
        let kind = problem.pointee.settings.inputType.rawValue
        // The plain form needs no probability of the prediction.
        let areLogsEnough = pair.is_plain != 0 && kind == CROSSENTROPY_LOG_PROBS
        pair.prediction.data = place
        pair.prediction.kind = areLogsEnough ? CROSSENTROPY_NUMBERS : kind
        pair.prediction.logs = areLogsEnough ? room.numbers(0) : room.numbers(1)
        kernels.stage(&pair.prediction, pair.classes)
        pair.prediction.kind = kind
    }

    /// Writes derivatives; those of rows whose divergence is NaN are NaN.
    private func write(
        _ copy: UnsafeMutablePointer<Double>, _ power: Double, _ hasNaN: Bool, _ count: Int, _ grad: Operand,
        _ offset: Int, _ step: Int
    ) {
        if hasNaN {
            for i in 0..<count where room.loss[i].isNaN { copy[i] = .nan }
        }
        if power != 1 {
            for i in 0..<count { copy[i] *= power }
        }
        scatter(copy, Int64(count), grad.data, grad.dtype.format(inDoubles: true), Int64(offset), Int64(step))
    }

    /// Stores the losses, or adds them up.
    private mutating func keepLosses(_ first: RowOffsets, _ count: Int) {
        if !pass.pointee.storesLosses { return sums.add(room.loss, count, &slot.sum.pointee) }
        guard let loss = problem.pointee.outputs.loss else { return }
        scatter(
            room.loss, Int64(count), loss.data, loss.dtype.format(inDoubles: true), Int64(first.loss),
            Int64(problem.pointee.rows.step.loss))
    }

    /// A thread's memory, after that of `Pairs`.
    private struct Room {
        let sums: UnsafeMutablePointer<Double>
        private let length: Int

        init(_ start: UnsafeMutableRawPointer, _ problem: borrowing Problem) {
            sums = (start + Pairs.bytes(for: problem).0).assumingMemoryBound(to: Double.self)
            length = Self.length(problem)
        }

        private static func length(_ problem: borrowing Problem) -> Int { (min(problem.rows.count, strip) + 15) & ~15 }
        static func bytes(_ problem: borrowing Problem) -> Int { 8 * (LaneSums.size + 5 * length(problem)) }

        func numbers(_ i: Int) -> UnsafeMutablePointer<Double> { sums + LaneSums.size + i * length }
        var loss: UnsafeMutablePointer<Double> { numbers(4) }
    }

    /// The bytes that a thread needs beside those of `Pairs`.
    static func bytes(for problem: borrowing Problem) -> Int { Room.bytes(problem) }
}
