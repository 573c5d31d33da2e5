import CCrossEntropy
import Core

// Functions of logits without a loss: probabilities, their logarithms, lse, and row statistics.

/// The output of such a function.
enum LogitsOutput {
    case perClass(UnsafePointer<ce_tensor>?)
    case perRow(UnsafePointer<ce_tensor>?)
    case statistics(UnsafePointer<ce_row_stats>?)
}

/// `mode` is not `.loss`; `labels` are for row statistics.
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
        var known = Options()
        try known.read(options)
        try softmax(mode, input, classAxis, labels, &known, output, &storage)
    }
}

private func softmax(
    _ mode: Mode, _ input: UnsafePointer<ce_tensor>?, _ classAxis: Int32, _ labels: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<Options>, _ output: LogitsOutput, _ storage: inout CallStorage
) throws(CallError) {
    let input = try view(input, "input", .floating, &storage, as: .replaceable)
    let labels = try optionalView(labels, "labels", .integer, &storage)
    var perRow: TensorView?
    var perClass: TensorView?
    switch output {
    case .perRow(let output): perRow = try view(output, "output", .single, &storage, as: .output)
    case .perClass(let output): perClass = try view(output, "output", .floating, &storage, as: .replacing)
    case .statistics: break
    }

    var functions = FunctionSet.softmax
    if case .statistics = output { functions = .rowStats }

    let axis = try checkedClassAxis(classAxis, of: input)
    if let labels { try checkShape(labels, equals: input, without: axis) }
    if let perRow { try checkShape(perRow, equals: input, without: axis) }
    if let perClass { try checkLikeInput(perClass, input) }

    var problem = Problem(
        mode, Settings(), classes: input.length(axis), rows: storage.rowSpace(),
        input: input.operand(classAxis: axis), target: labels?.operand ?? input.operand)
    try problem.settings.read(options, of: functions, &storage)
    problem.settings.reduction = .none
    if labels == nil { problem.withoutTarget() }

    try checkOverlaps(&storage)
    if case .statistics(let stats?) = output {
        problem.outputs.statistics = try checkedStatistics(
            stats, isOutput: false, rows: input.count(without: axis), &storage)
    }

    if let perRow { problem.outputs.loss = perRow.operand }
    if let perClass { problem.outputs.grad = perClass.operand(classAxis: axis) }
    if input.count(without: axis) == 0 {
        problem.rows.append(0, input: 0, target: 0, sampleWeight: 0, loss: 0, grad: 0)
    } else {
        for d in 0..<input.ndim where d != axis && input.length(d) != 1 {
            let row = d < axis ? d : d - 1
            problem.rows.append(
                input.length(d), input: input.stride(d), target: labels?.stride(row) ?? 0, sampleWeight: 0,
                loss: perRow?.stride(row) ?? 0, grad: perClass?.stride(d) ?? 0)
        }
    }
    try run(&problem)
}

/// The memory for row statistics. Each array must be apart from every tensor of the call, and from the other arrays.
func checkedStatistics(
    _ stats: UnsafePointer<ce_row_stats>, isOutput: Bool, rows: Int, _ storage: inout CallStorage
) throws(CallError) -> RowStatistics {
    let name: StaticString = isOutput ? "row_stats" : "stats"
    var places = ce_row_stats()
    try read(stats, over: &places, name, first: firstRowStatsSize)
    let dimensions = try storage.nextTensor(1)
    dimensions[0].length = rows
    dimensions[0].stride = 1
    // All arrays hold numbers of 8 bytes. Each must be apart from the tensors, and from the arrays before it.
    let others = storage.listed
    func check(_ data: UnsafeMutableRawPointer?, _ member: StaticString) throws(CallError) {
        guard let data, rows > 0 else { return }
        let first = Int(bitPattern: data)
        let (bytes, isLong) = rows.multipliedReportingOverflow(by: 8)
        let (end, isHigh) = first.addingReportingOverflow(bytes)
        if isLong || isHigh { throw overflowError(name) }
        let listed = storage.listed
        let view = storage.append(
            TensorView.Record(
                data: data, addresses: first..<end, dimensions: dimensions, ndim: 1, dtype: .f64, isPacked: true,
                role: .output, name: member))
        for i in 0..<listed where view.overlaps(storage[i]) {
            throw CallError(CE_ERROR_OVERLAP) {
                $0.text(name)
                $0.text(".")
                $0.text(member)
                $0.text(" overlaps ")
                if i >= others {
                    $0.text(name)
                    $0.text(".")
                }
                $0.text(storage[i].name)
            }
        }
    }
    try check(places.lse, "lse")
    try check(places.max, "max")
    try check(places.argmax, "argmax")
    try check(places.entropy, "entropy")
    try check(places.target_prob, "target_prob")
    try check(places.target_rank, "target_rank")
    var statistics = RowStatistics()
    statistics.lse = places.lse
    statistics.largest = places.max
    statistics.argmax = places.argmax
    statistics.entropy = places.entropy
    statistics.targetProb = places.target_prob
    statistics.targetRank = places.target_rank
    return statistics
}

/// The size of ce_row_stats in release 0.1.0, the first release: the smallest size that is ever accepted.
private let firstRowStatsSize = 56
