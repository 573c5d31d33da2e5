import CCrossEntropy
import Shims

/// The body of every function that computes: the status of whatever goes wrong in it. The host's rounding mode, flush-to-zero
/// and unmasked exceptions stay outside, of sums and divisors too.
func checked(_ function: StaticString, _ body: (inout CallStorage) throws(CallError) -> Void) -> Int32 {
    let hostFloatControl = shim_float_control_enter()
    defer { shim_float_control_leave(hostFloatControl) }
    return CallStorage.with { storage in
        status(function) { () throws(CallError) in try body(&storage) }
    }
}

/// The status of whatever goes wrong in the body of a function of the header, by whose name the message begins.
func status(_ function: StaticString, _ body: () throws(CallError) -> Void) -> Int32 {
    do throws(CallError) {
        try body()
        return Int32(CE_OK)
    } catch {
        Message.begin(with: function)
        return error.status
    }
}
