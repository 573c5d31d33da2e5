import KernelABI

/// Targets that are f32 logits: their exponentials, row by row, take the place of probabilities, each row with a factor.
struct Teacher {
    private let exponentials: UnsafeMutableRawPointer
    private let classes: Int
    private var logits = crossentropy_distribution()

    /// The distance from row to row of the exponentials, in elements: a row is padded to whole vectors.
    let rowLength: Int

    /// - Parameter memory: As many bytes as `Groups.teacherBytes` returns.
    init(_ problem: borrowing Problem, _ memory: UnsafeMutableRawPointer) {
        classes = problem.classes
        rowLength = Groups.teacherRowLength(classes)
        // Logits that are not f32 side by side are copied first.
        logits.logs = memory.assumingMemoryBound(to: Double.self)
        exponentials = memory + rowLength * MemoryLayout<Float>.size
        logits.stride = Int64(problem.target.classStride)
        logits.format = problem.target.dtype.format(inDoubles: true)
        logits.cancel = problem.settings.cancel
        logits.exponent_scale =
            problem.settings.temperature == 1
            ? crossentropy_no_scale() : crossentropy_exponent_scale(1 / problem.settings.temperature)
    }

    /// The exponentials of the first row of a group.
    var start: UnsafeRawPointer { UnsafeRawPointer(exponentials) }

    /// Computes a row's exponentials. Returns the factor that makes them probabilities.
    func stage(_ row: Int, _ place: UnsafeRawPointer, scratch: UnsafeMutableRawPointer) -> Double {
        var logits = logits
        logits.data = place
        logits.values =
            (exponentials + row * rowLength * MemoryLayout<Float>.size).assumingMemoryBound(to: Double.self)
        Processor.kernels.pointee.pair.teacher(&logits, Int64(classes), scratch)
        return logits.factor
    }
}

extension Groups {
    static func teacherRowLength(_ classes: Int) -> Int { (classes + 15) & ~15 }

    static func teacherBytes(_ classes: Int, rows: Int) -> Int {
        (rows + 1) * teacherRowLength(classes) * MemoryLayout<Float>.size
    }

    @inline(never)
    func stageTeachers(_ count: Int, _ first: RowOffsets) {
        let target = problem.pointee.target
        let factors = crossentropy_group_mass_factor(group)!
        // Kernels use this part of the scratch space once they have begun.
        let scratch = slot.scratch + Int(CROSSENTROPY_BLOCK) * MemoryLayout<Double>.size
        for i in 0..<count where crossentropy_group_is_counted(group)![i] != 0 {
            let place = target.element(first.target + i * problem.pointee.rows.step.target)
            factors[i] = teacher!.stage(i, UnsafeRawPointer(place), scratch: scratch)
        }
        group.pointee.mass = teacher!.start
    }
}
