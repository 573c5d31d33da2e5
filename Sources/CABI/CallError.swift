import CCrossEntropy
import Shims

/// A call's failure: its status, after the text has gone to where ce_last_error_message finds it.
struct CallError: Error {
    let status: Int32

    init(_ status: Int, _ write: (inout Message) -> Void) {
        self.status = Int32(status)
        var message = Message()
        write(&message)
        message.finish()
    }
}

/// Text for a person, written straight into the thread's buffer (nothing is allocated). What does not fit is cut.
struct Message {
    private let start = crossentropy_message()!
    private var used = 0
    private let size = Int(CROSSENTROPY_MESSAGE_BYTES)

    mutating func text(_ text: StaticString) {
        text.withUTF8Buffer { for byte in $0 { append(byte) } }
    }

    mutating func number(_ value: Int) {
        if value < 0 { append(UInt8(ascii: "-")) }
        number(unsigned: UInt64(value.magnitude))
    }

    mutating func number(unsigned value: UInt64) {
        if value >= 10 { number(unsigned: value / 10) }
        append(UInt8(ascii: "0") + UInt8(value % 10))
    }

    mutating func number(_ value: Double) {
        used = shim_append_double(start, used, size, value)
    }

    /// "[2, 3]"
    mutating func shape(_ view: TensorView, without axis: Int = -1) {
        text("[")
        var isFirst = true
        for d in 0..<view.ndim where d != axis {
            if !isFirst { text(", ") }
            number(view.length(d))
            isFirst = false
        }
        text("]")
    }

    mutating func finish() { start[used] = 0 }

    private mutating func append(_ byte: UInt8) {
        if used < size - 1 {
            start[used] = CChar(bitPattern: byte)
            used += 1
        }
    }
}
