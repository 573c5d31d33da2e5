import Shims

/// Targets that name some classes of each row, and their probabilities. The classes are the call's `target`.
public struct SparseTarget {
    /// The use of the probability that a row's entries leave over.
    public enum Rest: Int32 { case drop, spread, renormalize }

    public var probs: Operand
    public var rest: Rest
    /// The number of entries per row; with `offsets`, of all rows.
    public var entries: Int
    /// The positions in the list of all entries at which each row's entries begin, and at which the last row's end:
    /// integers. `nil` if all rows have the same number of entries.
    public var offsets: Operand?

    public init(probs: Operand, rest: Rest, entries: Int, offsets: Operand?) {
        self.probs = probs
        self.rest = rest
        self.entries = entries
        self.offsets = offsets
    }
}

extension SparseTarget {
    /// 1 minus the sum of a row's `count` probabilities; 0 where the difference may be their rounding.
    func remainder(of total: CompensatedSum, _ count: Int) -> Double {
        let remainder = (1 - total.sum) - total.lost
        let lastPlace = probs.dtype == .f64 ? 0x1p-52 : 0x1p-23
        let noise = min(Double(count) * lastPlace, 0x1p-16)
        return remainder < noise && remainder > -0x1p-16 ? 0 : remainder
    }
}

/// A sum and the rounding errors of its additions (Knuth's TwoSum): as if computed in twice the precision.
struct CompensatedSum {
    private(set) var sum = 0.0
    private(set) var lost = 0.0

    var value: Double { sum.isFinite ? sum + lost : sum }

    mutating func add(_ x: Double) {
        let next = sum + x
        let added = next - sum
        lost += (sum - (next - added)) + (x - added)
        sum = next
    }
}

/// The position of a row's entries, in elements of the target and of its probabilities.
struct SparseEntries {
    var first: Int
    var firstProb: Int
    var count: Int
}

extension Problem {
    /// A row's entries; `nil` if its offsets do not describe a part of the list.
    func entries(ofRow row: Int, _ place: RowOffsets) -> SparseEntries? {
        let sparse = sparse!
        guard let offsets = sparse.offsets else {
            return SparseEntries(first: place.target, firstProb: place.targetProbs, count: sparse.entries)
        }
        let first = offsets.label(at: row * offsets.classStride).value
        let end = offsets.label(at: (row + 1) * offsets.classStride).value
        guard first >= 0 && first <= end && end <= sparse.entries else { return nil }
        return SparseEntries(
            first: Int(first) * target.classStride, firstProb: Int(first) * sparse.probs.classStride,
            count: Int(end - first))
    }

    /// The class that an entry names; `nil` if the entry is ignored.
    @inline(__always)
    func label(_ entries: SparseEntries, _ i: Int) -> Label? {
        let label = target.label(at: entries.first + i * target.classStride)
        return isIgnored(label) ? nil : label
    }

    func hasEntry(_ entries: SparseEntries?) -> Bool {
        guard let entries else { return false }
        for i in 0..<entries.count {
            if i % Settings.part == 0 && settings.isCancelled { return false }
            if label(entries, i) != nil { return true }
        }
        return false
    }

    /// The first error among a row's entries; `nil` if there is none.
    func check(_ entries: SparseEntries?, _ row: Int, _ seen: ClassSet) -> LossFailure? {
        guard let entries else { return .offsets(row: row) }
        var failure: LossFailure?
        var checked = 0
        while checked < entries.count && failure == nil {
            if checked % Settings.part == 0 && settings.isCancelled { return .cancelled }
            if let label = label(entries, checked) {
                if !label.isIndex(below: classes) {
                    failure = .label(label, row: row)
                } else if !seen.insert(Int(label.value)) {
                    failure = .repeatedClass(Int(label.value), row: row)
                }
            }
            checked += 1
        }
        for i in 0..<checked {
            if i % Settings.part == 0 && settings.isCancelled { return .cancelled }
            if let label = label(entries, i), label.isIndex(below: classes) { seen.remove(Int(label.value)) }
        }
        return failure
    }
}

/// A set of classes, with a bit for each class.
struct ClassSet {
    private let words: UnsafeMutablePointer<UInt64>

    /// An empty set; `nil` if memory runs out.
    init?(_ classes: Int) {
        guard let memory = calloc(classes / 64 + 1, 8) else { return nil }
        words = memory.bindMemory(to: UInt64.self, capacity: classes / 64 + 1)
    }

    func free() { Shims.free(words) }

    /// Adds a class; false if the set already contained it.
    func insert(_ c: Int) -> Bool {
        let bit = UInt64(1) << UInt64(c % 64)
        if words[c / 64] & bit != 0 { return false }
        words[c / 64] |= bit
        return true
    }

    func remove(_ c: Int) { words[c / 64] &= ~(UInt64(1) << UInt64(c % 64)) }
}
