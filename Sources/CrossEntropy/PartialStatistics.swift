import CCrossEntropy

/// The contribution of a slice of the classes to the loss of each row.
///
/// Partial statistics take 408 bytes a row. They can be merged with those of the other slices, stored and sent: for
/// vocabularies that are split over files, processes or machines.
///
/// ```swift
/// let loss = CrossEntropyLoss()
/// let low = try loss.partialStatistics(lowLogits, labels: labels, classes: 65536)
/// let high = try loss.partialStatistics(highLogits, labels: labels, classes: 65536, firstClass: 65536)
/// let merged = try low.merged(with: high)
/// let value = try loss.value(of: merged, classes: 131072)
/// let lowGradient = try loss.gradient(of: merged, lowLogits, classes: 65536, totalClasses: 131072)
/// ```
///
/// Merging is associative and commutative to the bit, so loss and gradient have the same bits for any slices, order and
/// grouping. Equal values have equal bytes.
public struct PartialStatistics: Sendable, Equatable {
    /// Slices begin at multiples of this many classes, and the length of all but the last is a multiple of it, too.
    public static let block = Int(CE_BLOCK)

    /// The records of all rows, in the layout of C's arrays of `ce_partial`.
    public private(set) var bytes: [UInt8]

    /// Partial statistics from ``bytes``.
    ///
    /// - Throws: ``CrossEntropyError`` if the bytes are not a whole number of rows. The contents of rows are checked
    ///   when they are used.
    public init(bytes: [UInt8]) throws(CrossEntropyError) {
        guard bytes.count % Self.size == 0 else {
            throw CrossEntropyError(
                .partial, "\(bytes.count) bytes are no partial statistics, which have \(Self.size) bytes a row")
        }
        self.bytes = bytes
    }

    /// The number of rows.
    public var rows: Int { bytes.count / Self.size }

    /// The number of classes in these partial statistics; 0 if there are no rows.
    public var classes: Int { rows == 0 ? 0 : Int(row(0).classes) }

    /// The largest logit of a row, and its class.
    ///
    /// The logit is NaN if the row has NaN or +infinity. The class is the first of several, and -1 if there is none.
    public func largest(row: Int) -> (logit: Double, class: Int) {
        let row = self.row(row)
        return (row.max, Int(row.argmax))
    }

    /// The partial statistics of the classes of both.
    ///
    /// - Throws: ``CrossEntropyError`` with the code ``CrossEntropyError/Code/partial`` if the rows are not the same,
    ///   or if classes are in both, as far as the number of classes and the label show it. Other duplicates are found
    ///   when the loss is computed.
    public func merged(with other: PartialStatistics) throws(CrossEntropyError) -> PartialStatistics {
        var merged = self
        try merged.merge(other)
        return merged
    }

    /// Adds the classes of `other`.
    ///
    /// - Throws: As ``merged(with:)``; then nothing has changed.
    public mutating func merge(_ other: PartialStatistics) throws(CrossEntropyError) {
        guard rows == other.rows else {
            throw CrossEntropyError(.shape, "other is of \(other.rows) rows, but self is of \(rows)")
        }
        let rows = Int64(rows)
        let status = bytes.withUnsafeMutableBytes { into in
            other.bytes.withUnsafeBytes { from in
                ce_partial_merge(
                    into.baseAddress?.assumingMemoryBound(to: ce_partial.self),
                    from.baseAddress?.assumingMemoryBound(to: ce_partial.self), rows)
            }
        }
        if status != CE_OK {
            let error = CrossEntropyError(status: status, names: ["into": "self"])
            throw CrossEntropyError(error.code, error.message.replacing(" of from ", with: " of other "))
        }
    }

    static let size = MemoryLayout<ce_partial>.size

    init(rows: Int) { bytes = [UInt8](repeating: 0, count: rows * Self.size) }

    private func row(_ row: Int) -> ce_partial {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: row * Self.size, as: ce_partial.self) }
    }

    func withPointer<R>(_ body: (UnsafePointer<ce_partial>?) throws(CrossEntropyError) -> R) throws(CrossEntropyError)
        -> R
    {
        var result: Result<R, CrossEntropyError>?
        bytes.withUnsafeBytes { bytes in
            let rows = bytes.baseAddress?.assumingMemoryBound(to: ce_partial.self)
            do throws(CrossEntropyError) { result = .success(try body(rows)) } catch { result = .failure(error) }
        }
        return try result!.get()
    }

    mutating func withMutablePointer(
        _ body: (UnsafeMutablePointer<ce_partial>?) throws(CrossEntropyError) -> Void
    ) throws(CrossEntropyError) {
        var failure: CrossEntropyError?
        bytes.withUnsafeMutableBytes { bytes in
            do throws(CrossEntropyError) {
                try body(bytes.baseAddress?.assumingMemoryBound(to: ce_partial.self))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}

#if !hasFeature(Embedded)
    extension PartialStatistics: Codable {
        public init(from decoder: any Decoder) throws {
            try self.init(bytes: decoder.singleValueContainer().decode([UInt8].self))
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(bytes)
        }
    }
#endif

/// Losses of logits with labels, for classes that are in several places.
///
/// ``ignoreIndex``, ``softcap`` and ``logitScale`` apply when partial statistics are computed, the other options
/// afterwards; ``labelSmoothing`` is refused.
extension CrossEntropyLoss {
    /// The partial statistics of a slice, for views of any shape and strides.
    ///
    /// - Parameters:
    ///   - input: The logits of classes `firstClass`, `firstClass + 1`, ...
    ///   - classAxis: The dimension of the input that holds the classes; -1 is the last. The others are the rows.
    ///   - labels: Class indices, counted from class 0 for every slice; with the shape of the input without the class axis.
    ///   - firstClass: A multiple of ``PartialStatistics/block``.
    /// - Throws: ``CrossEntropyError``.
    public func partialStatistics(
        _ input: TensorView, classAxis: Int = -1, labels: TensorView, firstClass: Int = 0
    ) throws(CrossEntropyError) -> PartialStatistics {
        try partialStatistics(input, classAxis, labels, firstClass, names: ["target": "labels"])
    }

    private func partialStatistics(
        _ input: TensorView, _ classAxis: Int, _ labels: TensorView, _ firstClass: Int, names: [String: String]
    ) throws(CrossEntropyError) -> PartialStatistics {
        var statistics = PartialStatistics(rows: labels.shape.allSatisfy { $0 >= 0 } ? labels.shape.reduce(1, *) : 0)
        var options = try options(keepingRows: true, gradLoss: 1)
        let status = try TensorView.withTensor(input) { input throws(CrossEntropyError) in
            try TensorView.withTensor(labels) { labels throws(CrossEntropyError) in
                var status: Int32 = 0
                try statistics.withMutablePointer { partials in
                    status = ce_partial_compute(
                        input, Int32(clamping: classAxis), Int64(firstClass), labels, &options, partials)
                }
                return status
            }
        }
        if status != CE_OK { throw CrossEntropyError(status: status, names: names) }
        return statistics
    }

    /// The partial statistics of a slice, for contiguous rows.
    ///
    /// - Parameters:
    ///   - slice: Rows of `classes` logits each, one after the other.
    ///   - labels: A class index for each row, counted from class 0 for every slice.
    ///   - classes: The number of classes of the slice.
    ///   - firstClass: A multiple of ``PartialStatistics/block``.
    /// - Throws: ``CrossEntropyError``.
    public func partialStatistics<Scalar: LossScalar, Label: LabelScalar>(
        _ slice: [Scalar], labels: [Label], classes: Int, firstClass: Int = 0
    ) throws(CrossEntropyError) -> PartialStatistics {
        let rows = try rowCount(slice.count, classes, of: "slice")
        var result: Result<PartialStatistics, CrossEntropyError>?
        slice.withUnsafeBufferPointer { slice in
            labels.withUnsafeBufferPointer { labels in
                do throws(CrossEntropyError) {
                    result = .success(
                        try partialStatistics(
                            TensorView(reading: slice.baseAddress, shape: [rows, classes]), 1,
                            TensorView(labels: labels.baseAddress, shape: [labels.count]), firstClass,
                            names: ["input": "slice", "target": "labels"]))
                } catch {
                    result = .failure(error)
                }
            }
        }
        return try result!.get()
    }

    /// The loss from the partial statistics of all classes, reduced to one number.
    ///
    /// - Parameters:
    ///   - classes: The number of classes. `nil`: the number in the partial statistics; then a
    ///     missing last slice goes unnoticed.
    ///   - sampleWeights: A weight for each row.
    /// - Throws: ``CrossEntropyError`` if the classes are not all there exactly once, a label is too
    ///   large or an option is out of range.
    public func value(
        of statistics: PartialStatistics, classes: Int? = nil, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> Double {
        try losses(statistics, classes, sampleWeights, keepingRows: false)[0]
    }

    /// Each row's loss from the partial statistics of all classes.
    public func perRow(
        of statistics: PartialStatistics, classes: Int? = nil, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Double] {
        try losses(statistics, classes, sampleWeights, keepingRows: true)
    }

    /// The gradient of ``value(of:classes:sampleWeights:)`` with respect to the logits of a slice.
    ///
    /// - Parameters:
    ///   - slice, classes, firstClass: As they were given to ``partialStatistics(_:labels:classes:firstClass:)``.
    ///   - totalClasses: The number of all classes. `nil`: the number in the partial statistics.
    ///   - sampleWeights: A weight for each row.
    public func gradient<Scalar: LossScalar>(
        of statistics: PartialStatistics, _ slice: [Scalar], classes: Int, firstClass: Int = 0,
        totalClasses: Int? = nil, sampleWeights: [Double]? = nil
    ) throws(CrossEntropyError) -> [Scalar] {
        let rows = try rowCount(slice.count, classes, of: "slice")
        var gradient = [Scalar](repeating: .nan, count: slice.count)
        var failure: CrossEntropyError?
        slice.withUnsafeBufferPointer { slice in
            gradient.withUnsafeMutableBufferPointer { gradient in
                (sampleWeights ?? []).withUnsafeBufferPointer { weights in
                    do throws(CrossEntropyError) {
                        try evaluateGradient(
                            statistics, TensorView(reading: slice.baseAddress, shape: [rows, classes]), 1, firstClass,
                            totalClasses,
                            sampleWeights == nil
                                ? nil : TensorView(reading: weights.baseAddress, shape: [weights.count]),
                            false, 1, TensorView(writing: gradient.baseAddress, shape: [rows, classes]),
                            names: ["input": "slice", "sample_weight": "sampleWeights"])
                    } catch {
                        failure = error
                    }
                }
            }
        }
        if let failure { throw failure }
        return gradient
    }

    /// Computes the gradient with respect to a slice for views of any shape and strides, and writes it to the caller's memory.
    ///
    /// - Parameters:
    ///   - input, classAxis, firstClass: As they were given to ``partialStatistics(_:classAxis:labels:firstClass:)``.
    ///   - totalClasses: The number of all classes. `nil`: the number in the partial statistics.
    ///   - sampleWeight: A weight for each row, with the shape of the input without the class axis.
    ///   - keepingRows: The gradient is that of each row's own loss.
    ///   - gradLoss: Upstream gradient, which multiplies the gradient.
    ///   - gradient: Of the input's shape and type (for 16-bit input also `Float`). It may be the input itself.
    public func evaluateGradient(
        of statistics: PartialStatistics, _ input: TensorView, classAxis: Int = -1, firstClass: Int = 0,
        totalClasses: Int? = nil, sampleWeight: TensorView? = nil, keepingRows: Bool = false, gradLoss: Double = 1,
        gradient: TensorView
    ) throws(CrossEntropyError) {
        try evaluateGradient(
            statistics, input, classAxis, firstClass, totalClasses, sampleWeight, keepingRows, gradLoss, gradient,
            names: [:])
    }

    private func evaluateGradient(
        _ statistics: PartialStatistics, _ input: TensorView, _ classAxis: Int, _ firstClass: Int,
        _ totalClasses: Int?, _ sampleWeight: TensorView?, _ keepingRows: Bool, _ gradLoss: Double,
        _ gradient: TensorView, names: [String: String]
    ) throws(CrossEntropyError) {
        var names = names
        names["partials"] = "statistics"
        let axis = classAxis < 0 ? classAxis + input.shape.count : classAxis
        let rows = input.shape.indices.reduce(1) { $1 == axis ? $0 : $0 * input.shape[$1] }
        guard rows == statistics.rows else {
            throw CrossEntropyError(
                .shape, "\(names["input"] ?? "input") has \(rows) rows, but statistics is of \(statistics.rows)")
        }
        let status = try withClassWeights { weight throws(CrossEntropyError) in
            try TensorView.withTensor(input) { input throws(CrossEntropyError) in
                try TensorView.withTensor(sampleWeight) { sampleWeight throws(CrossEntropyError) in
                    try TensorView.withTensor(gradient) { gradient throws(CrossEntropyError) in
                        var options = try options(keepingRows: keepingRows, gradLoss: gradLoss)
                        options.weight = weight
                        options.sample_weight = sampleWeight
                        return try statistics.withPointer { partials throws(CrossEntropyError) in
                            ce_partial_grad(
                                input, Int32(clamping: classAxis), Int64(firstClass), partials,
                                Int64(totalClasses ?? 0), &options, gradient)
                        }
                    }
                }
            }
        }
        if status != CE_OK { throw CrossEntropyError(status: status, names: names) }
    }

    private func losses(
        _ statistics: PartialStatistics, _ classes: Int?, _ sampleWeights: [Double]?, keepingRows: Bool
    ) throws(CrossEntropyError) -> [Double] {
        let rows = statistics.rows
        var losses = [Double](repeating: .nan, count: keepingRows ? rows : 1)
        var status: Int32 = 0
        var failure: CrossEntropyError?
        losses.withUnsafeMutableBufferPointer { losses in
            (sampleWeights ?? []).withUnsafeBufferPointer { weights in
                let output = TensorView(writing: losses.baseAddress, shape: keepingRows ? [rows] : [])
                let sampleWeight =
                    sampleWeights == nil ? nil : TensorView(reading: weights.baseAddress, shape: [weights.count])
                do throws(CrossEntropyError) {
                    status = try withClassWeights { weight throws(CrossEntropyError) in
                        try TensorView.withTensor(sampleWeight) { sampleWeight throws(CrossEntropyError) in
                            try TensorView.withTensor(output) { output throws(CrossEntropyError) in
                                var options = try options(keepingRows: keepingRows, gradLoss: 1)
                                options.weight = weight
                                options.sample_weight = sampleWeight
                                return try statistics.withPointer { partials throws(CrossEntropyError) in
                                    ce_partial_loss(partials, Int64(rows), Int64(classes ?? 0), &options, output)
                                }
                            }
                        }
                    }
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
        if status != CE_OK {
            throw CrossEntropyError(
                status: status, names: ["partials": "statistics", "sample_weight": "sampleWeights"])
        }
        return losses
    }

    private func withClassWeights(
        _ body: (UnsafePointer<ce_tensor>?) throws(CrossEntropyError) -> Int32
    ) throws(CrossEntropyError) -> Int32 {
        guard let classWeights else { return try body(nil) }
        var result: Result<Int32, CrossEntropyError>?
        classWeights.withUnsafeBufferPointer { weights in
            do throws(CrossEntropyError) {
                let view = TensorView(reading: weights.baseAddress, shape: [weights.count])
                result = .success(try TensorView.withTensor(view, body))
            } catch {
                result = .failure(error)
            }
        }
        return try result!.get()
    }
}
