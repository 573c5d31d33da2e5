// Exact sums of rows' losses and weights.

extension ExactSum {
    /// Adds the losses of rows whose weight is not 0, and their weights. Returns how many rows these are, and how many
    /// of them are marked as correct.
    @_optimize(size)
    @export(interface) public mutating func addRows(
        _ rows: RowSpace, loss: Operand, weight: Operand?, correct: Operand?, weights: inout ExactSum
    ) -> (counted: Int, correct: Int) {
        var counted = 0
        var right = 0
        rows.forEachRow(in: 0..<rows.count) { _, offsets in
            let w = weight?.double(at: offsets.sampleWeight) ?? 1
            if w == 0 { return true }
            counted += 1
            if let correct, correct.label(at: offsets.target).value != 0 { right += 1 }
            add(loss.double(at: offsets.loss))
            if weight != nil { weights.add(w) }
            return true
        }
        if weight == nil { weights.add(Double(counted)) }
        return (counted, right)
    }
}
