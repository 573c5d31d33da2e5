import KernelSweep
import Shims
import Testing

/// What a group of rows gives, each row's loss and gradient, from memory in which the rows or the classes are neighbours.
private func runGroup<T: BinaryFloatingPoint>(
    _ rows: [Row<T>], _ table: crossentropy_kernels, rowsAreNeighbours: Bool, isInPlace: Bool
) -> [Row<T>.Result] {
    var table = table
    let classes = rows[0].input.count
    let rowStride = rowsAreNeighbours ? 1 : classes
    let classStride = rowsAreNeighbours ? rows.count : 1
    var x = [T](repeating: 0, count: rows.count * classes)
    for (r, row) in rows.enumerated() {
        for c in 0..<classes { x[r * rowStride + c * classStride] = row.input[c] }
    }
    var g = [T](repeating: 12345, count: x.count)
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: shim_scratch_bytes(), alignment: 128)
    defer { scratch.deallocate() }
    var group = crossentropy_group()
    group.classes = Int64(classes)
    group.input_stride = Int64(classStride)
    group.input_row_stride = Int64(rowStride)
    group.grad_stride = Int64(classStride)
    group.grad_row_stride = Int64(rowStride)
    group.rows = Int64(rows.count)
    group.scratch = scratch
    for (r, row) in rows.enumerated() {
        shim_group_labels(&group)[r] = Int64(row.label)
        shim_group_is_counted(&group)[r] = 1
        shim_group_loss_scale(&group)[r] = 1
        shim_group_grad_scale(&group)[r] = 1
    }
    x.withUnsafeMutableBytes { x in
        g.withUnsafeMutableBytes { g in
            group.input = UnsafeRawPointer(x.baseAddress!)
            group.grad = isInPlace ? x.baseAddress! : g.baseAddress!
            shim_group_kernel(&table, T.self == Double.self ? 1 : 0)!(&group)
        }
    }
    let written = isInPlace ? x : g
    return rows.indices.map { r in
        Row<T>.Result(
            loss: shim_group_loss(&group)[r].bitPattern,
            grad: (0..<classes).map { Double(written[r * rowStride + $0 * classStride]).bitPattern })
    }
}

private func checkGroups<T: BinaryFloatingPoint>(_: T.Type) {
    var random = Random(state: 3)
    for classes in [1, 2, 3, 10, 16, 17, 100, 128, 129, 2047, 2048, 2049, 4100] {
        for count in [1, 5, 16] {
            let rows = (0..<count).map { r in
                var values = random.values(classes, scale: r % 3 == 0 ? 160 : 4).map { T($0) }
                if r == 2 { values[classes / 2] = .nan }
                if r == 3 { values[0] = -.infinity }
                if r == 4 { values = values.map { _ in 1.5 } }
                return Row(values, label: Int(random.next()) % classes)
            }
            for (name, table) in KernelTables.all {
                let expected = rows.map { $0.run(table, kind: 0) }
                for rowsAreNeighbours in [true, false] where rowsAreNeighbours || classes <= 128 {
                    for isInPlace in [false, true] {
                        let got = runGroup(rows, table, rowsAreNeighbours: rowsAreNeighbours, isInPlace: isInPlace)
                        #expect(
                            got == expected,
                            "\(name) \(T.self): \(count) rows of \(classes), neighbours \(rowsAreNeighbours), \(isInPlace)"
                        )
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
