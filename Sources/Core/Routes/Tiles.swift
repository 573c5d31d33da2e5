import KernelABI
import Shims

/// A copy of some neighbouring rows whose classes lie far apart, such as pixels of a picture with one plane per class.
///
/// In that layout all classes of a row may compete for the same few cache sets. So each class is copied for many rows
/// at once, and gradients are copied back in the same way.
package struct RowTile {
    package let rows: Int
    /// The distance from class to class, in elements: chosen so that classes do not use the same cache sets.
    var stride: Int { rows + Int(CROSSENTROPY_GROUP) }

    /// `nil` if no copy is needed, or if a copy of so many classes would not stay in the caches.
    init?(for problem: borrowing Problem) {
        guard problem.rows.step.input == 1, problem.input.classStride != 1 else { return nil }
        let most = (1 << 18) / problem.input.dtype.size / max(1, problem.classes) - Int(CROSSENTROPY_GROUP)
        rows = min(1024, most) & ~(Int(CROSSENTROPY_GROUP) - 1)
        if rows < 2 * Int(CROSSENTROPY_GROUP) { return nil }
    }

    func bytes(_ problem: borrowing Problem) -> Int { problem.classes * stride * problem.input.dtype.size }

    /// Whether gradients can overwrite their logits in the tile.
    func holdsGradients(_ problem: borrowing Problem) -> Bool {
        problem.rows.step.grad == 1 && problem.outputs.grad != nil && problem.outputs.grad!.dtype == problem.input.dtype
    }

    func read(_ operand: Operand, _ offset: Int, _ count: Int, classes: Int, to tile: UnsafeMutableRawPointer) {
        let size = operand.dtype.size
        for c in 0..<classes {
            let place = operand.element(offset + c * operand.classStride)
            // Prefetches this class of the next tile, which the processor does not predict.
            for line in Swift.stride(from: 0, to: count * size, by: 64) { shim_prefetch(place + rows * size + line) }
            memcpy(tile + c * stride * size, place, count * size)
        }
    }

    func write(_ tile: UnsafeMutableRawPointer, to operand: Operand, _ offset: Int, _ count: Int, classes: Int) {
        let size = operand.dtype.size
        for c in 0..<classes {
            memcpy(operand.element(offset + c * operand.classStride), tile + c * stride * size, count * size)
        }
    }
}

extension Groups {
    /// Groups of rows whose classes lie far apart, from a copy.
    @inline(never)
    func run(_ tile: RowTile, _ row: Int, _ count: Int, _ first: RowOffsets) {
        let size = problem.pointee.input.dtype.size
        let holdsGradients = pass.pointee.scales.hasGradients && tile.holdsGradients(problem.pointee)
        group.pointee.input_stride = Int64(tile.stride)
        if holdsGradients { group.pointee.grad_stride = Int64(tile.stride) }
        tile.read(problem.pointee.input, first.input, count, classes: problem.pointee.classes, to: slot.extra)
        for start in stride(from: 0, to: count, by: Int(CROSSENTROPY_GROUP)) {
            let rows = min(Int(CROSSENTROPY_GROUP), count - start)
            let offsets = first + problem.pointee.rows.step * start
            prepare(rows, offsets)
            group.pointee.input = UnsafeRawPointer(slot.extra + start * size)
            group.pointee.upcoming = group.pointee.input  // `read` has prefetched the next logits
            group.pointee.upcoming_stride = 0
            if holdsGradients { group.pointee.grad = slot.extra + start * size }
            finish(row + start, rows, offsets)
        }
        if holdsGradients {
            tile.write(
                slot.extra, to: problem.pointee.outputs.grad!, first.grad, count, classes: problem.pointee.classes)
        }
    }
}
