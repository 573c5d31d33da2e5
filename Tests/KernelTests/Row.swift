import KernelABI

/// A row for the kernels, with memory of its own.
final class Row<T: BinaryFloatingPoint> {
    var input: [T]
    var grad: [T]
    var target: [T]?
    var weight: [Double]?
    var label = 0
    var smoothing = 0.0
    var gradScale = 1.0
    /// f32 only; 0: none.
    var softcap = 0.0
    /// From class to class; input, target and gradient are spread out by it.
    var stride = 1
    var isInPlace = false

    init(_ values: [T], label: Int = 0) {
        input = values
        grad = []
        self.label = label
    }

    struct Result: Equatable {
        var loss: UInt64
        var grad: [UInt64]

        var lossValue: Double { Double(bitPattern: loss) }
        var gradValues: [Double] { grad.map { Double(bitPattern: $0) } }
    }

    /// Runs one kernel. `kind`: 0 logits, 1 probs, 2 log_probs.
    func run(_ table: crossentropy_kernels, kind: Int32) -> Result {
        var table = table
        let classes = input.count
        let type: Int32 = T.self == Double.self ? 1 : 0
        func spread(_ values: [T]) -> [T] {
            var memory = [T](repeating: 12345, count: classes * stride)
            for c in 0..<classes { memory[c * stride] = values[c] }
            return memory
        }
        var x = spread(input)
        var g = spread(input)
        let q = target.map(spread)
        var row = crossentropy_row()
        row.classes = Int64(classes)
        row.input_stride = Int64(stride)
        row.target_stride = Int64(stride)
        row.grad_stride = Int64(stride)
        row.target_format = type == 1 ? CROSSENTROPY_NATIVE : CROSSENTROPY_F32
        row.label = Int64(label)
        row.keep = 1 - smoothing
        row.spread = smoothing / Double(classes)
        row.label_mass = row.keep * (weight?[label] ?? 1)
        row.clip_low = -.infinity
        row.clip_high = .infinity
        row.row_weight = 1
        row.grad_scale = gradScale
        row.grad_power = 1
        let scratch = UnsafeMutableRawPointer.allocate(
            byteCount: crossentropy_scratch_bytes(row.classes, 0, 0) + crossentropy_blocks_bytes(row.classes, 0),
            alignment: 128)
        defer { scratch.deallocate() }
        row.scratch = scratch
        row.blocks = scratch + crossentropy_scratch_bytes(row.classes, 0, 0)
        let isMass = target != nil || weight != nil || smoothing != 0
        if kind == 0 && !isMass {
            return runGroup([self], table, byColumns: false, strides: (stride, classes * stride), isInPlace: isInPlace)[
                0]
        }
        let kernel =
            isMass
            ? crossentropy_get_mass_kernel(&table, kind, type)! : crossentropy_get_index_kernel(&table, kind, type)!
        let loss = x.withUnsafeMutableBytes { x in
            g.withUnsafeMutableBytes { g in
                (q ?? []).withUnsafeBytes { q in
                    (weight ?? []).withUnsafeBufferPointer { w in
                        row.input = UnsafeRawPointer(x.baseAddress!)
                        row.grad = isInPlace ? x.baseAddress! : g.baseAddress!
                        row.target = target == nil ? nil : q.baseAddress
                        row.weight = weight == nil ? nil : w.baseAddress
                        return kernel(&row)
                    }
                }
            }
        }
        let written = isInPlace ? x : g
        return Result(
            loss: loss.bitPattern, grad: (0..<classes).map { Double(written[$0 * stride]).bitPattern })
    }
}

/// Numbers that are the same on every machine.
struct Random {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 11
    }

    mutating func uniform() -> Double { Double(next()) * 0x1p-53 }

    mutating func values(_ count: Int, scale: Double) -> [Double] { (0..<count).map { _ in (uniform() - 0.5) * scale } }
}
