import CrossEntropy

/// The error of a call that is refused, as its code and its sentence.
func message(_ body: () throws -> Void) -> (CrossEntropyError.Code, String)? {
    do {
        try body()
        return nil
    } catch let error as CrossEntropyError {
        return (error.code, "\(error)")
    } catch {
        return nil
    }
}

/// So many numbers between -2 and 2, the same ones for the same seed.
func numbers(_ count: Int, seed: UInt64) -> [Double] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Double(state >> 11) * 0x1p-51 - 2
    }
}

/// The largest difference of numbers that belong together; infinity if there are not as many.
func distance(_ a: [Double], _ b: [Double]) -> Double {
    a.count == b.count ? zip(a, b).map { ($0 - $1).magnitude }.max() ?? 0 : .infinity
}

/// The gradient of a function by central differences, good to 1e-8 for the functions here.
func differences(_ x: [Double], _ f: ([Double]) throws -> Double) rethrows -> [Double] {
    try x.indices.map { i in
        var low = x
        var high = x
        low[i] -= 0x1p-20
        high[i] += 0x1p-20
        return try (f(high) - f(low)) / 0x1p-19
    }
}
