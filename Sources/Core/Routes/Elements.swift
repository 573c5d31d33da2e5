import KernelABI
import Shims

/// A pass over the elements of a binary cross-entropy: the state that its threads share.
struct ElementPass {
    enum Purpose {
        case scan(Weights)
        case loss
    }

    /// The weights that are added up, over the elements that are not ignored.
    enum Weights {
        case ones
        case products
        /// The products, times a power of two.
        case shifted(by: Int)
    }

    var pieces: Pieces
    let problem: UnsafePointer<BinaryProblem>
    let what: Purpose
    let workspace: BinaryWorkspace
    /// The factor of every gradient; `nil`: all gradients are 0.
    let grad: ScaledNumber?
    /// Losses are multiplied by 2^exponent.
    let exponent: Int
    /// Whether all labels have been found to be 0 or 1.
    let areBinary: Bool

    /// Enough elements that the counter's cost is negligible.
    static var elementsPerPiece: Int { 1 << 15 }

    init(
        _ problem: UnsafePointer<BinaryProblem>, _ what: Purpose, _ workspace: BinaryWorkspace, grad: ScaledNumber?,
        exponent: Int, areBinary: Bool
    ) {
        self.problem = problem
        self.what = what
        self.workspace = workspace
        self.grad = grad
        self.exponent = exponent
        self.areBinary = areBinary
        pieces = Pieces(
            count: problem.pointee.count, length: Self.elementsPerPiece, cancel: problem.pointee.settings.cancel)
    }

    /// Stops all threads at a bad label.
    @_optimize(size)
    static func work(_ context: UnsafeMutableRawPointer) {
        let pass = context.assumingMemoryBound(to: ElementPass.self)
        let pieces = withUnsafeMutablePointer(to: &pass.pointee.pieces) { $0 }
        guard var elements = pieces.next() else { return }
        var worker = Elements(pass, slot: pieces.nextSlot())
        while worker.run(elements) {
            guard let next = pieces.next() else { return }
            elements = next
        }
        pieces.stop()
    }
}

/// One thread's pass over its elements: gathers a kernel's arguments block by block, and stores the results.
struct Elements {
    private let pass: UnsafePointer<ElementPass>
    private let slot: BinarySlot
    /// Kernels for the type that is computed in, and for weights.
    private let kernels: crossentropy_binary_kernels
    private let doubles: crossentropy_binary_kernels
    private let readLabels: crossentropy_labels_kernel
    private var sums: LaneSums
    private let elementSize: Int
    private let inDoubles: Bool
    /// The bits of an ignored label, if labels of this type can have its value.
    private let ignoredBits: UInt64?
    /// Whether no factor that all elements share is near an end of the range.
    private let isOrdinary: Bool
    /// After how many elements the positive weights repeat themselves, if the slot's unused memory holds them; else 0.
    private var ordinaryPeriod = 0
    private var block = crossentropy_binary()

    @_optimize(size)
    init(_ pass: UnsafePointer<ElementPass>, slot number: Int) {
        self.pass = pass
        let problem = pass.pointee.problem.pointee
        slot = pass.pointee.workspace.slot(number)
        inDoubles = problem.computesInDoubles
        elementSize = inDoubles ? 8 : 4
        let table = Processor.kernels
        kernels = crossentropy_get_binary_kernels(table, inDoubles ? 1 : 0).pointee
        doubles = crossentropy_get_binary_kernels(table, 1).pointee
        readLabels = table.pointee.binary_labels
        sums = LaneSums(slot.sums)
        let labels = problem.target.operand.dtype
        ignoredBits = problem.isIndexTarget ? problem.settings.ignoreIndex.flatMap { labels.bits(of: $0) } : nil

        block.has_indices = problem.isIndexTarget ? 1 : 0
        block.keep = 1 - problem.settings.labelSmoothing
        block.spread = problem.settings.labelSmoothing / 2
        block.is_probs = problem.settings.inputType == .probs ? 1 : 0
        block.focal_gamma = problem.settings.terms.focal_gamma
        block.clip_low = problem.settings.clipLow
        block.clip_high = problem.settings.clipHigh
        let factor = pass.pointee.grad ?? ScaledNumber(0)
        isOrdinary = pass.pointee.exponent == 0 && factor.isOrdinary
        setFactor(factor)
        block.loss = slot.numbers(.loss)
        block.single_positive = slot.singles(.positive)
        block.single_negative = slot.singles(.positive, half: 1)
        block.single_loss = slot.singles(.negative)
        if case .loss = pass.pointee.what, problem.positiveWeight != nil, !inDoubles {
            ordinaryPeriod = Self.writeOrdinaryWeights(pass.pointee.problem, slot)
        }
    }

    /// Writes positive weights in f32, from the first element's on so many that every block finds its own one after the other.
    /// Returns their period; 0 if that is too long, if a weight is no f32 number near 1, or if there are other weights.
    @inline(never)
    @_optimize(size)
    private static func writeOrdinaryWeights(_ problem: UnsafePointer<BinaryProblem>, _ slot: BinarySlot) -> Int {
        guard let walk = problem.pointee.positiveWeight, let period = walk.period, problem.pointee.weight == nil,
            problem.pointee.sampleWeight == nil, problem.pointee.settings.labelSmoothing == 0
        else { return 0 }
        let (numbers, room) = slot.unused
        let count = min(problem.pointee.count, period + Int(CROSSENTROPY_ELEMENTS))
        if count + 16 > room { return 0 }
        for i in 0..<min(period, count) {
            let weight = walk.operand.double(at: i * walk.step)
            numbers[i] = Float(weight)
            if Double(numbers[i]) != weight || weight < 0x1p-19 || weight > 0x1p20 { return 0 }
        }
        for i in stride(from: period, to: count, by: 1) { numbers[i] = numbers[i - period] }
        return period
    }

    private var problem: BinaryProblem { @inline(__always) get { pass.pointee.problem.pointee } }

    /// Computes a piece; false if a label is invalid.
    @_optimize(size)
    mutating func run(_ elements: Range<Int>) -> Bool {
        var start = elements.lowerBound
        while start < elements.upperBound {
            let block = start..<min(start + Int(CROSSENTROPY_ELEMENTS), elements.upperBound)
            switch pass.pointee.what {
            case .loss: compute(block)
            case .scan(let weights): if !scan(block, weights) { return false }
            }
            start = block.upperBound
        }
        sums.empty(into: &slot.result.pointee.sum)
        return true
    }

    @inline(never)
    @_optimize(size)
    private mutating func compute(_ elements: Range<Int>) {
        // Labels were checked, but the caller's memory may have changed since. Then a block may hold invalid ones,
        // which count as 0.
        let ignored = readTarget(elements) ?? elements.count
        block.input = read(problem.input, elements, .input)
        block.positive = nil
        block.grad = nil
        var isDirect = false
        if let grad = problem.grad, pass.pointee.grad != nil {
            let place = grad.neighbours(elements, grad.operand.dtype.format(inDoubles: inDoubles))
            isDirect = place != nil
            block.grad = place ?? slot.memory(.grad)
        }
        // The choice of kernel does not depend on the block, because the kernels round differently.
        if inDoubles || !isOrdinary {
            readWeights(elements)
            computeInDoubles(elements.count, hasMasses: ignored != 0 || problem.needsMasses)
            keepLosses(elements)
        } else if problem.needsMasses {
            computeWeighted(elements)
        } else {
            keepLosses(elements, areSummed: kernels.plain(&block, Int64(elements.count)) != 0)
        }
        if !isDirect { writeGradient(elements) }
    }

    /// A block in f32 whose masses are not y and 1 - y.
    @_optimize(speed)
    private mutating func computeWeighted(_ elements: Range<Int>) {
        let grad = block.grad
        // With larger factors, gradients that f32 cannot hold before they are multiplied may be normal numbers.
        let isSingle =
            block.grad_factor == 0 || (block.grad_factor.magnitude >= 0x1p-64 && block.grad_factor.magnitude <= 1)
        if isSingle && ordinaryPeriod > 0 {
            block.single_weight = UnsafePointer(slot.unused.numbers + elements.lowerBound % ordinaryPeriod)
            if kernels.single_masses(&block, Int64(elements.count)) != 0 {
                return keepLosses(elements, areSummed: kernels.weighted(&block, Int64(elements.count)) != 0)
            }
            block.single_weight = nil
        }
        readWeights(elements)
        if !isSingle { block.grad = nil }
        if kernels.single_masses(&block, Int64(elements.count)) != 0 {
            keepLosses(elements, areSummed: kernels.weighted(&block, Int64(elements.count)) != 0)
        } else {
            computeSingles(elements.count)
            keepLosses(elements)
        }
        if isSingle || grad == nil { return }
        block.grad = grad
        computeInDoubles(elements.count, hasMasses: true)
    }

    @_optimize(size)
    private mutating func computeInDoubles(_ count: Int, hasMasses: Bool) {
        block.positive = hasMasses ? slot.numbers(.positive) : nil
        block.negative = slot.numbers(.negative)
        if !hasMasses || kernels.masses(&block, Int64(count)) != 0 {
            kernels.loss(&block, Int64(count))
            if pass.pointee.exponent != 0 { scaleLosses(count) }
        } else {
            computeExtremes(0..<count)
        }
    }

    /// Computes a block in f32 one element at a time, and elements that f32 is too small for with masses in f64.
    @inline(never)
    @_optimize(size)
    private mutating func computeSingles(_ count: Int) {
        let whole = block
        let losses = slot.numbers(.loss)
        for i in 0..<count {
            block = whole
            block.input += i * elementSize
            block.target += i * elementSize
            block.grad = whole.grad.map { $0 + i * elementSize }
            block.sample_weight = whole.sample_weight.map { $0 + i }
            block.weight = whole.weight.map { $0 + i }
            block.positive_weight = whole.positive_weight.map { $0 + i }
            block.positive = slot.numbers(.positive)
            block.negative = slot.numbers(.negative)
            block.loss = block.positive  // the kernels read the masses before they write the loss
            if kernels.single_masses(&block, 1) != 0 {
                _ = kernels.weighted(&block, 1)
                losses[i] = Double(block.single_loss[0])
            } else if kernels.masses(&block, 1) != 0 {
                kernels.loss(&block, 1)
                losses[i] = block.loss[0]
            } else {
                block = whole
                block.positive = slot.numbers(.positive)
                block.negative = slot.numbers(.negative)
                computeExtremes(i..<i + 1)
            }
        }
        block = whole
    }

    /// The pass before anything is written: counts elements, and adds up the divisor of a mean. False if a label is invalid.
    @_optimize(size)
    private mutating func scan(_ elements: Range<Int>, _ weights: ElementPass.Weights) -> Bool {
        var areOnes = false
        if case .ones = weights { areOnes = true }
        guard let ignored = readTarget(elements, isKept: !areOnes) else { return false }
        slot.result.pointee.counted += elements.count - ignored
        if areOnes { return true }
        let s = readWeight(problem.sampleWeight, elements, .sampleWeight)
        let w = readWeight(problem.weight, elements, .weight)
        let products = slot.numbers(.loss)
        if case .products = weights, ignored == 0, Self.multiply(s, w, elements.count, to: products) {
            slot.result.pointee.largest = max(slot.result.pointee.largest, 0)
            add(elements.count)
            return true
        }
        var largest = slot.result.pointee.largest
        for i in 0..<elements.count {
            let (s, w) = (s?[i] ?? 1, w?[i] ?? 1)
            let product = s * w
            if ignored != 0 && labels[i].isNaN {
                products[i] = 0
            } else if case .shifted(let exponent) = weights {
                products[i] = (ScaledNumber(s) * ScaledNumber(w)).shifted(by: exponent).value
            } else {
                products[i] = product
                if product.magnitude > 0x1p-200 && product.magnitude < 0x1p200 {
                    largest = max(largest, 0)
                } else if s != 0 && w != 0 {
                    largest = max(largest, (ScaledNumber(s) * ScaledNumber(w)).exponent)
                }
            }
        }
        slot.result.pointee.largest = largest
        add(elements.count)
        return true
    }

    /// The usual case of weights; false if a product is near an end of the range, or all are 0.
    @_optimize(speed)
    private static func multiply(
        _ s: UnsafePointer<Double>?, _ w: UnsafePointer<Double>?, _ count: Int,
        to products: UnsafeMutablePointer<Double>
    ) -> Bool {
        guard let first = s ?? w else { return false }
        for i in 0..<count { products[i] = first[i] }
        if s != nil, let w {
            for i in 0..<count { products[i] *= w[i] }
        }
        var areAll = true
        for i in 0..<count where !products[i].isOrdinary { areAll = false }
        var isAny = false
        for i in 0..<count where products[i] != 0 { isAny = true }
        // A product of 0 may be one that is too small.
        if s != nil && w != nil {
            for i in 0..<count where products[i] == 0 { areAll = false }
        }
        return areAll && isAny
    }

    // MARK: Near the ends of the range

    /// Sets the factor of gradients: a number near 1, and a power of two.
    private mutating func setFactor(_ factor: ScaledNumber) {
        (block.grad_factor, block.grad_power) = factor.isOrdinary ? (factor.value, 1) : factor.parts()
        if !(factor.significand.magnitude < .infinity) { block.grad_factor = .nan }
    }

    /// Multiplies the losses by the power of two of the mean's divisor.
    @_optimize(size)
    private func scaleLosses(_ count: Int) {
        let losses = slot.numbers(.loss)
        for i in 0..<count { losses[i] = ScaledNumber(losses[i]).shifted(by: pass.pointee.exponent).value }
    }

    /// Computes elements of a block with weights near an end of the range, one at a time: the
    /// larger of its masses is brought near 1.
    @inline(never)
    @_optimize(size)
    private mutating func computeExtremes(_ elements: Range<Int>) {
        let whole = block
        let losses = slot.numbers(.loss)
        for i in elements {
            let y: Double
            if whole.has_indices != 0 {
                y = Double(labels[i])
            } else {
                let place = whole.target + i * elementSize
                y = inDoubles ? place.loadUnaligned(as: Double.self) : Double(place.loadUnaligned(as: Float.self))
            }
            let s = ScaledNumber(whole.sample_weight?[i] ?? 1)
            let v = ScaledNumber(whole.positive_weight?[i] ?? 1)
            let scale = s * ScaledNumber(whole.weight?[i] ?? 1)
            var a = scale * (v * ScaledNumber(block.keep * y + block.spread))
            var b = scale * ScaledNumber(block.keep * (1 - y) + block.spread)
            if scale.significand == 0 || (whole.has_indices != 0 && y != y) {
                (a, b) = (ScaledNumber(0), ScaledNumber(0))
            }
            let largest =
                a.significand == 0 ? b.exponent : b.significand == 0 ? a.exponent : max(a.exponent, b.exponent)
            block.positive[0] = a.shifted(by: -largest).value
            block.negative[0] = b.shifted(by: -largest).value
            block.input = whole.input + i * elementSize
            block.loss = block.positive  // the kernel reads the mass before it writes the loss
            block.grad = whole.grad.map { $0 + i * elementSize }
            setFactor((pass.pointee.grad ?? ScaledNumber(0)).shifted(by: largest))
            kernels.loss(&block, 1)
            losses[i] = ScaledNumber(block.loss[0]).shifted(by: largest + pass.pointee.exponent).value
        }
        block = whole
    }

    // MARK: A kernel's arguments

    /// Reads the target of a block. Returns how many of its labels are ignored; `nil` if a label is invalid. Unless labels are
    /// to be kept they need not be converted.
    @_optimize(speed)
    private mutating func readTarget(_ elements: Range<Int>, isKept: Bool = true) -> Int? {
        let target = problem.target
        if !problem.isIndexTarget {
            block.target = read(target, elements, .target)
            block.upcoming = block.target + elements.count * elementSize
            block.upcoming_size = Int64(elementSize)
            return 0
        }
        var ignored = 0
        var isGood = true
        var upcoming: UnsafeRawPointer?
        let ignores: Int32 = pass.pointee.areBinary ? 2 : ignoredBits == nil ? 0 : 1
        target.forEachRun(in: elements) { done, offset, count in
            func read(_ copy: UnsafeMutablePointer<Float>?) -> Int {
                Int(
                    readLabels(
                        target.operand.data, Int32(target.operand.dtype.size), Int64(offset), Int64(target.step),
                        Int64(count), ignoredBits ?? 0, ignores, copy))
            }
            if !isKept && read(nil) == 0 { return true }
            let found = read(labels + done)
            isGood = isGood && found >= 0
            ignored += found
            upcoming = UnsafeRawPointer(target.operand.element(offset + count * target.step))
            return true
        }
        block.target = UnsafeRawPointer(labels)
        block.upcoming = upcoming
        block.upcoming_size = Int64(target.operand.dtype.size)
        return isGood ? ignored : nil
    }

    /// The labels of a block, converted to 0 and 1, and NaN for those that are ignored.
    private var labels: UnsafeMutablePointer<Float> { slot.memory(.target).assumingMemoryBound(to: Float.self) }

    /// Elements side by side in the type that is computed in: the caller's memory, or a copy.
    @_optimize(speed)
    private func read(_ walk: ElementWalk, _ elements: Range<Int>, _ room: BinarySlot.Room) -> UnsafeRawPointer {
        let format = walk.operand.dtype.format(inDoubles: inDoubles)
        if let place = walk.neighbours(elements, format) { return UnsafeRawPointer(place) }
        let copy = slot.memory(room)
        walk.forEachRun(in: elements) { done, offset, count in
            kernels.gather(
                walk.operand.data, format, Int64(offset), Int64(walk.step), Int64(count), copy + done * elementSize)
            return true
        }
        return UnsafeRawPointer(copy)
    }

    @inline(never)
    @_optimize(size)
    private mutating func readWeights(_ elements: Range<Int>) {
        block.sample_weight = readWeight(problem.sampleWeight, elements, .sampleWeight)
        block.weight = readWeight(problem.weight, elements, .weight)
        block.positive_weight = readWeight(problem.positiveWeight, elements, .positiveWeight)
    }

    /// Weights side by side as doubles; `nil` if there are no weights.
    @_optimize(speed)
    private func readWeight(
        _ walk: ElementWalk?, _ elements: Range<Int>, _ room: BinarySlot.Room
    ) -> UnsafePointer<Double>? {
        guard let walk else { return nil }
        let copy = slot.numbers(room)
        walk.forEachRun(in: elements) { done, offset, count in
            doubles.gather(
                walk.operand.data, walk.operand.dtype.format(inDoubles: true), Int64(offset), Int64(walk.step),
                Int64(count), copy + done)
            return true
        }
        return UnsafePointer(copy)
    }

    // MARK: A kernel's results

    /// Stores losses in f32, or adds them to the sum; `areSummed`: the kernel has already summed them in 16 lanes.
    @_optimize(speed)
    private mutating func keepLosses(_ elements: Range<Int>, areSummed: Bool) {
        if problem.settings.reduction != .none {
            if areSummed { return add(16) }
        } else if let loss = problem.loss, loss.operand.dtype == .f32 {
            loss.forEachRun(in: elements) { done, offset, count in
                kernels.scatter(
                    block.single_loss + done, Int64(count), loss.operand.data, CROSSENTROPY_NATIVE, Int64(offset),
                    Int64(loss.step))
                return true
            }
            return
        }
        let losses = slot.numbers(.loss)
        for i in 0..<elements.count { losses[i] = Double(block.single_loss[i]) }
        keepLosses(elements)
    }

    /// Stores the losses, or adds them to the sum.
    @_optimize(speed)
    private mutating func keepLosses(_ elements: Range<Int>) {
        if problem.settings.reduction != .none {
            add(elements.count)
        } else if let loss = problem.loss {
            let losses = slot.numbers(.loss)
            loss.forEachRun(in: elements) { done, offset, count in
                for i in 0..<count { loss.operand.store(losses[done + i], at: offset + i * loss.step) }
                return true
            }
        }
    }

    /// Adds the numbers in the memory of the losses to the thread's sums.
    @_optimize(speed)
    private mutating func add(_ count: Int) { sums.add(slot.numbers(.loss), count, &slot.result.pointee.sum) }

    private func writeGradient(_ elements: Range<Int>) {
        guard let grad = problem.grad else { return }
        let copy = slot.memory(.grad)
        // If an empty mean is 0, the gradients are 0, too.
        if pass.pointee.grad == nil { memset(copy, 0, elements.count * elementSize) }
        let format = grad.operand.dtype.format(inDoubles: inDoubles)
        grad.forEachRun(in: elements) { done, offset, count in
            kernels.scatter(
                copy + done * elementSize, Int64(count), grad.operand.data, format, Int64(offset), Int64(grad.step))
            return true
        }
    }
}

extension DType {
    /// The bits of `value` in an integer of this type; `nil` if the type cannot hold it.
    fileprivate func bits(of value: Int64) -> UInt64? {
        let bits = 8 * size
        let isSigned = rawValue < DType.u8.rawValue
        if isSigned ? (value << Int64(64 - bits)) >> Int64(64 - bits) != value : value < 0 { return nil }
        if !isSigned && bits < 64 && value >> Int64(bits) != 0 { return nil }
        return UInt64(bitPattern: value)
    }
}
