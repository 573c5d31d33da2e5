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

    /// Number of elements.
    var count: Int {
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
