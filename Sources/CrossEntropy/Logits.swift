import CCrossEntropy

/// Functions of logits without a loss: softmax, its logarithm, log-sum-exp and row statistics.
///
/// ```swift
/// let probabilities = try Logits().softmax([0, 1, 2], classes: 3)  // [0.0900, 0.2447, 0.6652]
/// ```
///
/// Accuracy and reproducibility are those of ``CrossEntropyLoss``. A logit of -infinity has probability 0; rows with
/// NaN or +infinity, or nothing but -infinity, have probabilities of NaN. All functions throw ``CrossEntropyError``;
/// then nothing has been written.
public struct Logits: Sendable {
    /// c > 0: logits x, after ``scale``, become c tanh(x / c); infinities stay. `nil`: no cap.
    public var softcap: Double?
    /// The factor by which logits are multiplied, before ``softcap``; 1 / temperature. Not 0.
    public var scale = 1.0
    /// For row statistics: rows with this label have no target; `nil`: every row has one.
    public var ignoreIndex: Int64? = -100
    /// The most threads to use, including the calling one; 0: as many as the process may use.
    public var threads = 0

    public init(softcap: Double? = nil, scale: Double = 1, ignoreIndex: Int64? = -100, threads: Int = 0) {
        self.softcap = softcap
        self.scale = scale
        self.ignoreIndex = ignoreIndex
        self.threads = threads
    }

    // MARK: Arrays: rows of `classes` numbers each, one after the other

    /// The probabilities of each row.
    public func softmax<Scalar: LossScalar>(_ logits: [Scalar], classes: Int) throws(CrossEntropyError) -> [Scalar] {
        try withOutput(logits, classes, perClass: true) { (input, output) throws(CrossEntropyError) in
            try softmax(input, output: output)
        }
    }

    /// The logarithms of the probabilities of each row.
    public func logSoftmax<Scalar: LossScalar>(_ logits: [Scalar], classes: Int) throws(CrossEntropyError) -> [Scalar] {
        try withOutput(logits, classes, perClass: true) { (input, output) throws(CrossEntropyError) in
            try logSoftmax(input, output: output)
        }
    }

    /// log Σ exp(z[c]) of each row: +infinity if the row holds +infinity, -infinity if it holds nothing but -infinity,
    /// else NaN if it holds NaN.
    public func logSumExp<Scalar: LossScalar>(_ logits: [Scalar], classes: Int) throws(CrossEntropyError) -> [Scalar] {
        try withOutput(logits, classes, perClass: false) { (input, output) throws(CrossEntropyError) in
            try logSumExp(input, output: output)
        }
    }

    /// Row statistics of logits.
    public func statistics<Scalar: LossScalar>(
        _ logits: [Scalar], classes: Int
    ) throws(CrossEntropyError) -> RowStatistics {
        try statistics(logits, labels: [Int64]?.none, classes: classes)
    }

    /// Row statistics of logits, with the probability and the rank of each row's label.
    public func statistics<Scalar: LossScalar, Label: LabelScalar>(
        _ logits: [Scalar], labels: [Label], classes: Int
    ) throws(CrossEntropyError) -> RowStatistics {
        try statistics(logits, labels: Optional(labels), classes: classes)
    }

    // MARK: Views of any shape and strides

    /// Writes the probabilities of each row.
    ///
    /// - Parameter output: Of the input's shape and type (for 16-bit input also `Float`); it may be the input itself.
    public func softmax(_ input: TensorView, classAxis: Int = -1, output: TensorView) throws(CrossEntropyError) {
        try call(ce_softmax, input, classAxis, output)
    }

    /// Writes the logarithms of the probabilities of each row.
    ///
    /// - Parameter output: As in ``softmax(_:classAxis:output:)``.
    public func logSoftmax(_ input: TensorView, classAxis: Int = -1, output: TensorView) throws(CrossEntropyError) {
        try call(ce_log_softmax, input, classAxis, output)
    }

    /// Writes log Σ exp(z[c]) of each row.
    ///
    /// - Parameter output: `Float` or `Double`, of the input's shape without the class axis.
    public func logSumExp(_ input: TensorView, classAxis: Int = -1, output: TensorView) throws(CrossEntropyError) {
        try call(ce_logsumexp, input, classAxis, output)
    }

    /// Row statistics of logits, for a view of any shape and strides.
    ///
    /// - Parameter labels: Class indices, of the input's shape without the class axis.
    /// - Returns: A number for each row, in row-major order of that shape.
    public func statistics(
        _ input: TensorView, classAxis: Int = -1, labels: TensorView? = nil
    ) throws(CrossEntropyError) -> RowStatistics {
        var options = try options()
        options.ignore_index = ignoreIndex ?? .min
        var statistics = RowStatistics(of: input, classAxis: classAxis)
        try statistics.withPlaces { places throws(CrossEntropyError) in
            try TensorView.withTensor(input) { input throws(CrossEntropyError) in
                try TensorView.withTensor(labels) { labels throws(CrossEntropyError) in
                    try check(ce_compute_row_stats(input, Int32(clamping: classAxis), labels, &options, places))
                }
            }
        }
        return statistics
    }

    // MARK: -

    private func options() throws(CrossEntropyError) -> ce_options {
        var options = ce_options()
        ce_options_init(&options, MemoryLayout<ce_options>.size)
        options.softcap = try CrossEntropyLoss.checkedSoftcap(softcap)
        options.logit_scale = try CrossEntropyLoss.checkedScale(scale, "scale")
        options.threads = Int32(clamping: threads)
        return options
    }

    private typealias Function = (
        UnsafePointer<ce_tensor>?, Int32, UnsafePointer<ce_options>?, UnsafePointer<ce_tensor>?
    ) -> Int32

    private func call(
        _ function: Function, _ input: TensorView, _ classAxis: Int, _ output: TensorView
    ) throws(CrossEntropyError) {
        var options = try options()
        try TensorView.withTensor(input) { input throws(CrossEntropyError) in
            try TensorView.withTensor(output) { output throws(CrossEntropyError) in
                try check(function(input, Int32(clamping: classAxis), &options, output))
            }
        }
    }

    private func withOutput<Scalar: LossScalar>(
        _ logits: [Scalar], _ classes: Int, perClass: Bool,
        _ call: (TensorView, TensorView) throws(CrossEntropyError) -> Void
    ) throws(CrossEntropyError) -> [Scalar] {
        let rows = try rowCount(logits.count, classes, of: "logits")
        var result = [Scalar](repeating: .nan, count: perClass ? logits.count : rows)
        var failure: CrossEntropyError?
        logits.withUnsafeBufferPointer { logits in
            result.withUnsafeMutableBufferPointer { result in
                do throws(CrossEntropyError) {
                    try call(
                        TensorView(reading: logits.baseAddress, shape: [rows, classes]),
                        TensorView(writing: result.baseAddress, shape: perClass ? [rows, classes] : [rows]))
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
        return result
    }

    private func statistics<Scalar: LossScalar, Label: LabelScalar>(
        _ logits: [Scalar], labels: [Label]?, classes: Int
    ) throws(CrossEntropyError) -> RowStatistics {
        let rows = try rowCount(logits.count, classes, of: "logits")
        var result = Result<RowStatistics, CrossEntropyError>.success(RowStatistics(rows: 0))
        logits.withUnsafeBufferPointer { logits in
            (labels ?? []).withUnsafeBufferPointer { places in
                do throws(CrossEntropyError) {
                    result = .success(
                        try statistics(
                            TensorView(reading: logits.baseAddress, shape: [rows, classes]),
                            labels: labels == nil ? nil : TensorView(labels: places.baseAddress, shape: [places.count]))
                    )
                } catch {
                    result = .failure(error)
                }
            }
        }
        return try result.get()
    }
}

private func check(_ status: Int32) throws(CrossEntropyError) {
    if status != CE_OK { throw CrossEntropyError(status: status) }
}
