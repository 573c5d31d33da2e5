/// What target distributions hold, or the numbers of a ``SparseTarget``.
public enum TargetType: Int32, Sendable {
    /// Probabilities q, as they are: they need not add up to 1.
    case probs
    /// A teacher's logits t: q = softmax(t / temperature).
    case logits
    /// Logarithms of probabilities: q = exp(t), as they are.
    case logProbs
}

/// What becomes of the probability that a ``SparseTarget`` does not name in a row: 1 less the sum of those it names.
public enum TargetRest: Int32, Sendable {
    /// Nothing: the other classes have no mass.
    case drop
    /// It is spread evenly over the other classes. A sum that is 1 but for rounding leaves nothing: one that is less than 2^-16
    /// above 1, or less than 2^-23 (`Float`) or 2^-52 (`Double`) below 1 for each class that the row names, but at most 2^-16.
    case spread
    /// The named probabilities are divided by their sum; where that is 0 the row is NaN.
    case renormalize
}
