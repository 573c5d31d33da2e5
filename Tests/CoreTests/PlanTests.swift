import Core
import KernelABI
import Testing

/// A call that is planned and not run: its memory is never read.
private struct Shape {
    var rows = 64
    var classes = 10
    var dtype = DType.f32
    /// Distances of classes and of rows.
    var layout = Layout.rowMajor
    enum Layout { case rowMajor, classMajor }

    func plan(
        threads: Int = 1, forced: Route? = nil, grad: (dtype: DType, stride: Int)? = nil,
        _ change: (inout Problem, Operand) -> Void = { _, _ in }
    ) -> Plan {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
        defer { memory.deallocate() }
        let storage = UnsafeMutablePointer<RowDimension>.allocate(capacity: 1)
        defer { storage.deallocate() }
        var space = RowSpace(storage: storage)
        let step = layout == .rowMajor ? classes : 1
        space.append(rows, input: step, target: 1, sampleWeight: 0, loss: 0, grad: step)
        var problem = Problem(
            .loss, Settings(), classes: classes, rows: space,
            input: Operand(data: memory, dtype: dtype, classStride: layout == .rowMajor ? 1 : rows),
            target: Operand(data: memory, dtype: .i64))
        problem.outputs.grad = grad.map { Operand(data: memory, dtype: $0.dtype, classStride: $0.stride) }
        change(&problem, Operand(data: memory, dtype: .f32, classStride: 1))
        return Plan(for: problem, threads: threads, forced: forced)
    }
}

@Test(
    arguments: [
        // Rows, classes, layout, threads: route, rows per group.
        (64, 10, .rowMajor, 1, .short, 1024),
        (64, 128, .rowMajor, 1, .short, 256),
        (64, 129, .rowMajor, 1, .rows, 16),
        (64, 4096, .rowMajor, 1, .rows, 16),
        (64, 4097, .rowMajor, 1, .rows, 1),
        (1, 1 << 17, .rowMajor, 2, .shared, 1),
        (1, (1 << 17) - 1, .rowMajor, 2, .rows, 1),
        (1, 1 << 17, .rowMajor, 1, .rows, 1),
        (2, 1 << 17, .rowMajor, 2, .rows, 1),
        (7, 1 << 20, .rowMajor, 2, .shared, 1),
        (8, 1 << 20, .rowMajor, 2, .rows, 1),
        // Pixels: copies of as many neighbours as stay near the core, or none.
        (4096, 21, .classMajor, 1, .short, 1024),
        (4096, 129, .classMajor, 1, .tiles, 16),
        (4096, 1000, .classMajor, 1, .tiles, 16),
        (4096, 2000, .classMajor, 1, .columns, 16),
        (4096, 5000, .classMajor, 1, .columns, 16),
    ] as [(Int, Int, Shape.Layout, Int, Route, Int)])
private func logitsWithLabelsTakeTheRouteOfTheirShape(
    _ rows: Int, _ classes: Int, _ layout: Shape.Layout, _ threads: Int, _ route: Route, _ group: Int
) {
    let plan = Shape(rows: rows, classes: classes, layout: layout).plan(threads: threads)
    #expect(plan.route == route)
    #expect(plan.rowsPerGroup == group)
    #expect(!plan.needsMass)
    #expect(!plan.computesInDoubles)
}

@Test func routesThatNoShapeDecides() {
    let shape = Shape()
    #expect(shape.plan { call, _ in call.settings.inputType = .probs }.route == .labels)
    #expect(shape.plan { call, _ in call.settings.inputType = .logProbs }.route == .labels)
    #expect(shape.plan { call, _ in call.settings.labelSmoothing = 0.1 }.route == .short)
    #expect(Shape(classes: 129).plan { call, _ in call.settings.labelSmoothing = 0.1 }.route == .rows)
    #expect(Shape(classes: 129, dtype: .f64).plan { call, _ in call.settings.labelSmoothing = 0.1 }.route == .mass)
    for change: (inout Problem, Operand) -> Void in [
        { call, floats in call.weight = floats }, { call, floats in call.prior = floats },
        { call, _ in call.settings.terms.z_loss = 0.1 },
    ] {
        let plan = shape.plan { call, floats in
            call.settings.labelSmoothing = 0.1
            change(&call, floats)
        }
        #expect(plan.route == .mass)
    }
    #expect(shape.plan { call, floats in call.target = floats }.route == .rows)
    #expect(shape.plan { call, floats in (call.target, call.weight) = (floats, floats) }.route == .mass)
    #expect(Shape(dtype: .f64).plan { call, floats in call.target = floats }.route == .mass)
    #expect(shape.plan { call, floats in (call.target, call.outputs.targetGrad) = (floats, floats) }.route == .pairs)
    let teacher = { (call: inout Problem, floats: Operand) in
        (call.target, call.settings.targetType) = (floats, .logits)
    }
    #expect(shape.plan(teacher).route == .rows)
    #expect(shape.plan(teacher).teacherBytes > 0)
    #expect(shape.plan { call, floats in call.target = floats }.teacherBytes == 0)
    let perMass = shape.plan { call, floats in
        teacher(&call, floats)
        call.settings.meanOver = .mass
    }
    #expect(perMass.route == .pairs)
    #expect(
        shape.plan { call, floats in (call.target, call.settings.targetType) = (floats, .logProbs) }.route == .pairs)
    for mode in [Mode.divergence, .hessianVector, .hessianDiagonal] {
        let plan = shape.plan { call, floats in (call.target, call.mode) = (floats, mode) }
        #expect(plan.route == .pairs)
        #expect(plan.computesInDoubles)
        #expect(plan.needsMass)
    }
    let divergence = { (call: inout Problem, floats: Operand) in
        (call.target, call.mode, call.settings.inputType) = (floats, .divergence, .logProbs)
    }
    #expect(shape.plan(divergence).route == .pairs)
    #expect(Shape(classes: 1).plan(divergence).route == .terms)
    let weighted = Shape(classes: 1).plan { call, floats in
        divergence(&call, floats)
        call.sampleWeight = floats
    }
    #expect(weighted.route == .pairs)
    #expect(shape.plan { call, _ in call.slice = 0..<10 }.route == .slices)
    for mode in [Mode.softmax, .logSoftmax] {
        #expect(shape.plan { call, _ in (call.mode, call.hasTarget) = (mode, false) }.route == .columns)
    }
}

@Test func rowsOfFewClassesAreShortInSinglesAlone() {
    for dtype in [DType.f32, .f16, .bf16] { #expect(Shape(dtype: dtype).plan().route == .short) }
    #expect(Shape(dtype: .f64).plan().route == .columns)
    #expect(Shape(rows: 4096, classes: 21, dtype: .f64, layout: .classMajor).plan().route == .tiles)
}

@Test func capsOfLabelsAreOfSinglesAndAllOthersOfDoubles() {
    func plan(
        _ shape: Shape = Shape(), scale: Double = 1, softcap: Double = 30,
        _ change: (inout Problem, Operand) -> Void = { _, _ in }
    ) -> Plan {
        shape.plan { call, floats in
            call.settings.transform = crossentropy_transform(scale: scale, softcap: softcap)
            change(&call, floats)
        }
    }
    for shape in [Shape(), Shape(classes: 1000), Shape(dtype: .bf16), Shape(dtype: .f16)] {
        let plan = plan(shape)
        #expect(plan.capsSingles && !plan.foldsScale && !plan.computesInDoubles)
        #expect(plan.route == (shape.classes == 1000 ? .rows : .columns))
    }
    #expect(plan(Shape(rows: 4096, classes: 21, layout: .classMajor)).route == .tiles)
    // Where f32 kernels would lose digits; and where kernels compute other things than losses of labels.
    func isOfDoubles(_ plan: Plan) -> Bool { plan.computesInDoubles && !plan.capsSingles && plan.route != .columns }
    for softcap in [0x1p-21, 0x1p12 + 1, 1e300] { #expect(isOfDoubles(plan(softcap: softcap))) }
    for scale in [-0.7, 0x1p-20, 0x1p20] { #expect(isOfDoubles(plan(scale: scale))) }
    #expect(isOfDoubles(plan(Shape(dtype: .f64))))
    #expect(isOfDoubles(plan { call, _ in call.slice = 0..<10 }))
    #expect(isOfDoubles(plan { call, _ in (call.mode, call.hasTarget) = (.softmax, false) }))
    #expect(isOfDoubles(plan { call, _ in call.settings.labelSmoothing = 0.1 }))
    #expect(Shape(dtype: .f64).plan().computesInDoubles)
    #expect(!Shape(dtype: .bf16).plan().computesInDoubles)
}

@Test func scalesArePartOfTheExponentialsOfLabels() {
    func plan(_ scale: Double, _ shape: Shape = Shape(), _ change: (inout Problem, Operand) -> Void = { _, _ in })
        -> Plan
    {
        shape.plan { call, floats in
            call.settings.transform = crossentropy_transform(scale: scale, softcap: 0)
            change(&call, floats)
        }
    }
    for shape in [Shape(), Shape(classes: 1000), Shape(dtype: .bf16)] {
        #expect(plan(0.7, shape).foldsScale)
        #expect(!plan(0.7, shape).computesInDoubles)
    }
    #expect(plan(0.7).route == .short)
    #expect(plan(0.7, Shape(classes: 1000)).route == .rows)
    // Where f32 could not hold the distances; and where kernels compute other things than losses of logits.
    for scale in [-0.7, 0x1p-20, 0x1p20, 1e30] { #expect(!plan(scale).foldsScale) }
    #expect(!plan(0.7, Shape(dtype: .f64)).foldsScale)
    #expect(!plan(0.7) { call, _ in call.slice = 0..<10 }.foldsScale)
    #expect(!plan(0.7) { call, _ in (call.mode, call.hasTarget) = (.softmax, false) }.foldsScale)
    #expect(!plan(0.7) { call, floats in (call.settings.labelSmoothing, call.weight) = (0.1, floats) }.foldsScale)
}

@Test func testsForceTheRoutesThatACallCanTake() {
    let short = Shape()
    let medium = Shape(classes: 200)
    let long = Shape(rows: 1, classes: 1 << 20)
    for shape in [medium, long] {
        for route in [Route.rows, .columns, .shared] { #expect(shape.plan(forced: route).route == route) }
    }
    #expect(medium.plan(forced: .shared).threads == 2)
    // A tile is a choice of the layout, not of the test.
    #expect(Shape(rows: 4096, classes: 210, layout: .classMajor).plan(forced: .columns).route == .columns)
    for route in [Route.rows, .columns, .shared] {
        // Which has bits of its own.
        #expect(short.plan(forced: route).route == .short)
        #expect(short.plan(forced: route) { call, _ in call.settings.inputType = .probs }.route == .labels)
        #expect(short.plan(forced: route) { call, _ in call.slice = 0..<10 }.route == .slices)
    }
}

@Test func threadsAreWokenForWorkThatIsWorthIt() {
    #expect(Shape(rows: 1 << 10, classes: 127).plan(threads: 8).threads == 1)
    #expect(Shape(rows: 1 << 10, classes: 128).plan(threads: 8).threads == 2)
    #expect(Shape(rows: 1 << 10, classes: 1 << 10).plan(threads: 8).threads == 8)
    #expect(Shape(rows: 3, classes: 1 << 16).plan(threads: 8).threads == 3)  // none without a row
    #expect(Shape(rows: 0, classes: 1 << 16).plan(threads: 8).threads == 1)
    let plan = Shape(rows: 1 << 20, classes: 10).plan(threads: 2)
    #expect(plan.rowsPerPiece % plan.rowsPerGroup == 0)
    #expect(plan.rowsPerPiece * 10 <= 65536)
}

@Test func exponentialsWaitWhereTheGradientCannotHoldThem() {
    let single = Shape(classes: 1000)
    let half = Shape(classes: 1000, dtype: .bf16)
    let bytes = 16 * 1000 * 4
    #expect(single.plan().keptBytes == 0)  // no gradient
    #expect(single.plan(grad: (.f32, 1)).keptBytes == 0)
    #expect(single.plan(grad: (.f32, 2)).keptBytes == bytes)
    #expect(half.plan(grad: (.f32, 1)).keptBytes == 0)
    #expect(half.plan(grad: (.bf16, 1)).keptBytes == bytes)
    #expect(Shape(classes: 1 << 20).plan(grad: (.f32, 2)).keptBytes == 0)  // too far from the core
    #expect(Shape(classes: 100).plan(grad: (.f32, 2)).keptBytes == 0)  // class by class
}
