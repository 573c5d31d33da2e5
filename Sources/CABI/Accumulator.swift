// swift-format-ignore-file: AlwaysUseLowerCamelCase

// because the names are those of the header.
import CCrossEntropy
import Core
import Shims

// The exact accumulator over rows.

@implementation @_cdecl("ce_accumulator_init")
public func ce_accumulator_init(_ accumulator: UnsafeMutablePointer<ce_accumulator>?) -> Int32 {
    status("ce_accumulator_init") { () throws(CallError) in
        guard let accumulator else { throw nullPointer("accumulator") }
        memset(accumulator, 0, MemoryLayout<ce_accumulator>.size)
        accumulator.pointee.version = UInt32(CE_ACCUMULATOR_VERSION)
    }
}

@implementation @_cdecl("ce_accumulator_add")
public func ce_accumulator_add(
    _ accumulator: UnsafeMutablePointer<ce_accumulator>?, _ loss: UnsafePointer<ce_tensor>?,
    _ weight: UnsafePointer<ce_tensor>?, _ correct: UnsafePointer<ce_tensor>?
) -> Int32 {
    checked("ce_accumulator_add") { storage throws(CallError) in
        try add(accumulator, loss, weight, correct, &storage)
    }
}

@implementation @_cdecl("ce_accumulator_merge")
public func ce_accumulator_merge(
    _ into: UnsafeMutablePointer<ce_accumulator>?, _ from: UnsafePointer<ce_accumulator>?
) -> Int32 {
    checked("ce_accumulator_merge") { _ throws(CallError) in
        var sums = Sums(try valid(UnsafePointer(into), "into"))
        let other = Sums(try valid(from, "from"))
        sums.loss.add(other.loss)
        sums.weight.add(other.weight)
        sums.accumulator.rows &+= other.accumulator.rows
        sums.accumulator.judged &+= other.accumulator.judged
        sums.accumulator.correct &+= other.accumulator.correct
        sums.store(into!)
    }
}

@implementation @_cdecl("ce_accumulator_result")
public func ce_accumulator_result(
    _ accumulator: UnsafePointer<ce_accumulator>?, _ mean: UnsafeMutablePointer<Double>?,
    _ sum: UnsafeMutablePointer<Double>?, _ weight: UnsafeMutablePointer<Double>?
) -> Int32 {
    checked("ce_accumulator_result") { _ throws(CallError) in
        let sums = Sums(try valid(accumulator, "accumulator"))
        let divisor = sums.weight.rounded()
        if let mean { mean.pointee = clean(sums.loss.divided(by: sums.weight)) }
        if let sum { sum.pointee = clean(sums.loss.rounded()) }
        if let weight { weight.pointee = clean(divisor) }
    }
}

/// Gives every NaN the same bits, and makes -0 a 0.
private func clean(_ x: Double) -> Double { x != x ? .nan : x + 0 }

/// The sums of an accumulator, unpacked while rows are added.
private struct Sums: ~Copyable {
    var accumulator: ce_accumulator
    var loss: ExactSum
    var weight: ExactSum

    @inline(never)
    init(_ pointer: UnsafePointer<ce_accumulator>) {
        let accumulator = pointer.pointee
        loss = withUnsafeBytes(of: accumulator.loss) {
            ExactSum(
                words: $0.baseAddress!.assumingMemoryBound(to: UInt32.self), special: accumulator.loss_special)
        }
        weight = withUnsafeBytes(of: accumulator.weight) {
            ExactSum(
                words: $0.baseAddress!.assumingMemoryBound(to: UInt32.self), special: accumulator.weight_special)
        }
        self.accumulator = accumulator
    }

    @inline(never)
    func store(_ pointer: UnsafeMutablePointer<ce_accumulator>) {
        var content = accumulator
        content.loss_special = withUnsafeMutableBytes(of: &content.loss) {
            loss.store(words: $0.baseAddress!.assumingMemoryBound(to: UInt32.self))
        }
        content.weight_special = withUnsafeMutableBytes(of: &content.weight) {
            weight.store(words: $0.baseAddress!.assumingMemoryBound(to: UInt32.self))
        }
        pointer.pointee = content
    }
}

private func valid(
    _ accumulator: UnsafePointer<ce_accumulator>?, _ name: StaticString
) throws(CallError) -> UnsafePointer<ce_accumulator> {
    guard let accumulator else { throw nullPointer(name) }
    let content = accumulator.pointee
    guard content.version == CE_ACCUMULATOR_VERSION && content.loss_special <= 3 && content.weight_special <= 3 else {
        throw CallError(CE_ERROR_PARTIAL) {
            $0.text(name)
            $0.text(" is no accumulator of version ")
            $0.number(Int(CE_ACCUMULATOR_VERSION))
            $0.text("; ce_accumulator_init makes one")
        }
    }
    return accumulator
}

private func add(
    _ accumulator: UnsafeMutablePointer<ce_accumulator>?, _ loss: UnsafePointer<ce_tensor>?,
    _ weight: UnsafePointer<ce_tensor>?, _ correct: UnsafePointer<ce_tensor>?, _ storage: inout CallStorage
) throws(CallError) {
    var sums = Sums(try valid(UnsafePointer(accumulator), "accumulator"))
    let loss = try view(loss, "loss", .floating, &storage)
    let weight = try optionalView(weight, "weight", .floating, &storage)
    let correct = try optionalView(correct, "correct", .integer, &storage)
    if let weight { try checkShape(weight, equals: loss) }
    if let correct { try checkShape(correct, equals: loss) }
    let own = Int(bitPattern: accumulator)..<Int(bitPattern: accumulator) + MemoryLayout<ce_accumulator>.size
    try checkApart(own, loss, "loss")
    try checkApart(own, weight, "weight")
    try checkApart(own, correct, "correct")
    if loss.count() == 0 { return }
    var rows = storage.rowSpace()
    for d in 0..<loss.ndim {
        rows.append(
            loss.length(d), input: 0, target: correct?.stride(d) ?? 0, sampleWeight: weight?.stride(d) ?? 0,
            loss: loss.stride(d), grad: 0)
    }
    let (counted, right) = sums.loss.addRows(
        rows, loss: Operand(data: loss.data, dtype: loss.dtype),
        weight: weight.map { Operand(data: $0.data, dtype: $0.dtype) },
        correct: correct.map { Operand(data: $0.data, dtype: $0.dtype) }, weights: &sums.weight)
    sums.accumulator.rows &+= Int64(counted)
    if correct != nil {
        sums.accumulator.judged &+= Int64(counted)
        sums.accumulator.correct &+= Int64(right)
    }
    sums.store(accumulator!)
}

private func checkApart(_ own: Range<Int>, _ view: TensorView?, _ name: StaticString) throws(CallError) {
    guard let view, !view.addresses.isEmpty, view.addresses.overlaps(own) else { return }
    throw CallError(CE_ERROR_OVERLAP) {
        $0.text("accumulator overlaps ")
        $0.text(name)
    }
}
