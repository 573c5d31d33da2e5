import KernelABI
import Shims

extension Problem {
    /// Adds the weights of all rows, where these are labels that nothing but their own value can ignore, and all numbers are ordinary;
    /// checks the labels, too. False where that is not so: some weights may have been added then.
    ///
    /// So many rows at a time as have room on the stack, without a call per row.
    @inline(never)
    static func addOrdinaryWeights(
        _ problem: UnsafePointer<Problem>, below classes: Int, _ weights: inout WeightSum
    ) -> Bool {
        let isUsual =
            problem.pointee.isIndexTarget && problem.pointee.mask == nil && problem.pointee.ignoreIndices == nil
        if !isUsual { return false }
        var stack = shim_stack_memory()
        return withUnsafeMutableBytes(of: &stack) { stack in
            var chunk = OrdinaryWeights(problem, classes: classes, stack)
            var isGood = true
            var hasAny = false
            problem.pointee.rows.forEachRun(in: 0..<problem.pointee.rows.count, limit: chunk.most) { _, first, count in
                isGood = !problem.pointee.settings.isCancelled && chunk.add(count, first, &weights.sum, &hasAny)
                return isGood
            }
            chunk.sums.empty(into: &weights.sum)
            if hasAny { weights.noteOrdinary() }
            return isGood
        }
    }
}

/// Some hundred rows' labels and weights side by side, and their sums.
private struct OrdinaryWeights {
    private let problem: UnsafePointer<Problem>
    private let classes: Int
    let most: Int
    var sums: LaneSums
    private let weight: UnsafeMutablePointer<Double>
    private let label: UnsafeMutablePointer<Int64>
    /// The class weights, where these are few and ordinary.
    private let ofClass: UnsafeMutablePointer<Double>?

    init(_ problem: UnsafePointer<Problem>, classes: Int, _ stack: UnsafeMutableRawBufferPointer) {
        self.problem = problem
        self.classes = classes
        let memory = stack.baseAddress!.assumingMemoryBound(to: Double.self)
        sums = LaneSums(memory)
        let few = Int(CROSSENTROPY_SHORT_CLASSES)
        let table = memory + LaneSums.size
        weight = table + few
        most = (stack.count / 8 - LaneSums.size - few) / 2 & ~15
        label = UnsafeMutableRawPointer(weight + most).assumingMemoryBound(to: Int64.self)
        if let ofClasses = problem.pointee.weight, classes <= few,
            ofClasses.copyOrdinary(at: 0, classes, ofClasses.classStride, to: table)
        {
            ofClass = table
        } else {
            ofClass = nil
        }
    }

    @_optimize(speed)
    mutating func add(_ count: Int, _ first: RowOffsets, _ sum: inout ExactSum, _ hasAny: inout Bool) -> Bool {
        let step = problem.pointee.rows.step
        let target = problem.pointee.target
        let ignored = problem.pointee.settings.ignoreIndex
        if target.countLabels(at: first.target, count, step.target, below: classes, ignoring: ignored) == nil {
            return false
        }
        target.copyLabels(at: first.target, count, step.target, to: label)
        if let samples = problem.pointee.sampleWeight {
            if !samples.copyOrdinary(at: first.sampleWeight, count, step.sampleWeight, to: weight) { return false }
        } else {
            for i in 0..<count { weight[i] = 1 }
        }
        let ignoredLabel = ignored ?? .min  // which is no class
        var isAny = 0.0
        if let ofClass {
            for i in 0..<count {
                // The caller's memory may have changed since the labels were checked.
                let isCounted = label[i] != ignoredLabel && UInt64(bitPattern: label[i]) < UInt64(classes)
                let product = isCounted ? weight[i] * ofClass[Int(label[i])] : 0
                weight[i] = product
                isAny += product.magnitude
            }
        } else {
            var areOrdinary = true
            for i in 0..<count {
                let isCounted = label[i] != ignoredLabel && UInt64(bitPattern: label[i]) < UInt64(classes)
                var product = isCounted ? weight[i] : 0
                if isCounted, let ofClass = problem.pointee.weight {
                    let w = ofClass.double(at: Int(label[i]) &* ofClass.classStride)
                    if !w.isOrdinary { areOrdinary = false }
                    product *= w
                }
                weight[i] = product
                isAny += product.magnitude
            }
            if !areOrdinary { return false }
        }
        if isAny != 0 { hasAny = true }
        sums.add(weight, count, &sum)
        return true
    }
}
