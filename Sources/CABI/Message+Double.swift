import KernelABI
import Shims

extension Message {
    /// The shortest decimal number that reads back as this one: "0.1", "-1", "1e-05", "nan".
    ///
    /// The text is the same in every locale: from the output of printf only the digits and the exponent are used, not
    /// the decimal point.
    mutating func number(_ value: Double) {
        if value != value { return text("nan") }
        if value.sign == .minus { text("-") }
        if value.magnitude == .infinity { return text("inf") }
        if value == 0 { return text("0") }
        var decimal = shim_decimal(value.magnitude, 17)
        for count in 1..<Int32(17) {
            let shorter = shim_decimal(value.magnitude, count)
            if shorter.value != value.magnitude { continue }
            decimal = shorter
            break
        }
        let count = Int(decimal.count)
        // The position of the decimal point: after so many digits.
        let point = Int(decimal.exponent) + count
        if point < -3 || point > 16 {
            digits(decimal, 0..<1)
            if count > 1 { text(".") }
            digits(decimal, 1..<count)
            text(point > 0 ? "e+" : "e-")
            let exponent = abs(point - 1)
            if exponent < 10 { text("0") }
            number(exponent)
        } else {
            if point <= 0 { text("0.") }
            for _ in min(point, 0)..<0 { text("0") }
            digits(decimal, 0..<min(max(point, 0), count))
            for _ in count..<max(point, count) { text("0") }
            if point > 0 && point < count { text(".") }
            digits(decimal, min(max(point, 0), count)..<count)
        }
    }

    private mutating func digits(_ decimal: crossentropy_decimal, _ range: Range<Int>) {
        withUnsafeBytes(of: decimal.digits) { for byte in $0[range] { character(Unicode.Scalar(byte)) } }
    }
}
