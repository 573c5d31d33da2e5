import CCrossEntropy
import Core
import Shims

/// The size of ce_outputs in release 0.1.0, the first release: the smallest size that is ever accepted.
private let firstOutputsSize = 40

/// Reads the outputs of a call, of which there must be at least one. Outputs that the caller's version does not know
/// are not requested.
@_optimize(speed)
func readOutputs(_ pointer: UnsafePointer<ce_outputs>?, into outputs: inout ce_outputs) throws(CallError) {
    guard let pointer else { throw nothingToCompute("outputs is NULL") }
    try read(pointer, over: &outputs, "outputs", first: firstOutputsSize)
    if outputs.loss == nil && outputs.grad == nil && outputs.grad_target == nil && outputs.row_stats == nil {
        throw nothingToCompute("loss, grad and all other outputs are NULL")
    }
}

@inline(never)
func nothingToCompute(_ reason: StaticString) -> CallError {
    CallError(CE_ERROR_NULL_POINTER) {
        $0.text(reason)
        $0.text(": there is nothing to compute")
    }
}
