import KernelABI

/// The caller's memory for row statistics: one number per row each, of any alignment, or
/// `nil`. Rows are numbered as in `RowSpace`.
public struct RowStatistics {
    public var lse: UnsafeMutablePointer<Double>?
    public var largest: UnsafeMutablePointer<Double>?
    public var argmax: UnsafeMutablePointer<Int64>?
    public var entropy: UnsafeMutablePointer<Double>?
    public var targetProb: UnsafeMutablePointer<Double>?
    public var targetRank: UnsafeMutablePointer<Int64>?

    public init() {}

    /// The statistics that a kernel has to compute.
    func wanted(hasTarget: Bool) -> Int32 {
        CROSSENTROPY_STATISTICS | (argmax == nil ? 0 : CROSSENTROPY_ARGMAX)
            | (entropy == nil ? 0 : CROSSENTROPY_ENTROPY)
            | (targetRank == nil || !hasTarget ? 0 : CROSSENTROPY_RANK)
    }

    /// Stores a group's row statistics, of `count` rows from `first` on.
    func store(_ group: inout crossentropy_group, _ first: Int, _ count: Int) {
        func copy(_ values: UnsafeMutablePointer<Double>, to place: UnsafeMutablePointer<Double>?) {
            guard let place = UnsafeMutableRawPointer(place) else { return }
            // Plus 0, because which of two zeros is the largest logit depends on the route.
            for i in 0..<count { place.storeBytes(of: values[i] + 0, toByteOffset: (first + i) * 8, as: Double.self) }
        }
        func copy(_ values: UnsafeMutablePointer<Double>, to place: UnsafeMutablePointer<Int64>?) {
            guard let place = UnsafeMutableRawPointer(place) else { return }
            for i in 0..<count {
                let number = Int64(values[i])  // a class, or -1
                place.storeBytes(of: number, toByteOffset: (first + i) * 8, as: Int64.self)
            }
        }
        copy(crossentropy_group_lse(&group), to: lse)
        copy(crossentropy_group_largest(&group), to: largest)
        copy(crossentropy_group_argmax(&group), to: argmax)
        copy(crossentropy_group_entropy(&group), to: entropy)
        copy(crossentropy_group_target_prob(&group), to: targetProb)
        copy(crossentropy_group_target_rank(&group), to: targetRank)
    }
}
