import Core

/// A checked view of the caller's memory: lengths are not negative, and no offset overflows.
struct TensorView {
    /// Not read or written if the view is empty; may be any address then.
    var data: UnsafeMutableRawPointer
    var dtype: DType
    var ndim: Int
    var shape: Dimensions
    /// In elements.
    var strides: Dimensions
    /// From the first byte of the lowest element to behind the last of the highest; empty if there is no element.
    var addresses = 0..<0

    /// Number of elements.
    var count: Int {
        // The other lengths may be anything then, and their product may overflow.
        for d in 0..<ndim where shape[d] == 0 { return 0 }
        var count = 1
        for d in 0..<ndim { count *= shape[d] }
        return count
    }

    /// The view without one of its dimensions, at index 0 of it.
    func dropping(_ axis: Int) -> TensorView {
        var view = self
        for d in axis..<ndim - 1 {
            view.shape[d] = shape[d + 1]
            view.strides[d] = strides[d + 1]
        }
        view.ndim -= 1
        return view
    }
}
