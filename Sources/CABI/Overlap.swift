import CCrossEntropy
import Core

// Outputs may not share memory with anything else that the call uses, nor with themselves.

extension TensorView {
    /// The addresses from the first byte of the lowest element to behind the last of the highest; empty if there is
    /// no element.
    private var addresses: Range<Int> {
        var low = Int(bitPattern: data)
        if count == 0 { return low..<low }
        var high = low + dtype.size
        for d in 0..<ndim {
            let reach = (shape[d] - 1) * strides[d] * dtype.size
            if reach < 0 { low += reach } else { high += reach }
        }
        return low..<high
    }

    func isSame(as other: TensorView) -> Bool {
        guard data == other.data, dtype == other.dtype, ndim == other.ndim else { return false }
        for d in 0..<ndim where shape[d] != other.shape[d] || strides[d] != other.strides[d] { return false }
        return true
    }

    /// Whether the two may have a byte in common. Exact for views of the same strides, such as two halves of one
    /// array; of other pairs with interleaved addresses it is assumed.
    func overlaps(_ other: TensorView) -> Bool {
        let a = addresses
        let b = other.addresses
        guard a.lowerBound < b.upperBound && b.lowerBound < a.upperBound && !a.isEmpty && !b.isEmpty else {
            return false
        }
        guard dtype == other.dtype, ndim == other.ndim else { return true }
        for d in 0..<ndim where strides[d] != other.strides[d] { return true }
        let distance = Int(bitPattern: other.data) - Int(bitPattern: data)
        guard distance % dtype.size == 0 else { return true }
        // They meet if the distance is a sum of k_d strides[d] with |k_d| below the lengths.
        return canReach(distance / dtype.size, withFirst: ndim, other)
    }

    /// Whether `distance` can be made of steps along the first `dimensions` dimensions, in any order of strides: a
    /// search that tries each number of steps that leaves no more than the remaining dimensions can cover.
    private func canReach(_ distance: Int, withFirst dimensions: Int, _ other: TensorView) -> Bool {
        if dimensions == 0 { return distance == 0 }
        var rest = 0  // how far the dimensions before this one reach
        for d in 0..<dimensions - 1 { rest += reach(d, other) }
        if distance.magnitude > UInt(rest + reach(dimensions - 1, other)) { return false }
        let step = strides[dimensions - 1]
        let limit = max(shape[dimensions - 1], other.shape[dimensions - 1]) - 1
        if step == 0 || limit == 0 { return canReach(distance, withFirst: dimensions - 1, other) }
        // |distance - k step| <= rest leaves few k, as long as strides are nested, which checkDistinct saw to for
        // outputs; a search that grows all the same is cut short and counts as an overlap.
        let size = abs(step)
        let signed = step < 0 ? -distance : distance
        let lowest = max(-limit, (signed - rest - (size - 1)) / size - 1)
        let highest = min(limit, (signed + rest) / size + 1)
        if highest - lowest > 64 { return true }
        var k = lowest
        while k <= highest {
            if canReach(distance - k * step, withFirst: dimensions - 1, other) { return true }
            k += 1
        }
        return false
    }

    private func reach(_ d: Int, _ other: TensorView) -> Int {
        (max(shape[d], other.shape[d]) - 1) * abs(strides[d])
    }

    /// Whether no two elements share memory: sorted by stride, each step goes beyond what the smaller ones reach.
    var isDistinct: Bool {
        var used = Dimensions(repeating: 0)  // 1: already stepped over
        var reach = 0
        if count == 0 { return true }
        for _ in 0..<ndim {
            var next = -1
            for d in 0..<ndim where used[d] == 0 && shape[d] > 1 {
                if next < 0 || abs(strides[d]) < abs(strides[next]) { next = d }
            }
            if next < 0 { return true }
            if abs(strides[next]) <= reach { return false }
            reach += (shape[next] - 1) * abs(strides[next])
            used[next] = 1
        }
        return true
    }
}

func checkDistinct(_ view: TensorView, _ name: StaticString) throws(CallError) {
    if view.isDistinct { return }
    throw CallError(CE_ERROR_OVERLAP) {
        $0.text("elements of ")
        $0.text(name)
        $0.text(" overlap each other: its strides step onto the same memory")
    }
}

func checkApart(
    _ output: TensorView?, _ name: StaticString, _ other: TensorView?, _ otherName: StaticString
) throws(CallError) {
    guard let output, let other, output.overlaps(other) else { return }
    throw CallError(CE_ERROR_OVERLAP) {
        $0.text(name)
        $0.text(" overlaps ")
        $0.text(otherName)
    }
}
