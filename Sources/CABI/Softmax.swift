import CCrossEntropy
import Core

// What logits give without a loss: probabilities, their logarithms, lse, and the statistics of each row.

/// `mode` other than `.loss`, with outputs that are wanted; `labels` for the statistics.
func softmax(
    _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ labels: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<ce_options>?, perRow: UnsafePointer<ce_tensor>?, perClass: UnsafePointer<ce_tensor>?,
    _ stats: UnsafePointer<ce_row_stats>?
) -> Int32 {
    checked { storage throws(CallError) in
        try run(
            try checkedCall(mode, input, classAxis, labels, try readOptions(options), perRow, perClass, stats, &storage)
        )
    }
}

private func checkedCall(
    _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ labels: UnsafePointer<ce_tensor>?,
    _ options: ce_options, _ perRow: UnsafePointer<ce_tensor>?, _ perClass: UnsafePointer<ce_tensor>?,
    _ stats: UnsafePointer<ce_row_stats>?, _ storage: inout CallStorage
) throws(CallError) -> LossCall {
    let input = try view(input, "input", .singleOrHalf, &storage)
    let labels = try optionalView(labels, "labels", .integer, &storage)
    let perRow = try optionalView(perRow, "output", .single, &storage)
    let perClass = try optionalView(perClass, "output", .singleOrHalf, &storage)

    let axis = try checkedClassAxis(classAxis, of: input)
    if let labels { try checkShape(labels, "labels", equals: input, without: axis, "input without its class axis") }
    if let perRow { try checkShape(perRow, "output", equals: input, without: axis, "input without its class axis") }
    if let perClass { try checkLikeInput(perClass, "output", input) }

    var call = LossCall(
        classes: input.length(axis), rows: storage.rowSpace(),
        input: Operand(data: input.data, dtype: input.dtype, classStride: input.classStride(axis)),
        target: Operand(data: labels?.data ?? input.data, dtype: labels?.dtype ?? .i64))
    try call.apply(options)
    call.takeOnlyLogits(mode)
    if labels == nil { call.withoutTarget() }

    if let perRow { try checkDistinct(perRow, "output") }
    if let perClass { try checkDistinct(perClass, "output") }
    try checkApart(perRow, "output", input, "input")
    if let perClass, !perClass.isSame(as: input) { try checkApart(perClass, "output", input, "input") }
    call.statistics = try checkedStatistics(
        stats, rows: input.count(without: axis),
        apartFrom: [input, labels], &storage)

    call.loss = perRow.map { Operand(data: $0.data, dtype: $0.dtype) }
    call.grad = perClass.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.classStride(axis)) }
    if input.count(without: axis) == 0 {
        call.rows.append(0, input: 0, target: 0, sampleWeight: 0, loss: 0, grad: 0)
        return call
    }
    for d in 0..<input.ndim where d != axis {
        let row = d < axis ? d : d - 1
        call.rows.append(
            input.length(d), input: input.stride(d), target: labels?.stride(row) ?? 0, sampleWeight: 0,
            loss: perRow?.stride(row) ?? 0, grad: perClass?.stride(d) ?? 0)
    }
    return call
}

extension LossCall {
    /// Leaves of the options what is said of logits alone.
    fileprivate mutating func takeOnlyLogits(_ mode: Mode) {
        self.mode = mode
        inputType = .logits
        reduction = .none
        targetType = .probs
        labelSmoothing = 0
        gradLoss = 1
        squaresTemperature = false
    }
}

/// The places for statistics, each apart from every input, every output and each other; `nil` if there are none.
func checkedStatistics<let count: Int>(
    _ stats: UnsafePointer<ce_row_stats>?, rows: Int, apartFrom others: InlineArray<count, TensorView?>,
    _ storage: inout CallStorage
) throws(CallError) -> RowStatistics? {
    guard let stats else { return nil }
    let size = UnsafeRawPointer(stats).loadUnaligned(as: UInt64.self)
    guard size >= firstRowStatsSize else {
        throw CallError(CE_ERROR_OPTIONS_SIZE) {
            $0.text("row_stats.size is ")
            $0.number(unsigned: size)
            $0.text("; the smallest is ")
            $0.number(firstRowStatsSize)
        }
    }
    let places = UnsafeRawPointer(stats).loadUnaligned(as: ce_row_stats.self)
    let dimensions = try storage.nextTensor(1)
    dimensions[0].length = rows
    dimensions[0].stride = 1
    // Numbers of 8 bytes, all of them.
    func view(_ data: UnsafeMutableRawPointer?) throws(CallError) -> TensorView? {
        guard let data, rows > 0 else { return nil }
        var view = TensorView(data: data, dtype: .f64, ndim: 1, dimensions: dimensions)
        let first = Int(bitPattern: data)
        let (bytes, isLong) = rows.multipliedReportingOverflow(by: 8)
        let (end, isHigh) = first.addingReportingOverflow(bytes)
        if isLong || isHigh { throw overflowError("row_stats") }
        view.addresses = first..<end
        return view
    }
    let all: InlineArray<6, TensorView?> = [
        try view(places.lse), try view(places.max), try view(places.argmax), try view(places.entropy),
        try view(places.target_prob), try view(places.target_rank),
    ]
    for i in 0..<6 {
        for j in 0..<count { try checkApart(all[i], "row_stats", others[j], "another tensor of the call") }
        for j in 0..<i { try checkApart(all[i], "row_stats", all[j], "itself") }
    }
    var statistics = RowStatistics()
    statistics.lse = places.lse
    statistics.largest = places.max
    statistics.argmax = places.argmax
    statistics.entropy = places.entropy
    statistics.targetProb = places.target_prob
    statistics.targetRank = places.target_rank
    return statistics
}

/// The size of ce_row_stats when it came to be.
private let firstRowStatsSize = 56
