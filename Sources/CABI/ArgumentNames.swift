import Core

/// What the function that was called names its arguments: messages are read by people who know it alone.
enum ArgumentNames {
    /// Of the calls on views.
    case views
    /// Of the calls on contiguous rows.
    case rows
    /// Of second derivatives.
    case hessian

    var input: StaticString { self == .rows ? "logits" : "input" }
    var target: StaticString { self == .rows ? "labels" : "target" }
    var grad: StaticString { self == .hessian ? "output" : "grad" }
}
