import CCrossEntropy
import Core

// What logits give without a loss: probabilities, their logarithms, lse, and the statistics of each row.

/// What is wanted of logits.
enum LogitsOutput {
    case perClass(UnsafePointer<ce_tensor>?)
    case perRow(UnsafePointer<ce_tensor>?)
    case statistics(UnsafePointer<ce_row_stats>?)
}

/// `mode` other than `.loss`; `labels` for the statistics.
func softmax(
    _ function: StaticString, _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32,
    labels: UnsafePointer<ce_tensor>? = nil, _ options: UnsafePointer<ce_options>?, _ output: LogitsOutput
) -> Int32 {
    checked(function) { storage throws(CallError) in
        switch output {
        case .perClass(nil), .perRow(nil): throw nullPointer("output")
        case .statistics(nil): throw nullPointer("stats")
        default: break
        }
        try run(try checkedCall(mode, input, classAxis, labels, try readOptions(options), output, &storage))
    }
}

private func checkedCall(
    _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ labels: UnsafePointer<ce_tensor>?,
    _ options: ce_options, _ output: LogitsOutput, _ storage: inout CallStorage
) throws(CallError) -> LossCall {
    let input = try view(input, "input", .singleOrHalf, &storage)
    let labels = try optionalView(labels, "labels", .integer, &storage)
    var perRow: TensorView?
    var perClass: TensorView?
    switch output {
    case .perRow(let output): perRow = try view(output, "output", .single, &storage)
    case .perClass(let output): perClass = try view(output, "output", .singleOrHalf, &storage)
    case .statistics: break
    }

    var takers = Takers.softmax
    if case .statistics = output { takers = .rowStats }

    let axis = try checkedClassAxis(classAxis, of: input)
    if let labels { try checkShape(labels, "labels", equals: input, without: axis, "input") }
    if let perRow { try checkShape(perRow, "output", equals: input, without: axis, "input") }
    if let perClass { try checkLikeInput(perClass, "output", input, "input") }

    var call = LossCall(
        classes: input.length(axis), rows: storage.rowSpace(),
        input: Operand(data: input.data, dtype: input.dtype, classStride: input.classStride(axis)),
        target: Operand(data: labels?.data ?? input.data, dtype: labels?.dtype ?? .i64))
    try call.apply(options, by: takers, storage)
    call.mode = mode
    call.reduction = .none
    if labels == nil { call.withoutTarget() }

    if let perRow { try checkDistinct(perRow, "output") }
    if let perClass { try checkDistinct(perClass, "output") }
    try checkApart(perRow, "output", input, "input")
    if let perClass, !perClass.isSame(as: input) { try checkApart(perClass, "output", input, "input") }
    if case .statistics(let stats?) = output {
        let tensors: InlineArray<2, NamedView> = [NamedView(input, "input"), NamedView(labels, "labels")]
        call.statistics = try checkedStatistics(
            stats, isOption: false, rows: input.count(without: axis), apartFrom: tensors, &storage)
    }

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

/// The places for statistics, each apart from every tensor of the call and each other.
func checkedStatistics<let count: Int>(
    _ stats: UnsafePointer<ce_row_stats>, isOption: Bool, rows: Int,
    apartFrom others: InlineArray<count, NamedView>, _ storage: inout CallStorage
) throws(CallError) -> RowStatistics {
    let size = UnsafeRawPointer(stats).loadUnaligned(as: UInt64.self)
    let name: StaticString = isOption ? "row_stats" : "stats"
    try checkSize(size, isOption ? "row_stats.size" : "stats.size", first: firstRowStatsSize, "")
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
        if isLong || isHigh { throw overflowError(name) }
        view.addresses = first..<end
        return view
    }
    let all: InlineArray<6, NamedView> = [
        NamedView(try view(places.lse), "lse"), NamedView(try view(places.max), "max"),
        NamedView(try view(places.argmax), "argmax"), NamedView(try view(places.entropy), "entropy"),
        NamedView(try view(places.target_prob), "target_prob"), NamedView(try view(places.target_rank), "target_rank"),
    ]
    func checkApart(_ place: NamedView, _ other: NamedView, otherIsPlace: Bool) throws(CallError) {
        guard let a = place.view, let b = other.view, a.overlaps(b) else { return }
        throw CallError(CE_ERROR_OVERLAP) {
            $0.text(name)
            $0.text(".")
            $0.text(place.name)
            $0.text(" overlaps ")
            if otherIsPlace {
                $0.text(name)
                $0.text(".")
            }
            $0.text(other.name)
        }
    }
    for i in 0..<6 {
        for j in 0..<count { try checkApart(all[i], others[j], otherIsPlace: false) }
        for j in 0..<i { try checkApart(all[i], all[j], otherIsPlace: true) }
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
