import KernelABI
import KernelSweep
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
    let scratchBytes = crossentropy_scratch_bytes(Int64(classes), isColumns, 0)
    let scratch = UnsafeMutableRawPointer.allocate(
        byteCount: scratchBytes + crossentropy_blocks_bytes(Int64(classes), isColumns), alignment: 128)
    defer { scratch.deallocate() }
    var group = crossentropy_group()
    group.exponent_scale = crossentropy_no_scale()
    if T.self == Float.self && rows[0].softcap != 0 {
        group.exponent_scale = crossentropy_cap_scale()
        group.transform = crossentropy_transform(logit_scale: 0.7, softcap: rows[0].softcap, slope: 1, applies: 1)
    }
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
        crossentropy_group_labels(&group)[r] = Int64(row.label)
        crossentropy_group_is_counted(&group)[r] = 1
        crossentropy_group_loss_scale(&group)[r] = 1
        crossentropy_group_grad_scale(&group)[r] = row.gradScale
    }
    x.withUnsafeMutableBytes { x in
        g.withUnsafeMutableBytes { g in
            group.input = UnsafeRawPointer(x.baseAddress!)
            group.upcoming = group.input
            group.grad = isInPlace ? x.baseAddress! : g.baseAddress!
            crossentropy_get_group_kernel(&table, T.self == Double.self ? 1 : 0)!(&group)
        }
    }
    let written = isInPlace ? x : g
    return rows.indices.map { r in
        Row<T>.Result(
            loss: crossentropy_group_loss(&group)[r].bitPattern,
            grad: (0..<classes).map { Double(written[place(r, $0)]).bitPattern })
    }
}

private func checkGroups<T: BinaryFloatingPoint>(_: T.Type, softcap: Double = 0) {
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
                row.softcap = softcap
                return row
            }
            checkRoutes(rows)
        }
    }
}

/// Takes the rows by each route, on every instruction set and in several layouts. Returns what the first of these gives, whose
/// bits all the others have to have.
@discardableResult
private func checkRoutes<T: BinaryFloatingPoint>(_ rows: [Row<T>]) -> [Row<T>.Result] {
    let classes = rows[0].input.count
    let expected = rows.map { $0.run(KernelTables.all[0].table, kind: 0) }
    for (name, table) in KernelTables.all {
        for byColumns in [true, false]
        where byColumns ? table.has_columns != 0 : classes <= Int(CROSSENTROPY_BLOCK) {
            for strides in [(1, classes), (1, classes + 3), (rows.count, 1), (3, 3 * classes)] {
                for isInPlace in [false, true] {
                    let got = runGroup(rows, table, byColumns: byColumns, strides: strides, isInPlace: isInPlace)
                    let isSame = got == expected  // or a failure would print all of them
                    #expect(
                        isSame,
                        "\(name) \(T.self): \(rows.count) rows of \(classes), by columns \(byColumns), \(strides), \(isInPlace)"
                    )
                }
            }
        }
    }
    return expected
}

@Test func groupsGiveTheBitsOfTheirRows() {
    checkGroups(Float.self)
    checkGroups(Double.self)
}

@Test func groupsWithACapGiveTheBitsOfTheirRows() {
    for softcap in [0.5, 30, 4096] { checkGroups(Float.self, softcap: softcap) }
}

/// Rows in which the classes that a block's reference is taken from are finite and far below the rest: masked logits.
private func rowsWithLowHeads<T: BinaryFloatingPoint>(_ classes: Int, _ mask: T, _ random: inout Random) -> [Row<T>] {
    let block = Int(CROSSENTROPY_BLOCK)
    let isLow: [(Int) -> Bool] = [
        { $0 < 16 },  // the first block's
        { $0 % block < 16 && $0 < classes - 1 },  // every block's
        { $0 >= block && $0 % block < 16 && $0 < classes - 1 },  // those of later blocks
        { $0 < classes - 1 },  // all but one
        { $0 % 5 != 4 && $0 < classes - 1 },
    ]
    var rows: [Row<T>] = []
    for isLow in isLow {
        for rest: T in [0, mask / 2] {
            let values = random.values(classes, scale: 4)
            let input = (0..<classes).map { isLow($0) ? mask : T(values[$0]) + rest }
            rows.append(Row(input, label: classes - 1))
        }
    }
    rows.append(Row(rows[0].input, label: 3))
    return rows
}

private func checkLowHeads<T: BinaryFloatingPoint>(_ masks: [T], bound: Double) {
    var random = Random(state: 5)
    for classes in [17, 20, 33, 128, 150, 1000, 4119] {
        for mask in masks {
            let rows = rowsWithLowHeads(classes, mask, &random)
            let results = checkRoutes(rows)
            // What they all agree on is right, too.
            #if arch(x86_64)
                for (i, (row, result)) in zip(rows, results).enumerated() {
                    let want = reference(row)
                    let what = "\(T.self), \(classes) classes, mask \(mask), row \(i)"
                    if want.loss >= Float80(T.leastNormalMagnitude) {
                        #expect(relativeError(result.lossValue, want.loss) <= bound, "\(what)")
                    } else {
                        #expect(result.lossValue < Double(T.leastNormalMagnitude), "\(what)")
                    }
                    for c in 0..<classes where abs(want.grad[c]) >= 1e-6 {
                        #expect(relativeError(result.gradValues[c], want.grad[c]) <= bound, "\(what), class \(c)")
                    }
                }
            #endif
        }
    }
}

@Test func groupsWithALowHeadAreRightByEveryRoute() {
    checkLowHeads([-1e4, -0x1p18, -1e8, -1e30, -0x1.fffp127] as [Float], bound: 1e-6)
    checkLowHeads([-1e4, -1e8, -1e13, -1e30, -0x1.fffffffp1023] as [Double], bound: 1e-13)
}
