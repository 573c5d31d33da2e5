/// The type of the numbers in target distributions, or in a ``SparseTarget``.
public enum TargetType: Int32, Sendable {
    /// Probabilities q, as they are: they need not add up to 1.
    case probs
    /// A teacher's logits t: q = softmax(t / temperature).
    case logits
    /// Logarithms of probabilities: q = exp(t), as they are.
    case logProbs
}

/// The use of the probability that a row of a ``SparseTarget`` does not name: 1 minus the sum of those it names.
public enum TargetRest: Int32, Sendable {
    /// It is dropped: the other classes have no mass.
    case drop
    /// It is spread evenly over the other classes.
    ///
    /// Nothing is spread if the sum is 1 except for rounding: less than 2^-16 above 1, or less than 2^-23 (`Float`) or
    /// 2^-52 (`Double`) below 1 for each class that the row names, but at most 2^-16.
    case spread
    /// It is given to the named classes in proportion: their probabilities are divided by their
    /// sum. Where the sum is 0 the row is NaN.
    case renormalize
}
