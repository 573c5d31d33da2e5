import CCrossEntropy
import Shims

/// The body of every call that computes: the status of whatever goes wrong in it. The host's rounding mode, flush-to-zero and
/// unmasked exceptions stay outside, of sums and divisors too.
func checked(_ body: (inout CallStorage) throws(CallError) -> Void) -> Int32 {
    let hostFloatControl = shim_float_control_enter()
    defer { shim_float_control_leave(hostFloatControl) }
    return CallStorage.with { storage in
        do throws(CallError) {
            try body(&storage)
            return Int32(CE_OK)
        } catch {
            return error.status
        }
    }
}
