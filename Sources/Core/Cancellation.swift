import KernelABI

// How a call ends early. The kernels test the caller's flag once per block (see crossentropy_is_cancelled); the loops
// of Core below test it as often.

extension Settings {
    /// Whether the caller's flag is set, or was set at an earlier test.
    @inline(__always) var isCancelled: Bool { crossentropy_is_cancelled(cancel) }

    /// Whether a loop may have ended early.
    var wasCancelled: Bool { crossentropy_was_cancelled(cancel) }

    /// The number of elements or rows between two tests of the caller's flag.
    static var part: Int { 1 << 14 }

    /// Calls `body` for parts of `0..<count`, until the call is cancelled.
    @inline(__always)
    func forEachPart(of count: Int, _ body: (Range<Int>) -> Void) {
        var start = 0
        while start < count && !isCancelled {
            let end = count - start < Self.part ? count : start + Self.part
            body(start..<end)
            start = end
        }
    }
}
