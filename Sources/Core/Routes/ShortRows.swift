import KernelABI
import Shims

/// Logits of few classes with labels, a thousand rows to a kernel: a thread's way through them.
struct ShortRows {
    private let pass: UnsafePointer<RowPass>
    private let slot: Workspace.Slot
    private let room: Room
    private let kernel: crossentropy_short_kernel
    /// `nil` where there are so few rows that it does not pay.
    private var sums: LaneSums?
    /// Whether rows have scales of their own.
    private let isWeighted: Bool
    private let hasOrdinaryClassWeights: Bool
    private var call: crossentropy_short_rows

    private var problem: UnsafePointer<Problem> { pass.pointee.problem }

    @_optimize(speed)
    init(_ pass: UnsafePointer<RowPass>, _ slot: Workspace.Slot) {
        self.pass = pass
        self.slot = slot
        let problem = pass.pointee.problem
        room = Room(slot.extra, problem.pointee, pass.pointee.plan.pointee)
        kernel = Processor.kernels.pointee.short_rows
        sums = room.hasSums ? LaneSums(room.sums) : nil
        isWeighted =
            problem.pointee.weight != nil || problem.pointee.sampleWeight != nil || problem.pointee.gradLosses != nil
            || !pass.pointee.scales.areOnes
        hasOrdinaryClassWeights = isWeighted && Self.readClassWeights(problem.pointee, room)
        let grad = problem.pointee.outputs.grad
        call = crossentropy_short_rows()
        call.classes = Int64(problem.pointee.classes)
        call.input_stride = Int64(problem.pointee.input.classStride)
        call.input_row_stride = Int64(problem.pointee.rows.step.input)
        call.grad_stride = Int64(grad?.classStride ?? 0)
        call.grad_row_stride = Int64(problem.pointee.rows.step.grad)
        call.input_format = problem.pointee.input.dtype.format(inDoubles: false)
        call.grad_format = grad?.dtype.format(inDoubles: false) ?? CROSSENTROPY_NATIVE
        call.ignored = problem.pointee.settings.ignoreIndex ?? .min  // which is no class
        call.scale = pass.pointee.scales.gradFactor
        call.terms = problem.pointee.settings.terms
        call.exponent_scale =
            pass.pointee.plan.pointee.foldsScale
            ? crossentropy_exponent_scale(problem.pointee.settings.transform.logit_scale) : crossentropy_no_scale()
        call.smoothing = problem.pointee.settings.labelSmoothing
        call.loss = room.loss
        call.scratch = room.scratch
    }

    mutating func run(_ rows: Range<Int>) {
        problem.pointee.rows.forEachRun(in: rows, limit: pass.pointee.plan.pointee.rowsPerGroup) { _, first, count in
            run(first, count)
            return !problem.pointee.settings.isCancelled
        }
    }

    @_optimize(speed)
    private mutating func run(_ first: RowOffsets, _ count: Int) {
        let hasPowers = prepare(count, first)
        call.rows = Int64(count)
        call.input = UnsafeRawPointer(problem.pointee.input.element(first.input))
        call.grad = pass.pointee.scales.hasGradients ? problem.pointee.outputs.grad?.element(first.grad) : nil
        kernel(&call)
        if hasPowers {
            for i in 0..<count { room.loss[i] *= room.lossPower[i] }
        }
        keepLosses(count, first)
        if call.grad == nil { pass.pointee.clearGradients(first, count) }
    }

    /// Empties the sums of lanes into that of the thread.
    mutating func finish() { sums?.empty(into: &slot.sum.pointee) }

    /// Stores the losses, or adds them up.
    @inline(__always)
    private mutating func keepLosses(_ count: Int, _ first: RowOffsets) {
        if pass.pointee.storesLosses {
            guard let loss = problem.pointee.outputs.loss else { return }
            for i in 0..<count { loss.store(room.loss[i], at: first.loss + i * problem.pointee.rows.step.loss) }
            return
        }
        if sums == nil {
            for i in stride(from: 0, to: count, by: 16) {
                slot.sum.pointee.add(UnsafePointer(room.loss + i), min(16, count - i))
            }
        } else {
            sums!.add(room.loss, count, &slot.sum.pointee)
        }
    }

    /// Fills in the labels and what multiplies each row's loss and gradient. Returns whether losses are to be multiplied by powers
    /// of two as well.
    @inline(__always)
    private mutating func prepare(_ count: Int, _ first: RowOffsets) -> Bool {
        let isSelected = problem.pointee.mask != nil || problem.pointee.ignoreIndices != nil
        let target = problem.pointee.target
        let labels = target.element(first.target)
        if !isWeighted && !isSelected && target.dtype == .i64 && problem.pointee.rows.step.target == 1
            && Int(bitPattern: labels) & 7 == 0
        {
            call.label = UnsafePointer(labels.assumingMemoryBound(to: Int64.self))
            return false
        }
        call.label = UnsafePointer(room.label)
        target.copyLabels(at: first.target, count, problem.pointee.rows.step.target, to: room.label)
        if isSelected { RowFacts(problem, first).leaveOut(count, labels: room.label, as: call.ignored) }
        return isWeighted ? weigh(count, first) : false
    }

    /// What multiplies each row's loss and gradient.
    @_optimize(speed)
    private mutating func weigh(_ count: Int, _ first: RowOffsets) -> Bool {
        call.loss_scale = UnsafePointer(room.lossScale)
        call.grad_scale = UnsafePointer(room.gradScale)
        call.sample_weight = UnsafePointer(room.sampleWeight)
        call.grad_weight = UnsafePointer(room.gradWeight)
        for i in count..<(count + 15) & ~15 {
            room.lossScale[i] = 0
            room.gradScale[i] = 0
            room.sampleWeight[i] = 0
            room.gradWeight[i] = 0
        }
        return weighOrdinary(count, first) ? false : weighAny(count, RowFacts(problem, first))
    }

    /// The usual case; false where any number is near an end of the range.
    @_optimize(speed)
    private func weighOrdinary(_ count: Int, _ first: RowOffsets) -> Bool {
        guard let (lossFactor, gradFactor) = pass.pointee.scales.ordinary, hasOrdinaryClassWeights else { return false }
        let step = problem.pointee.rows.step
        let (samples, upstream) = (room.sampleWeight, room.gradWeight)
        if let weight = problem.pointee.sampleWeight {
            if !weight.copyOrdinary(at: first.sampleWeight, count, step.sampleWeight, to: samples) { return false }
        } else {
            for i in 0..<count { samples[i] = 1 }
        }
        if let gradLosses = problem.pointee.gradLosses {
            if !gradLosses.copyOrdinary(at: first.gradLoss, count, step.gradLoss, to: upstream) { return false }
        } else {
            for i in 0..<count { upstream[i] = 1 }
        }
        let (labels, lossScale, gradScale) = (room.label, room.lossScale, room.gradScale)
        let classWeight = room.classWeight
        let classes = UInt64(problem.pointee.classes)
        let ignored = call.ignored
        let hasZLoss = call.terms.z_loss != 0
        for i in 0..<count {
            let label = labels[i]
            let isIndex = UInt64(bitPattern: label) < classes
            let w = classWeight[isIndex ? Int(label) : 0]
            let s = samples[i]
            lossScale[i] = s * w * lossFactor
            gradScale[i] = s * gradFactor * w * upstream[i]
            if isIndex && (s == 0 || (w == 0 && !hasZLoss)) { labels[i] = ignored }
        }
        if hasZLoss {
            for i in 0..<count {
                upstream[i] = samples[i] * upstream[i] * gradFactor
                samples[i] *= lossFactor
            }
        }
        return true
    }

    @inline(never)
    private func weighAny(_ count: Int, _ facts: RowFacts) -> Bool {
        let scales = pass.pointee.scales
        let classes = UInt64(problem.pointee.classes)
        var hasPowers = false
        for i in 0..<count {
            room.lossScale[i] = 0
            room.gradScale[i] = 0
            room.sampleWeight[i] = 0
            room.gradWeight[i] = 0
            room.lossPower[i] = 1
            let label = room.label[i]
            if label == call.ignored || UInt64(bitPattern: label) >= classes { continue }
            let (s, w, g) = facts.weights(i, label: label)
            if !facts.counts(s, w) {
                room.label[i] = call.ignored
                continue
            }
            let row = scales.row(s, w, g, isOfLabel: true)
            room.lossScale[i] = row.loss
            room.gradScale[i] = scales.isFinite(s, g) ? row.gradProduct : .nan
            room.sampleWeight[i] = row.zLoss
            room.gradWeight[i] = row.zGradProduct
            room.lossPower[i] = row.lossPower
            if row.lossPower != 1 { hasPowers = true }
        }
        return hasPowers
    }

    /// Reads the class weights; false where one is near an end of the range.
    private static func readClassWeights(_ problem: borrowing Problem, _ room: Room) -> Bool {
        guard let weight = problem.weight else {
            for c in 0..<problem.classes { room.classWeight[c] = 1 }
            return true
        }
        return weight.copyOrdinary(at: 0, problem.classes, weight.classStride, to: room.classWeight)
    }

    /// A thread's memory: numbers of each row, and what the kernel works with.
    private struct Room {
        private let start: UnsafeMutableRawPointer
        private let rows: Int
        let hasSums: Bool
        private var sumCount: Int { hasSums ? LaneSums.size : 0 }

        @_optimize(speed)
        init(_ start: UnsafeMutableRawPointer, _ problem: borrowing Problem, _ plan: borrowing Plan) {
            self.start = start
            rows = (min(problem.rows.count, plan.rowsPerGroup) + 15) & ~15
            hasSums = problem.rows.count > 256
        }

        private func numbers(_ i: Int) -> UnsafeMutablePointer<Double> {
            (start + 8 * (sumCount + i * rows)).assumingMemoryBound(to: Double.self)
        }

        var sums: UnsafeMutablePointer<Double> { start.assumingMemoryBound(to: Double.self) }
        var loss: UnsafeMutablePointer<Double> { numbers(0) }
        var label: UnsafeMutablePointer<Int64> {
            UnsafeMutableRawPointer(numbers(1)).assumingMemoryBound(to: Int64.self)
        }
        var lossScale: UnsafeMutablePointer<Double> { numbers(2) }
        var gradScale: UnsafeMutablePointer<Double> { numbers(3) }
        var sampleWeight: UnsafeMutablePointer<Double> { numbers(4) }
        var gradWeight: UnsafeMutablePointer<Double> { numbers(5) }
        var lossPower: UnsafeMutablePointer<Double> { numbers(6) }
        /// crossentropy_short_bytes
        var scratch: UnsafeMutableRawPointer {
            UnsafeMutableRawPointer(numbers(7)) + 8 * Int(CROSSENTROPY_SHORT_CLASSES)
        }
        var classWeight: UnsafeMutablePointer<Double> { numbers(7) }

        var bytes: Int { 8 * (sumCount + 7 * rows + Int(CROSSENTROPY_SHORT_CLASSES)) }
    }

    /// The bytes that a thread needs.
    static func bytes(for problem: borrowing Problem, _ plan: borrowing Plan) -> Int {
        let room = Room(UnsafeMutableRawPointer(bitPattern: 128)!, problem, plan)
        let rows = min(problem.rows.count, plan.rowsPerGroup)
        return room.bytes
            + Int(crossentropy_short_bytes(Int64(problem.classes), Int64(rows), problem.input.classStride != 1))
    }
}
