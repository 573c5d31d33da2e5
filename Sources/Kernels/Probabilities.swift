import KernelABI

// Cross-entropy of a row that already holds probabilities, loss = -sum a_c log(p_c), or their logarithms,
// loss = -sum a_c x_c. Only classes with target mass are read.

@_optimize(size)
func probsIndex<T: Element>(_ row: crossentropy_row, _: T.Type) -> Double {
    let p = Double(row.inputAtLabel(T.self)) + 0  // -0 is a probability of 0
    let clipped = p < row.clip_low ? row.clip_low : p > row.clip_high ? row.clip_high : p
    let loss = 0 - row.row_weight * row.label_mass * log(clipped)
    writeAtLabel(row, loss, clipped == p ? (0 - row.grad_scale * row.label_mass / p) * row.grad_power : 0, T.self)
    return loss
}

@_optimize(size)
func logProbsIndex<T: Element>(_ row: crossentropy_row, _: T.Type) -> Double {
    let loss = 0 - row.row_weight * row.label_mass * Double(row.inputAtLabel(T.self))
    writeAtLabel(row, loss, (0 - row.grad_scale * row.label_mass) * row.grad_power, T.self)
    return loss
}

@_optimize(size)
func probsMass<T: Element>(_ row: crossentropy_row, _: T.Type) -> Double {
    let low = DoubleLanes(repeating: row.clip_low)
    let high = DoubleLanes(repeating: row.clip_high)
    let scale = DoubleLanes(repeating: 0 - row.grad_scale)
    let power = DoubleLanes(repeating: row.grad_power)
    let zero = DoubleLanes(repeating: 0)
    return separableMass(row, T.self) { p, a in
        a * log(p.replacing(with: low, where: p .< low).replacing(with: high, where: p .> high))
    } derivative: { p, a in
        (a * scale / (p + zero) * power).replacing(with: zero, where: (p .< low) .| (p .> high))
    }
}

@_optimize(size)
func logProbsMass<T: Element>(_ row: crossentropy_row, _: T.Type) -> Double {
    let scale = DoubleLanes(repeating: 0 - row.grad_scale)
    let power = DoubleLanes(repeating: row.grad_power)
    return separableMass(row, T.self) { x, a in
        a * x
    } derivative: { _, a in
        a * scale * power
    }
}

/// Loss -sum term(x_c, a_c) and gradient derivative(x_c, a_c), both over classes with a_c != 0.
@inline(__always)
private func separableMass<T: Element>(
    _ row: crossentropy_row, _: T.Type,
    term: (DoubleLanes, DoubleLanes) -> DoubleLanes,
    derivative: (DoubleLanes, DoubleLanes) -> DoubleLanes
) -> Double {
    let zero = DoubleLanes(repeating: 0)
    let reader = row.reader(T.self)
    let mass = row.massBlock
    var total = CompensatedSum()
    forEachBlock(row.count, row.cancel) { start, count in
        let x = reader.block(start, count)
        stageMass(row, start, count, into: mass)
        var sums = zero
        forEachVector(count) { i in
            let a = loadMass(mass, i)
            sums += term(T.widen(T.loadLanes(x, i)), a).replacing(with: zero, where: a .== zero)
        } tail: { i, n in
            let a = loadMass(mass, i)
            sums += term(T.widen(T.loadTail(x, i, n, filler: 1)), a).replacing(with: zero, where: a .== zero)
        }
        total.add(sum(sums))
    }
    let loss = 0 - row.row_weight * total.value
    if loss != loss {
        row.fillGradient(with: T.nan)
        return loss
    }
    guard let writer = row.writer(T.self) else { return loss }
    forEachBlock(row.count, row.cancel) { start, count in
        let x = reader.block(start, count)
        let g = writer.block(start)
        stageMass(row, start, count, into: mass)
        forEachVector(count) { i in
            let a = loadMass(mass, i)
            let d = derivative(T.widen(T.loadLanes(x, i)), a).replacing(with: zero, where: a .== zero)
            T.storeLanes(T.narrow(d), g, i)
        } tail: { i, n in
            let a = loadMass(mass, i)
            let d = derivative(T.widen(T.loadTail(x, i, n, filler: 1)), a).replacing(with: zero, where: a .== zero)
            T.storeTail(T.narrow(d), g, i, n)
        }
        writer.finish(start, count)
    }
    return loss
}

@inline(__always)
private func writeAtLabel<T: Element>(_ row: crossentropy_row, _ loss: Double, _ derivative: Double, _: T.Type) {
    row.fillGradient(with: loss != loss ? T.nan : 0)
    if loss == loss, let writer = row.writer(T.self) { writer.store(T(derivative), at: Int(row.label)) }
}
