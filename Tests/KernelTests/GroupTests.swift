import KernelSweep
import Shims
import Testing

/// What a group of rows gives, each row's loss and gradient, taken row by row or class by class. `strides`: from class to
/// class and from row to row.
func runGroup<T: BinaryFloatingPoint>(
    _ rows: [Row<T>], _ table: crossentropy_kernels, byColumns: Bool, strides: (classes: Int, rows: Int),
    isInPlace: Bool
) -> [Row<T>.Result] {
    var table = table
    let classes = rows[0].input.count
    func place(_ r: Int, _ c: Int) -> Int { r * strides.rows + c * strides.classes }
    var x = [T](repeating: 12345, count: place(rows.count - 1, classes - 1) + 1)
    for (r, row) in rows.enumerated() {
        for c in 0..<classes { x[place(r, c)] = row.input[c] }
    }
    var g = x
    let isColumns: Int32 = byColumns ? 1 : 0
    let scratchBytes = shim_scratch_bytes(Int64(classes), isColumns, 0)
    let scratch = UnsafeMutableRawPointer.allocate(
        byteCount: scratchBytes + shim_blocks_bytes(Int64(classes), isColumns), alignment: 128)
    defer { scratch.deallocate() }
    var group = crossentropy_group()
    group.classes = Int64(classes)
    group.input_stride = Int64(strides.classes)
    group.input_row_stride = Int64(strides.rows)
    group.grad_stride = Int64(strides.classes)
    group.grad_row_stride = Int64(strides.rows)
    group.rows = Int64(rows.count)
    group.by_columns = isColumns
    group.scratch = scratch
    group.blocks = scratch + scratchBytes
    for (r, row) in rows.enumerated() {
        shim_group_labels(&group)[r] = Int64(row.label)
        shim_group_is_counted(&group)[r] = 1
        shim_group_loss_scale(&group)[r] = 1
        shim_group_grad_scale(&group)[r] = row.gradScale
    }
    x.withUnsafeMutableBytes { x in
        g.withUnsafeMutableBytes { g in
            group.input = UnsafeRawPointer(x.baseAddress!)
            group.upcoming = group.input
            group.grad = isInPlace ? x.baseAddress! : g.baseAddress!
            shim_group_kernel(&table, T.self == Double.self ? 1 : 0)!(&group)
        }
    }
    let written = isInPlace ? x : g
    return rows.indices.map { r in
        Row<T>.Result(
            loss: shim_group_loss(&group)[r].bitPattern,
            grad: (0..<classes).map { Double(written[place(r, $0)]).bitPattern })
    }
}

private func checkGroups<T: BinaryFloatingPoint>(_: T.Type) {
    var random = Random(state: 3)
    for classes in [1, 2, 3, 4, 5, 10, 16, 17, 33, 100, 128, 1000, 4095, 4096, 4097, 8200] {
        for count in [1, 5, 16] {
            let rows = (0..<count).map { r in
                var values = random.values(classes, scale: r % 3 == 0 ? 160 : 4).map { T($0) }
                if r == 2 { values[classes / 2] = .nan }
                if r == 3 { values[0] = -.infinity }
                if r == 4 { values = values.map { _ in 1.5 } }
                // The largest far above the first sixteen, which are looked at before the rest; or these all impossible.
                if r == 6 { values[classes - 1] = 150 }
                if r == 7 { for c in 0..<min(classes - 1, 20) { values[c] = -.infinity } }
                // Where whole units have no room in the exponent's arithmetic, and where the two ways meet.
                if r == 8 { values = values.map { $0 + T(T.self == Double.self ? 0x1p40 : 0x1p17) - 1 } }
                if r == 9 { values = values.map { $0 * T(0x1p100) } }
                let row = Row(values, label: Int(random.next()) % classes)
                row.gradScale = [1, 0x1p-110, 0x1p110, -3, 0][r % 5]
                return row
            }
            let expected = rows.map { $0.run(KernelTables.all[0].table, kind: 0) }
            for (name, table) in KernelTables.all {
                for byColumns in [true, false] where byColumns || classes <= Int(CROSSENTROPY_BLOCK) {
                    for strides in [(1, classes), (1, classes + 3), (count, 1), (3, 3 * classes)] {
                        for isInPlace in [false, true] {
                            let got = runGroup(
                                rows, table, byColumns: byColumns, strides: strides, isInPlace: isInPlace)
                            #expect(
                                got == expected,
                                "\(name) \(T.self): \(count) rows of \(classes), by columns \(byColumns), \(strides), \(isInPlace)"
                            )
                        }
                    }
                }
            }
        }
    }
}

@Test func groupsGiveTheBitsOfTheirRows() {
    checkGroups(Float.self)
    checkGroups(Double.self)
}
