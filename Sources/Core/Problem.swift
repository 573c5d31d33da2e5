import Shims

/// The reason why a checked call stops. Nothing has been written then, except after `cancelled`.
public enum LossFailure: Error {
    case label(Label, row: Int)
    /// A class that a sparse target names twice.
    case repeatedClass(Int, row: Int)
    /// Offsets of a sparse target that are outside of the list or decrease.
    case offsets(row: Int)
    case empty
    case outOfMemory
    case cancelled
}

/// A call over rows: checked views of the caller's memory, and settings. Functions that compute it take a pointer,
/// through which nothing is changed.
public struct Problem: ~Copyable {
    public var mode: Mode
    public var settings: Settings
    public var classes: Int
    /// The classes that the input holds, if it is a slice. Labels are counted from class 0 nevertheless.
    public var slice: Range<Int>?
    public var rows: RowSpace

    public var input: Operand
    /// Without a target, which only modes other than `loss` allow, no labels are read.
    public var target: Operand
    public var hasTarget = true
    /// Set if the target's integers are the classes that rows name.
    public var sparse: SparseTarget?
    /// Class probabilities by which label smoothing distributes its share; all equal if `nil`.
    public var prior: Operand?
    /// Rows with one of these labels are ignored, in addition to those with `ignoreIndex`; of any alignment.
    public var ignoreIndices: UnsafeRawBufferPointer?
    public var weight: Operand?
    public var sampleWeight: Operand?
    /// Integers; rows where it is 0 are ignored.
    public var mask: Operand?
    /// Multiplies the gradient of each row.
    public var gradLosses: Operand?
    /// The vector that the Hessian is multiplied by.
    public var vector: Operand?

    public var outputs = Outputs()

    /// The outputs of a call; `nil`: not requested.
    public struct Outputs {
        public var loss: Operand?
        public var grad: Operand?
        /// The derivative with respect to the target.
        public var targetGrad: Operand?
        public var statistics: RowStatistics?

        public init() {}
    }

    public init(
        _ mode: Mode, _ settings: Settings, classes: Int, rows: RowSpace, input: Operand, target: Operand
    ) {
        self.mode = mode
        self.settings = settings
        self.classes = classes
        self.rows = rows
        self.input = input
        self.target = target
    }

    /// The number of classes that the input holds, which may be a slice.
    var classesPerRow: Int { slice?.count ?? classes }

    var isIndexTarget: Bool { !target.dtype.isFloatingPoint && sparse == nil }

    func isIgnored(_ label: Label) -> Bool {
        if let ignoreIndex = settings.ignoreIndex, label.isEqual(to: ignoreIndex) { return true }
        guard let ignoreIndices else { return false }
        var i = 0
        while i < ignoreIndices.count / 8 && !(i % Settings.part == 0 && settings.isCancelled) {
            if label.isEqual(to: ignoreIndices.loadUnaligned(fromByteOffset: i * 8, as: Int64.self)) { return true }
            i += 1
        }
        return false
    }

    /// Whether the mask leaves a row out.
    @inline(__always)
    func isMasked(at offset: Int) -> Bool { mask.map { $0.label(at: offset).isEqual(to: 0) } ?? false }

    /// The weight of the class that a (checked) label names.
    @inline(__always)
    func classWeight(_ label: Label) -> Double {
        weight.map { $0.double(at: Int(label.value) * $0.classStride) } ?? 1
    }

    /// Replaces the target by labels that are never read.
    public mutating func withoutTarget() {
        hasTarget = false
        target = Operand(data: input.data, dtype: .i64)
    }
}
