import CCrossEntropy
import Core
import KernelABI
import Shims

/// A call's failure: its status. The text is already where ce_last_error_message finds it.
package struct CallError: Error {
    let status: Int32

    init(_ status: Int, _ write: (inout Message) -> Void) {
        self.status = Int32(status)
        var message = Message()
        write(&message)
        message.finish()
    }
}

/// A text for people, written straight into the thread's buffer (nothing is allocated). A text that is too long is cut.
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

    mutating func character(_ character: Unicode.Scalar) { append(UInt8(truncatingIfNeeded: character.value)) }

    /// "row 2 of partials"
    mutating func row(_ row: Int, of name: StaticString) {
        text("row ")
        number(row)
        text(" of ")
        text(name)
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

    /// Puts "ce_softmax: " before this thread's message.
    static func begin(with function: StaticString) {
        let text = crossentropy_message()!
        let room = Int(CROSSENTROPY_MESSAGE_BYTES)
        let prefix = function.utf8CodeUnitCount + 2
        let kept = min(strlen(text), room - 1 - prefix)
        memmove(text + prefix, text, kept)
        text[prefix + kept] = 0
        memcpy(text, function.utf8Start, prefix - 2)
        memcpy(text + prefix - 2, ": ", 2)
    }

    private mutating func append(_ byte: UInt8) {
        if used < size - 1 {
            start[used] = CChar(bitPattern: byte)
            used += 1
        }
    }
}

extension Message {
    /// "label 7"
    mutating func label(_ label: Label) {
        text("label ")
        if label.isHuge {
            number(unsigned: UInt64(bitPattern: label.value))
        } else {
            number(Int(label.value))
        }
    }
}

extension CallError {
    init(_ failure: LossFailure, classes: Int) {
        switch failure {
        case .label(let label, let row):
            self.init(CE_ERROR_LABEL) {
                $0.label(label)
                $0.text(" in row ")
                $0.number(row)
                $0.text(" is out of range: there ")
                $0.text(classes == 1 ? "is 1 class (label 0)" : "are ")
                if classes > 1 {
                    $0.number(classes)
                    $0.text(" classes (labels 0 to ")
                    $0.number(classes - 1)
                    $0.text(")")
                }
            }
        case .repeatedClass(let c, let row):
            self.init(CE_ERROR_LABEL) {
                $0.text("class ")
                $0.number(c)
                $0.text(" is named twice in row ")
                $0.number(row)
                $0.text(": a sparse row names a class once")
            }
        case .offsets(let row):
            self.init(CE_ERROR_SHAPE) {
                $0.text("the target_offsets of row ")
                $0.number(row)
                $0.text(
                    " do not lead to entries: they must not be negative, nor decrease, nor exceed their number"
                )
            }
        case .empty:
            self.init(CE_ERROR_EMPTY) {
                $0.text(
                    "no row counts, so there is no mean: the batch is empty, every row is ignored, or the weights add up to 0"
                )
            }
        case .outOfMemory:
            self.init(CE_ERROR_OUT_OF_MEMORY) { $0.text("out of memory for the scratch space of the call") }
        case .cancelled:
            self.init(CE_ERROR_CANCELLED) { $0.text("cancelled: the outputs hold unspecified values") }
        }
    }
}
