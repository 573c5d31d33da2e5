import Core

/// The names of arguments in the function that was called. Messages use them, because their readers may know no other function.
enum ArgumentNames {
    /// The names in the calls on views.
    case views
    /// The names in the calls on contiguous rows.
    case rows
    /// The names in the calls for second derivatives.
    case hessian

    var input: StaticString { self == .rows ? "logits" : "input" }
    var target: StaticString { self == .rows ? "labels" : "target" }
    var grad: StaticString { self == .hessian ? "output" : "grad" }
}
