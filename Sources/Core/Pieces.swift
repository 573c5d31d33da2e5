import KernelABI
import Shims

/// Work that the threads of a call share, in pieces. Each thread claims one piece after the other until none is left.
struct Pieces {
    fileprivate let count: Int
    fileprivate let length: Int
    fileprivate let cancel: UnsafeMutablePointer<crossentropy_cancel>?
    fileprivate var claimed: Int64 = 0
    fileprivate var slots: Int64 = 0
    fileprivate var isStopped: Int32 = 0

    /// - Parameters:
    ///   - count: The number of rows, elements or blocks.
    ///   - length: How many of them make a piece.
    init(count: Int, length: Int, cancel: UnsafeMutablePointer<crossentropy_cancel>?) {
        self.count = count
        self.length = length
        self.cancel = cancel
    }
}

extension UnsafeMutablePointer<Pieces> {
    /// The next piece that no thread has claimed; `nil` if none is left, or if the call is cancelled or stopped.
    func next() -> Range<Int>? {
        if shim_load_i32(&pointee.isStopped) != 0 || crossentropy_is_cancelled(pointee.cancel) { return nil }
        let piece = Int(shim_fetch_add_i64(&pointee.claimed, 1))
        let (first, overflow) = piece.multipliedReportingOverflow(by: pointee.length)
        if overflow || first >= pointee.count { return nil }
        return first..<(pointee.count - first < pointee.length ? pointee.count : first + pointee.length)
    }

    /// The workspace slot of a thread that has claimed its first piece.
    func nextSlot() -> Int { Int(shim_fetch_add_i64(&pointee.slots, 1)) }

    /// Ends the work: no thread claims another piece.
    func stop() { shim_store_i32(&pointee.isStopped, 1) }

    var wasStopped: Bool { shim_load_i32(&pointee.isStopped) != 0 }
}
