import CCrossEntropy

/// The reason why a call was refused. Nothing has been written then.
public struct CrossEntropyError: Error, Equatable, CustomStringConvertible {
    /// The kind of error, with the names of crossentropy.h.
    public enum Code: Int32, Sendable {
        case nullPointer = 1
        case optionsSize
        case dtype
        /// Lengths, dimensions or an axis that do not fit together.
        case shape
        /// Sizes whose product does not fit into 63 bits.
        case overflow
        /// An output shares memory with an input, another output or itself.
        case overlap
        /// A label outside `0 ..< classes` that is not ignored.
        case label
        /// An option that the call does not take, or whose value is out of range.
        case option
        /// The divisor of the mean is 0, and the policy for that is ``EmptyPolicy/error``.
        case empty
        case outOfMemory
        case cancelled
        /// Partial statistics or accumulators that do not fit together, or bytes that are neither.
        case partial
    }

    public let code: Code
    /// A sentence that says what was given and what is accepted, with the names of the function that was called: "label
    /// 7 in row 3 is out of range: there are 5 classes (labels 0 to 4)".
    public let message: String

    public var description: String { message }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The error of this thread's last C call, which returned `status`; for `names` see ``inSwiftWords(_:_:)``.
    init(status: Int32, names: [String: String] = [:]) {
        code = Code(rawValue: status) ?? .option
        message = inSwiftWords(String(cString: ce_last_error_message()), names)
    }
}
