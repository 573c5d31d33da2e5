// swift-format-ignore-file: AlwaysUseLowerCamelCase

// because the names are those of the header.
import CCrossEntropy
import Core
import KernelABI
import Shims

// The functions of crossentropy.h. `@implementation` makes the compiler check each of them against its declaration there.

@implementation @_cdecl("ce_version")
public func ce_version() -> Int32 { CE_VERSION_MAJOR * 10000 + CE_VERSION_MINOR * 100 + CE_VERSION_PATCH }

@implementation @_cdecl("ce_version_string")
public func ce_version_string() -> UnsafePointer<CChar>? { cString(release) }

var release: StaticString { "0.1.0" }

@implementation @_cdecl("ce_build_info")
public func ce_build_info() -> UnsafePointer<CChar>? {
    #if hasFeature(Embedded)
        #if arch(x86_64)
            cString("Embedded Swift, x86_64, kernels: baseline, avx2, avx512")
        #else
            cString("Embedded Swift, aarch64, kernels: neon")
        #endif
    #else
        cString("Swift, part of a Swift program")
    #endif
}

@implementation @_cdecl("ce_isa")
public func ce_isa() -> UnsafePointer<CChar>? { Processor.isa }

@implementation @_cdecl("ce_status_string")
public func ce_status_string(_ status: Int32) -> UnsafePointer<CChar>? {
    let text: StaticString =
        switch Int(status) {
        case CE_OK: "ok"
        case CE_ERROR_NULL_POINTER: "required pointer is NULL"
        case CE_ERROR_OPTIONS_SIZE: "size or later fields of a struct not accepted"
        case CE_ERROR_DTYPE: "dtype not accepted"
        case CE_ERROR_SHAPE: "shapes do not fit together"
        case CE_ERROR_OVERFLOW: "size does not fit into 63 bits"
        case CE_ERROR_OVERLAP: "output overlaps other memory of the call"
        case CE_ERROR_LABEL: "label out of range"
        case CE_ERROR_OPTION: "option out of range"
        case CE_ERROR_EMPTY: "divisor of the mean is 0"
        case CE_ERROR_OUT_OF_MEMORY: "out of memory"
        case CE_ERROR_CANCELLED: "cancelled"
        case CE_ERROR_PARTIAL: "statistics that do not fit together"
        default: "unknown status"
        }
    return cString(text)
}

@implementation @_cdecl("ce_last_error_message")
public func ce_last_error_message() -> UnsafePointer<CChar>? { UnsafePointer(crossentropy_message()) }

@implementation @_cdecl("ce_options_init")
public func ce_options_init(_ options: UnsafeMutablePointer<ce_options>?, _ size: Int) -> Int32 {
    status("ce_options_init") { () throws(CallError) in
        guard let options else { throw nullPointer("options") }
        try checkSize(UInt64(bitPattern: Int64(size)), "size", first: firstOptionsSize)
        var defaults = defaultOptions()
        let known = min(size, MemoryLayout<ce_options>.size)
        defaults.size = UInt64(size)
        // A newer caller has fields that this library does not know. 0 in such a field means what
        // was done before the field existed.
        memset(options, 0, size)
        memcpy(options, &defaults, known)
    }
}

@_optimize(speed)
@implementation @_cdecl("ce_cross_entropy")
public func ce_cross_entropy(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<ce_options>?, _ outputs: UnsafePointer<ce_outputs>?
) -> Int32 {
    crossEntropy("ce_cross_entropy", input, class_axis, target, options, outputs)
}

@implementation @_cdecl("ce_kl_divergence")
public func ce_kl_divergence(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<ce_options>?, _ outputs: UnsafePointer<ce_outputs>?
) -> Int32 {
    crossEntropy("ce_kl_divergence", input, class_axis, target, options, outputs, .divergence)
}

@implementation @_cdecl("ce_hessian_vector_product")
public func ce_hessian_vector_product(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<ce_options>?, _ vector: UnsafePointer<ce_tensor>?, _ output: UnsafePointer<ce_tensor>?
) -> Int32 {
    hessian(
        "ce_hessian_vector_product", .hessianVector, input, class_axis, target, options, vector: vector, output)
}

@implementation @_cdecl("ce_hessian_diagonal")
public func ce_hessian_diagonal(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ target: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<ce_options>?, _ output: UnsafePointer<ce_tensor>?
) -> Int32 {
    hessian("ce_hessian_diagonal", .hessianDiagonal, input, class_axis, target, options, output)
}

@implementation @_cdecl("ce_cross_entropy_f32")
public func ce_cross_entropy_f32(
    _ logits: UnsafePointer<Float>?, _ labels: UnsafePointer<Int64>?, _ rows: Int64, _ classes: Int64,
    _ options: UnsafePointer<ce_options>?, _ loss: UnsafeMutablePointer<Float>?, _ grad: UnsafeMutablePointer<Float>?
) -> Int32 {
    contiguousRows("ce_cross_entropy_f32", logits, labels, rows, classes, options, loss, grad, .f32)
}

@implementation @_cdecl("ce_cross_entropy_f64")
public func ce_cross_entropy_f64(
    _ logits: UnsafePointer<Double>?, _ labels: UnsafePointer<Int64>?, _ rows: Int64, _ classes: Int64,
    _ options: UnsafePointer<ce_options>?, _ loss: UnsafeMutablePointer<Double>?, _ grad: UnsafeMutablePointer<Double>?
) -> Int32 {
    contiguousRows("ce_cross_entropy_f64", logits, labels, rows, classes, options, loss, grad, .f64)
}

private func cString(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// The general call on views of contiguous rows.
private func contiguousRows(
    _ function: StaticString, _ logits: UnsafeRawPointer?, _ labels: UnsafeRawPointer?, _ rows: Int64, _ classes: Int64,
    _ options: UnsafePointer<ce_options>?, _ loss: UnsafeMutableRawPointer?, _ grad: UnsafeMutableRawPointer?,
    _ dtype: DType
) -> Int32 {
    checked(function) { storage throws(CallError) in
        var known = Options()
        try known.read(options)
        if rows < 0 { throw tooSmall("rows", rows, 0) }
        if classes < 1 { throw tooSmall("classes", classes, 1) }
        if logits == nil && rows > 0 { throw nullPointer("logits") }
        if labels == nil && rows > 0 { throw nullPointer("labels") }
        if loss == nil && grad == nil { throw nothingToCompute("loss and grad are both NULL") }
        let lengths: InlineArray<2, Int64> = [rows, classes]
        try lengths.span.withUnsafeBufferPointer { lengths throws(CallError) in
            func tensor(_ data: UnsafeRawPointer?, _ dtype: DType, _ ndim: Int32) -> ce_tensor {
                ce_tensor(
                    data: UnsafeMutableRawPointer(mutating: data), dtype: dtype.rawValue, ndim: ndim,
                    shape: lengths.baseAddress, strides: nil)
            }
            var input = tensor(logits, dtype, 2)
            var target = tensor(labels, .i64, 1)
            var lossTensor = tensor(loss, dtype, known.values.reduction == CE_REDUCTION_NONE ? 1 : 0)
            var gradTensor = tensor(grad, dtype, 2)
            try withUnsafePointer(to: &lossTensor) { lossTensor throws(CallError) in
                try withUnsafePointer(to: &gradTensor) { gradTensor throws(CallError) in
                    var outputs = ce_outputs()
                    if loss != nil { outputs.loss = lossTensor }
                    if grad != nil { outputs.grad = gradTensor }
                    try crossEntropy(.loss, &input, 1, &target, &known, &outputs, nil, .rows, &storage)
                }
            }
        }
    }
}

/// The error of a count that is too small.
@inline(never)
func tooSmall(_ name: StaticString, _ value: Int64, _ least: Int) -> CallError {
    CallError(CE_ERROR_SHAPE) {
        $0.text(name)
        $0.text(" is ")
        $0.number(Int(value))
        $0.text("; it must be at least ")
        $0.number(least)
    }
}

@implementation @_cdecl("ce_softmax")
public func ce_softmax(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ options: UnsafePointer<ce_options>?,
    _ output: UnsafePointer<ce_tensor>?
) -> Int32 {
    softmax("ce_softmax", .softmax, input, class_axis, options, .perClass(output))
}

@implementation @_cdecl("ce_log_softmax")
public func ce_log_softmax(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ options: UnsafePointer<ce_options>?,
    _ output: UnsafePointer<ce_tensor>?
) -> Int32 {
    softmax("ce_log_softmax", .logSoftmax, input, class_axis, options, .perClass(output))
}

@implementation @_cdecl("ce_logsumexp")
public func ce_logsumexp(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ options: UnsafePointer<ce_options>?,
    _ output: UnsafePointer<ce_tensor>?
) -> Int32 {
    softmax("ce_logsumexp", .softmax, input, class_axis, options, .perRow(output))
}

@implementation @_cdecl("ce_compute_row_stats")
public func ce_compute_row_stats(
    _ input: UnsafePointer<ce_tensor>?, _ class_axis: Int32, _ labels: UnsafePointer<ce_tensor>?,
    _ options: UnsafePointer<ce_options>?, _ stats: UnsafePointer<ce_row_stats>?
) -> Int32 {
    softmax("ce_compute_row_stats", .softmax, input, class_axis, labels: labels, options, .statistics(stats))
}

@implementation @_cdecl("ce_set_num_threads")
public func ce_set_num_threads(_ count: Int32) -> Int32 {
    status("ce_set_num_threads") { () throws(CallError) in
        guard count >= 0 else { throw outOfRange("count", Double(count), "0 (the default) or more") }
        ThreadCount.set(count)
    }
}

@implementation @_cdecl("ce_get_num_threads")
public func ce_get_num_threads() -> Int32 { Int32(ThreadCount.get()) }
