import CCrossEntropy
import Core

// An output may not share memory with anything else that the call uses, nor with itself.

extension TensorView {
    func isSame(as other: TensorView) -> Bool {
        guard data == other.data, dtype == other.dtype, ndim == other.ndim else { return false }
        for d in 0..<ndim where length(d) != other.length(d) || stride(d) != other.stride(d) { return false }
        return true
    }

    /// Whether the two views have a byte in common. Exact, unless their strides make the
    /// search long: then an overlap is assumed.
    @inline(__always)
    func overlaps(_ other: TensorView) -> Bool { isNear(other) && meets(other) }

    /// Whether the ranges of addresses of the two views overlap.
    @inline(__always)
    fileprivate func isNear(_ other: TensorView) -> Bool {
        let a = addresses
        let b = other.addresses
        return a.lowerBound < b.upperBound && b.lowerBound < a.upperBound
    }

    /// Whether two views that are near have a byte in common.
    @inline(never)
    fileprivate func meets(_ other: TensorView) -> Bool {
        if isEmpty || other.isEmpty { return false }
        let a = addresses
        let b = other.addresses
        // Counted up from the lowest byte of one view and down from the highest byte of the other, the views meet if
        // steps of both add up to the distance between these two bytes.
        var steps = Steps()
        steps.add(1, times: dtype.size - 1)
        steps.add(1, times: other.dtype.size - 1)
        for d in 0..<ndim { steps.add(abs(stride(d)) * dtype.size, times: length(d) - 1) }
        for d in 0..<other.ndim { steps.add(abs(other.stride(d)) * other.dtype.size, times: other.length(d) - 1) }
        return steps.canMake(UInt(bitPattern: b.upperBound &- 1 &- a.lowerBound))  // may exceed an Int
    }

    /// Whether no two elements share memory: sorted by stride, each step goes beyond what the smaller ones reach.
    @inline(__always)
    var isDistinct: Bool { isPacked || isContiguous || isNested }

    /// Row-major, without gaps.
    @inline(never)
    private var isContiguous: Bool {
        var step = 1
        for d in Swift.stride(from: ndim - 1, through: 0, by: -1) {
            if stride(d) != step && length(d) != 1 { return false }
            step = step &* length(d)  // as large as the view, which fits, or 0
        }
        return true
    }

    @inline(never)
    private var isNested: Bool {
        var used = InlineArray<64, Int>(repeating: 0)  // 1: already stepped over
        var reach = 0
        if count() == 0 { return true }
        for _ in 0..<ndim {
            var next = -1
            for d in 0..<ndim where used[d] == 0 && length(d) > 1 {
                if next < 0 || abs(stride(d)) < abs(stride(next)) { next = d }
            }
            if next < 0 { return true }
            if abs(stride(next)) <= reach { return false }
            reach += (length(next) - 1) * abs(stride(next))
            used[next] = 1
        }
        return true
    }
}

/// Steps in bytes along the dimensions of two views, and the number of steps of each size.
private struct Steps {
    private var count = 0
    // Largest first. The sum of all steps fits, because that of each view's fits into an Int.
    private var sizes = InlineArray<129, UInt>(repeating: 0)
    private var times = InlineArray<129, UInt>(repeating: 0)
    /// The number of sums that may still be tried.
    private var budget = 10_000

    mutating func add(_ size: Int, times: Int) {
        if size == 0 || times == 0 { return }
        let size = UInt(size)
        var i = count
        while i > 0 && sizes[i - 1] < size { i -= 1 }
        if i > 0 && sizes[i - 1] == size {
            self.times[i - 1] += UInt(times)
            return
        }
        var j = count
        while j > i {
            sizes[j] = sizes[j - 1]
            self.times[j] = self.times[j - 1]
            j -= 1
        }
        sizes[i] = size
        self.times[i] = UInt(times)
        count += 1
    }

    /// Whether `distance` is a sum of steps, of those from number `first` on.
    mutating func canMake(_ distance: UInt, from first: Int = 0) -> Bool {
        if first == count { return distance == 0 }
        budget -= 1
        if budget < 0 { return true }
        var rest: UInt = 0  // the distance that the smaller steps can cover
        for i in first + 1..<max(count, first + 1) { rest += sizes[i] * times[i] }
        var n = min(times[first], distance / sizes[first])
        while distance - n * sizes[first] <= rest {
            if canMake(distance - n * sizes[first], from: first + 1) { return true }
            if n == 0 { return false }
            n -= 1
        }
        return false
    }
}

/// Throws unless each output of the call shares no memory with the other tensors, and its elements share none with each other.
@_optimize(speed)
func checkOverlaps(_ storage: inout CallStorage) throws(CallError) {
    for i in 0..<storage.listed where storage[i].isOutput {
        let output = storage[i]
        if !output.isDistinct { throw overlapsItself(output.name) }
        for j in 0..<storage.listed where output.isNear(storage[j]) {
            let other = storage[j]
            // A pair of outputs is tested once, for the second one.
            if j == i || (j > i && other.isOutput) { continue }
            if output.role == .replacing && other.role == .replaceable && output.isSame(as: other) { continue }
            if !output.meets(other) { continue }
            // The message begins with the output or, of two outputs, with the first one.
            throw other.isOutput ? overlap(other.name, output.name) : overlap(output.name, other.name)
        }
    }
}

@inline(never)
private func overlapsItself(_ name: StaticString) -> CallError {
    CallError(CE_ERROR_OVERLAP) {
        $0.text("elements of ")
        $0.text(name)
        $0.text(" overlap each other: its strides step onto the same memory")
    }
}

@inline(never)
private func overlap(_ name: StaticString, _ otherName: StaticString) -> CallError {
    CallError(CE_ERROR_OVERLAP) {
        $0.text(name)
        $0.text(" overlaps ")
        $0.text(otherName)
    }
}
