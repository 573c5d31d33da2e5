/// A call on contiguous rows of `classes` numbers each, one after the other.
struct ArrayCall<Scalar: LossScalar, Target: ArrayTarget> {
    let input: [Scalar]
    let target: Target
    let classes: Int
    let sampleWeights: [Double]?
    /// The caller's name of the input.
    let inputName: String

    init(
        _ input: [Scalar], _ target: Target, _ classes: Int, _ sampleWeights: [Double]?, inputName: String = "input"
    ) {
        self.input = input
        self.inputName = inputName
        self.target = target
        self.classes = classes
        self.sampleWeights = sampleWeights
    }

    /// The results of a call; an array is empty if it was not requested.
    struct Results {
        /// One loss, or one for each row.
        var losses: [Scalar]
        var gradient: [Scalar]
        var targetGradient: [Scalar]
    }

    /// Calls `body` with views of the arrays, of the loss and, if requested, of the gradient.
    func results(
        keepingRows: Bool = false, gradient wantsGradient: Bool = false,
        targetGradient wantsTargetGradient: Bool = false,
        _ body: (_ call: RowCall, _ loss: TensorView?, _ gradient: TensorView?) throws(CrossEntropyError) -> Void
    ) throws(CrossEntropyError) -> Results {
        let rows = try rowCount(input.count, classes, of: inputName)
        let shape = [rows, classes]
        var losses = [Scalar](repeating: .nan, count: keepingRows ? rows : 1)
        var gradient = [Scalar](repeating: .nan, count: wantsGradient ? input.count : 0)
        var targetGradient = [Scalar](repeating: .nan, count: wantsTargetGradient ? input.count : 0)
        try input.withUnsafeBufferPointer { input throws(CrossEntropyError) in
            try target.withViews(rows: rows, classes: classes) { target throws(CrossEntropyError) in
                try withView(sampleWeights) { sampleWeight throws(CrossEntropyError) in
                    try withView(writing: &losses, keepingRows ? [rows] : []) { loss throws(CrossEntropyError) in
                        try withView(writing: &gradient, wantsGradient ? shape : nil) {
                            gradient throws(CrossEntropyError) in
                            try withView(writing: &targetGradient, wantsTargetGradient ? shape : nil) {
                                targetGradient throws(CrossEntropyError) in
                                var call = RowCall(
                                    input: TensorView(reading: input.baseAddress, shape: shape), classAxis: 1,
                                    target: target, sampleWeight: sampleWeight, targetGradient: targetGradient)
                                call.names = Target.names
                                call.names["input"] = inputName
                                call.names["sample_weight"] = "sampleWeights"
                                try body(call, loss, gradient)
                            }
                        }
                    }
                }
            }
        }
        return Results(losses: losses, gradient: gradient, targetGradient: targetGradient)
    }
}

/// Calls `body` with a view of the numbers in this shape, or with `nil` for no shape.
private func withView<Scalar: LossScalar>(
    writing numbers: inout [Scalar], _ shape: [Int]?, _ body: (TensorView?) throws(CrossEntropyError) -> Void
) throws(CrossEntropyError) {
    guard let shape else { return try body(nil) }
    try numbers.withUnsafeMutableBufferPointer { numbers throws(CrossEntropyError) in
        try body(TensorView(writing: numbers.baseAddress, shape: shape))
    }
}
