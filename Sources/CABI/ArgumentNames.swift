import Core

/// What the function that was called names its arguments: messages are read by people who know it alone.
struct ArgumentNames {
    var input: StaticString = "input"
    var target: StaticString = "target"
    var grad: StaticString = "grad"

    /// Of the calls on views.
    static var views: ArgumentNames { ArgumentNames() }
    /// Of the calls on contiguous rows.
    static var rows: ArgumentNames { ArgumentNames(input: "logits", target: "labels") }
    /// Of second derivatives.
    static var hessian: ArgumentNames { ArgumentNames(grad: "output") }
}
