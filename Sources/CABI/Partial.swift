// swift-format-ignore-file: AlwaysUseLowerCamelCase

// because the names are those of the header.
import CCrossEntropy
import Core
import KernelABI

// Partial statistics. Everything is checked here, as for the loss of whole rows.

@implementation @_cdecl("ce_partial_compute")
public func ce_partial_compute(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ first_class: Int64, _ target: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<ce_options>?, _ partials: UnsafeMutablePointer<ce_partial>?
) -> Int32 {
    checked("ce_partial_compute") { storage throws(CallError) in
        let input = try view(input, "input", .floating, &storage, as: .replaceable)
        let target = try view(target, "target", .any, &storage)
        if target.dtype.isFloatingPoint {
            throw CallError(CE_ERROR_DTYPE) {
                $0.text("target must be integers: partial statistics are of class indices")
            }
        }
        let slice = try Slice(input, class_axis, first_class)
        try checkShape(target, equals: input, without: slice.axis)
        let rows = input.count(without: slice.axis)
        _ = try view(partials, "partials", rows, &storage, as: .output)
        try checkOverlaps(&storage)
        var known = Options()
        try known.read(options)
        var problem = Problem(
            .loss, Settings(), classes: slice.classes.count, rows: storage.rowSpace(), input: slice.operand(input),
            target: target.operand)
        try problem.settings.read(&known, of: .partial, &storage)
        problem.settings.reduction = .none
        problem.slice = slice.classes
        problem.appendRows(of: input, axis: slice.axis) { row in (target: target.stride(row), sampleWeight: 0, grad: 0)
        }
        if rows == 0 { return }
        do throws(LossFailure) {
            try withUnsafePointer(to: problem) { problem throws(LossFailure) in
                try Problem.computePartials(problem, core(partials!))
            }
        } catch {
            if case .label(let label, let row) = error {
                throw CallError(CE_ERROR_LABEL) {
                    $0.label(label)
                    $0.text(" in row ")
                    $0.number(row)
                    $0.text(" is no class index: it must be 0 or more and below 2^63, or equal to ignore_index")
                }
            }
            throw CallError(error, classes: problem.classes)
        }
    }
}

@implementation @_cdecl("ce_partial_merge")
public func ce_partial_merge(
    _ into: UnsafeMutablePointer<ce_partial>?, _ from: UnsafePointer<ce_partial>?, _ rows: Int64
) -> Int32 {
    checked("ce_partial_merge") { storage throws(CallError) in
        let rows = try rowCount(rows)
        _ = try view(into, "into", rows, &storage, as: .output)
        _ = try view(from, "from", rows, &storage, as: .input)
        try checkOverlaps(&storage)
        if rows == 0 { return }
        let into = core(into!)
        let from = core(from!)
        for row in 0..<rows {
            try check(into, row, "into")
            try check(from, row, "from")
            guard let misfit = into[row].misfit(from[row]) else { continue }
            throw CallError(CE_ERROR_PARTIAL) {
                $0.row(row, of: "into")
                $0.text(" and of from are")
                switch misfit {
                case .label:
                    $0.text(" of different labels, ")
                    $0.number(Int(into[row].label))
                    $0.text(" and ")
                    $0.number(Int(from[row].label))
                case .dtype: $0.text(" of different dtypes, f64 and a narrower one")
                case .transform: $0.text(" of logits with different softcap or logit_scale")
                case .overlap:
                    $0.text(" of the same classes in part: ")
                    $0.number(Int(into[row].classes))
                    $0.text(" classes from ")
                    $0.number(Int(into[row].first_class))
                    $0.text(" on, and ")
                    $0.number(Int(from[row].classes))
                    $0.text(" from ")
                    $0.number(Int(from[row].first_class))
                    $0.text(" on")
                }
            }
        }
        for row in 0..<rows { into[row].merge(from[row]) }
    }
}

@implementation @_cdecl("ce_partial_loss")
public func ce_partial_loss(
    _ partials: UnsafePointer<ce_partial>?, _ rows: Int64, _ classes: Int64, _ options: UnsafePointer<ce_options>?,
    _ loss: UnsafePointer<ce_tensor>?
) -> Int32 {
    checked("ce_partial_loss") { storage throws(CallError) in
        let rows = try rowCount(rows)
        let statistics = try view(partials, "partials", rows, &storage, as: .input)
        var known = Options()
        try known.read(options)
        let weight = try optionalView(known.values.weight, "weight", .floating, &storage)
        let sampleWeight = try optionalView(known.values.sample_weight, "sample_weight", .floating, &storage)
        let loss = try view(loss, "loss", .single, &storage, as: .output)
        let classes = try checkComplete(partials, rows, classes, storage.cancel(&known))
        var settings = Settings()
        try settings.read(&known, of: .partial, &storage)
        settings.ignoreIndex = Problem.ignoredLabel
        var problem = Problem(
            .loss, settings, classes: classes, rows: storage.rowSpace(),
            input: Operand(data: statistics.data, dtype: .f64), target: labels(partials, statistics))
        try checkWeight(weight, classes)
        if let sampleWeight { try checkLength(sampleWeight, rows) }
        let keepsLosses = settings.reduction == .none
        if keepsLosses {
            try checkLength(loss, rows)
        } else {
            try checkSingle(loss)
        }
        try checkOverlaps(&storage)
        problem.weight = weight.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.stride(0)) }
        problem.sampleWeight = sampleWeight.map { Operand(data: $0.data, dtype: $0.dtype) }
        problem.outputs.loss = Operand(data: loss.data, dtype: loss.dtype)
        problem.rows.append(
            rows, input: 0, target: partialWords, sampleWeight: sampleWeight?.stride(0) ?? 0,
            loss: keepsLosses ? loss.stride(0) : 0, grad: 0)
        do throws(LossFailure) {
            try withUnsafePointer(to: problem) { problem throws(LossFailure) in
                try Problem.lossOfPartials(problem, core(partials, statistics))
            }
        } catch {
            throw CallError(error, classes: classes)
        }
    }
}

@implementation @_cdecl("ce_partial_grad")
public func ce_partial_grad(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ first_class: Int64,
    _ partials: UnsafePointer<ce_partial>?, _ classes: Int64, _ options: UnsafePointer<ce_options>?,
    _ grad: UnsafePointer<ce_tensor>?
) -> Int32 {
    checked("ce_partial_grad") { storage throws(CallError) in
        let input = try view(input, "input", .floating, &storage, as: .replaceable)
        var known = Options()
        try known.read(options)
        let weight = try optionalView(known.values.weight, "weight", .floating, &storage)
        let sampleWeight = try optionalView(known.values.sample_weight, "sample_weight", .floating, &storage)
        let grad = try view(grad, "grad", .floating, &storage, as: .replacing)
        let slice = try Slice(input, class_axis, first_class)
        let rows = input.count(without: slice.axis)
        let statistics = try view(partials, "partials", rows, &storage, as: .input)
        let classes = try checkComplete(partials, rows, classes, storage.cancel(&known))
        if rows > 0 && slice.classes.upperBound > classes {
            throw CallError(CE_ERROR_SHAPE) {
                $0.text("by first_class and input the slice is classes ")
                $0.number(slice.classes.lowerBound)
                $0.text(" to ")
                $0.number(slice.classes.upperBound - 1)
                $0.text(", but there are ")
                $0.number(classes)
            }
        }
        var settings = Settings()
        try settings.read(&known, of: .partial, &storage)
        settings.ignoreIndex = Problem.ignoredLabel
        var problem = Problem(
            .loss, settings, classes: classes, rows: storage.rowSpace(), input: slice.operand(input),
            target: labels(partials, statistics))
        try checkWeight(weight, classes)
        if let sampleWeight {
            try checkShape(sampleWeight, equals: input, without: slice.axis)
        }
        try checkLikeInput(grad, input)
        try checkOverlaps(&storage)
        problem.weight = weight.map { Operand(data: $0.data, dtype: $0.dtype, classStride: $0.stride(0)) }
        problem.sampleWeight = sampleWeight.map { Operand(data: $0.data, dtype: $0.dtype) }
        problem.outputs.grad = Operand(data: grad.data, dtype: grad.dtype, classStride: grad.classStride(slice.axis))
        problem.slice = slice.classes
        if rows > 0 {
            let first = partials![0]
            try checkSettings(core(partials!), rows, input.dtype, storage.cancel(&known))
            if first.logit_scale != 1 || first.softcap != 0 {
                problem.settings.transform = crossentropy_transform(scale: first.logit_scale, softcap: first.softcap)
            } else {
                problem.settings.transform = crossentropy_transform()
            }
        }
        // Partial statistics lie in the order of the rows.
        var targetStrides = InlineArray<64, Int>(repeating: 0)
        var step = partialWords
        for d in stride(from: input.ndim - 1, through: 0, by: -1) where d != slice.axis {
            targetStrides[d < slice.axis ? d : d - 1] = step
            step = step &* input.length(d)
        }
        problem.appendRows(of: input, axis: slice.axis) { row in
            (
                target: targetStrides[row], sampleWeight: sampleWeight?.stride(row) ?? 0,
                grad: grad.stride(row < slice.axis ? row : row + 1)
            )
        }
        do throws(LossFailure) {
            try withUnsafePointer(to: problem) { problem throws(LossFailure) in
                try Problem.gradOfPartials(problem, core(partials, statistics))
            }
        } catch {
            throw CallError(error, classes: classes)
        }
    }
}

/// The size of ce_partial, in units of a label.
private let partialWords = MemoryLayout<ce_partial>.stride / 8

private func core(_ partials: UnsafePointer<ce_partial>) -> Problem.Partials {
    core(UnsafeMutablePointer(mutating: partials))
}

private func core(_ partials: UnsafeMutablePointer<ce_partial>) -> Problem.Partials {
    UnsafeMutableRawPointer(partials).assumingMemoryBound(to: crossentropy_partial.self)
}

/// The partial statistics as Core takes them. Any address will do if there are no rows.
private func core(_ partials: UnsafePointer<ce_partial>?, _ view: TensorView) -> Problem.Partials {
    partials.map { core($0) } ?? view.data.assumingMemoryBound(to: crossentropy_partial.self)
}

/// The labels in the partial statistics.
private func labels(_ partials: UnsafePointer<ce_partial>?, _ view: TensorView) -> Operand {
    Operand(data: partials.map { crossentropy_partial_label(core($0)) } ?? view.data, dtype: .i64)
}

/// The classes that the input holds.
private struct Slice {
    let axis: Int
    let classes: Range<Int>

    init(_ input: TensorView, _ classAxis: Int32, _ first: Int64) throws(CallError) {
        axis = try checkedClassAxis(classAxis, of: input)
        let count = input.length(axis)
        guard first >= 0 && first % Int64(CE_BLOCK) == 0 else {
            throw CallError(CE_ERROR_SHAPE) {
                $0.text("first_class is ")
                $0.number(Int(first))
                $0.text("; it must be a multiple of ")
                $0.number(Int(CE_BLOCK))
                $0.text(", at least 0")
            }
        }
        guard first <= 1 << 61 && count <= 1 << 61 else {
            throw CallError(CE_ERROR_OVERFLOW) {
                $0.text("first_class is ")
                $0.number(Int(first))
                $0.text(": class indices of the slice do not fit in 62 bits")
            }
        }
        classes = Int(first)..<Int(first) + count
    }

    func operand(_ input: TensorView) -> Operand { input.operand(classAxis: axis) }
}

extension Problem {
    fileprivate mutating func appendRows(
        of input: TensorView, axis: Int, _ strides: (Int) -> (target: Int, sampleWeight: Int, grad: Int)
    ) {
        if input.count(without: axis) == 0 {
            rows.append(0, input: 0, target: 0, sampleWeight: 0, loss: 0, grad: 0)
            return
        }
        for d in 0..<input.ndim where d != axis {
            let others = strides(d < axis ? d : d - 1)
            rows.append(
                input.length(d), input: input.stride(d), target: others.target, sampleWeight: others.sampleWeight,
                loss: 0, grad: others.grad)
        }
    }
}

private func rowCount(_ rows: Int64) throws(CallError) -> Int {
    if rows < 0 { throw tooSmall("rows", rows, 0) }
    return Int(rows)
}

/// A view of the memory of a number of partial statistics.
private func view(
    _ partials: UnsafePointer<ce_partial>?, _ name: StaticString, _ rows: Int,
    _ storage: inout CallStorage, as role: TensorView.Role
) throws(CallError) -> TensorView {
    let (words, overflow) = rows.multipliedReportingOverflow(by: partialWords)
    if overflow || words > Int.max / 16 { throw overflowError(name) }
    if partials == nil && rows > 0 { throw nullPointer(name) }
    var length = Int64(words)
    return try withUnsafePointer(to: &length) { length throws(CallError) in
        var tensor = ce_tensor(
            data: UnsafeMutableRawPointer(mutating: partials), dtype: DType.i64.rawValue, ndim: 1, shape: length,
            strides: nil)
        return try view(&tensor, name, .any, &storage, as: role)
    }
}

private func check(_ partials: Problem.Partials, _ row: Int, _ name: StaticString) throws(CallError) {
    if partials[row].isValid { return }
    throw CallError(CE_ERROR_PARTIAL) {
        $0.row(row, of: name)
        $0.text(" holds no statistics of version ")
        $0.number(Int(CE_PARTIAL_VERSION))
    }
}

/// The number of classes, which every row's partial statistics must cover. Without rows it is the given number, but at least 1.
private func checkComplete(
    _ partials: UnsafePointer<ce_partial>?, _ rows: Int, _ classes: Int64,
    _ cancel: UnsafeMutablePointer<crossentropy_cancel>?
) throws(CallError) -> Int {
    guard classes >= 0 && classes <= 1 << 62 else {
        throw CallError(CE_ERROR_SHAPE) {
            $0.text("classes is ")
            $0.number(Int(classes))
            $0.text("; it must be at least 0, which means those that have been seen, and at most 2^62")
        }
    }
    guard let partials, rows > 0 else { return max(1, Int(classes)) }
    let statistics = core(partials)
    try check(statistics, 0, "partials")
    let classes = classes == 0 ? Int(statistics[0].end_class) : Int(classes)
    // The number of classes is compared first, because to go through many of them could take long.
    let mayBeComplete = statistics[0].classes == Int64(classes)
    let cover = mayBeComplete ? crossentropy_partial.cover(classes: classes, cancel) : 0
    for row in 0..<rows {
        if row % 256 == 0 && crossentropy_is_cancelled(cancel) { throw CallError(.cancelled, classes: classes) }
        try check(statistics, row, "partials")
        if mayBeComplete && statistics[row].isComplete(classes: classes, cover: cover) { continue }
        throw CallError(CE_ERROR_PARTIAL) {
            $0.text("statistics in ")
            $0.row(row, of: "partials")
            $0.text(" are not of each of the ")
            $0.number(classes)
            $0.text(" classes once: they are of ")
            $0.number(Int(statistics[row].classes))
            $0.text(" classes from ")
            $0.number(Int(statistics[row].first_class))
            $0.text(" to ")
            $0.number(Int(statistics[row].end_class) - 1)
        }
    }
    return classes
}

/// Checks that a gradient is computed with the settings of the partial statistics, which are the same for all rows.
private func checkSettings(
    _ partials: Problem.Partials, _ rows: Int, _ dtype: DType, _ cancel: UnsafeMutablePointer<crossentropy_cancel>?
) throws(CallError) {
    for row in 0..<rows {
        if row % 256 == 0 && crossentropy_is_cancelled(cancel) { throw CallError(.cancelled, classes: 0) }
        if (partials[row].dtype == DType.f64.rawValue) != (dtype == .f64) {
            throw CallError(CE_ERROR_PARTIAL) {
                $0.text("statistics in ")
                $0.row(row, of: "partials")
                $0.text(dtype == .f64 ? " are not of f64, but input is" : " are of f64, but input is not")
            }
        }
        if partials[row].logit_scale != partials[0].logit_scale || partials[row].softcap != partials[0].softcap {
            throw CallError(CE_ERROR_PARTIAL) {
                $0.text("statistics in ")
                $0.row(row, of: "partials")
                $0.text(" are of logits with another softcap or logit_scale than those of row 0")
            }
        }
    }
}

private func checkLength(_ view: TensorView, _ rows: Int) throws(CallError) {
    if view.ndim == 1 && view.length(0) == rows { return }
    throw CallError(CE_ERROR_SHAPE) {
        $0.text(view.name)
        $0.text(" has shape ")
        $0.shape(view)
        $0.text(", but there are ")
        $0.number(rows)
        $0.text(" rows")
    }
}
