import CCrossEntropy
import Shims

/// Runs the body of a function that computes, and returns the status of an error in it. The host's rounding mode,
/// flush-to-zero and unmasked exceptions do not apply inside, not even to sums and divisors.
func checked(_ function: StaticString, _ body: (inout CallStorage) throws(CallError) -> Void) -> Int32 {
    let hostFloatControl = shim_float_control_enter()
    defer { shim_float_control_leave(hostFloatControl) }
    return CallStorage.with { storage in
        status(function) { () throws(CallError) in try body(&storage) }
    }
}

/// Runs the body of a function of the header, and returns the status of an error in it. The error's message begins with
/// the function's name.
func status(_ function: StaticString, _ body: () throws(CallError) -> Void) -> Int32 {
    do throws(CallError) {
        try body()
        return Int32(CE_OK)
    } catch {
        Message.begin(with: function)
        return error.status
    }
}
