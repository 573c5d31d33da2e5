import CCrossEntropy
import Core
import KernelABI
import Shims

/// The size of ce_options in release 0.1.0, the first release: the smallest size that is ever accepted.
let firstOptionsSize = 224

let defaultIgnoreIndex: Int64 = -100

func defaultOptions() -> ce_options {
    var options = ce_options()
    options.size = UInt64(MemoryLayout<ce_options>.size)
    options.ignore_index = defaultIgnoreIndex
    options.logit_scale = 1
    options.temperature = 1
    options.grad_loss = 1
    return options
}

/// The options of a call, in its own memory: the caller's fields as far as they go, and defaults for the others.
struct Options {
    private(set) var values = defaultOptions()
    /// Whether all options are at their defaults, so that none has to be checked.
    private(set) var areDefaults = true

    /// Reads as much of the caller's struct as the caller's version knows.
    @inline(__always)
    mutating func read(_ pointer: UnsafePointer<ce_options>?) throws(CallError) {
        if let pointer, !isDefault(pointer) { try readAll(pointer) }
    }

    /// Whether all bytes are those of the defaults that ce_options_init writes.
    private func isDefault(_ pointer: UnsafePointer<ce_options>) -> Bool {
        // The size is compared first, so that no more is read than the caller has.
        UnsafeRawPointer(pointer).loadUnaligned(as: UInt64.self) == values.size
            && withUnsafeBytes(of: values) { memcmp($0.baseAddress!, pointer, $0.count) == 0 }
    }

    @inline(never)
    @_optimize(speed)
    private mutating func readAll(_ pointer: UnsafePointer<ce_options>) throws(CallError) {
        areDefaults = false
        try CABI.read(pointer, over: &values, "options", first: firstOptionsSize, " (ce_options_init fills the struct)")
    }
}

/// Copies a caller's struct over `known`, as many bytes as both have. The caller's bytes beyond those must be 0, which
/// in later fields means what was done before they existed: to ignore a field that is set would give a wrong result.
@inline(__always)
func read<Known>(
    _ caller: UnsafePointer<Known>, over known: inout Known, _ name: StaticString, first: Int, _ hint: StaticString = ""
) throws(CallError) {
    let caller = UnsafeRawPointer(caller)
    let size = caller.loadUnaligned(as: UInt64.self)
    try checkSize(size, name, ".size", first: first, hint)
    if size == MemoryLayout<Known>.size {  // nearly always
        withUnsafeMutableBytes(of: &known) { _ = memcpy($0.baseAddress!, caller, MemoryLayout<Known>.size) }
        return
    }
    withUnsafeMutableBytes(of: &known) { _ = memcpy($0.baseAddress!, caller, min(Int(size), $0.count)) }
    try checkLaterFields(caller, Int(size), MemoryLayout<Known>.size, name)
}

@inline(never)
private func checkLaterFields(
    _ caller: UnsafeRawPointer, _ size: Int, _ known: Int, _ name: StaticString
) throws(CallError) {
    for offset in stride(from: known, to: size, by: 8)
    where caller.loadUnaligned(fromByteOffset: offset, as: UInt64.self) != 0 {
        throw CallError(CE_ERROR_OPTIONS_SIZE) {
            $0.text(name)
            $0.text(" sets a field that release ")
            $0.text(release)
            $0.text(" does not have: there the struct ends at byte ")
            $0.number(known)
        }
    }
}

/// The largest size of a struct. It limits how much is read of a struct that was never filled, whose size may be any number.
private let largestSize = 4096

/// Throws unless a struct of some release can have this size: at least that of the first release, and one at which a
/// field ends. All structs are aligned to 8 bytes; at a multiple of 8 where a struct ends, a field ends, too.
@inline(__always)
func checkSize(
    _ size: UInt64, _ name: StaticString, _ member: StaticString = "", first: Int, _ hint: StaticString = ""
) throws(CallError) {
    if size >= first && size <= largestSize && size % 8 == 0 { return }
    throw wrongSize(size, name, member, first: first, hint)
}

@inline(never)
private func wrongSize(
    _ size: UInt64, _ name: StaticString, _ member: StaticString, first: Int, _ hint: StaticString
) -> CallError {
    CallError(CE_ERROR_OPTIONS_SIZE) {
        $0.text(name)
        $0.text(member)
        $0.text(" is ")
        $0.number(unsigned: size)
        if size < first {
            $0.text("; the smallest is ")
            $0.number(first)
        } else if size > largestSize {
            $0.text("; the largest is ")
            $0.number(largestSize)
        } else {
            $0.text("; the size of every version of the struct is a multiple of 8")
        }
        $0.text(hint)
    }
}

extension Settings {
    /// Reads the options that are plain values into settings that have their defaults. Checks their ranges, and that
    /// `function` takes them.
    @inline(__always)
    mutating func read(
        _ options: UnsafePointer<Options>, of function: FunctionSet, _ storage: inout CallStorage
    ) throws(CallError) {
        if !options.pointee.areDefaults { try readAll(options, of: function, &storage) }
    }

    @inline(never)
    @_optimize(speed)
    private mutating func readAll(
        _ options: UnsafePointer<Options>, of function: FunctionSet, _ storage: inout CallStorage
    ) throws(CallError) {
        guard let inputType = InputType(rawValue: options.pointee.values.input_type) else {
            throw unknown("input_type", options.pointee.values.input_type)
        }
        guard let reduction = Reduction(rawValue: options.pointee.values.reduction) else {
            throw unknown("reduction", options.pointee.values.reduction)
        }
        guard let meanOver = MeanOver(rawValue: options.pointee.values.mean_over) else {
            throw unknown("mean_over", options.pointee.values.mean_over)
        }
        guard let empty = EmptyPolicy(rawValue: options.pointee.values.empty) else {
            throw unknown("empty", options.pointee.values.empty)
        }
        guard options.pointee.values.label_smoothing >= 0 && options.pointee.values.label_smoothing <= 1 else {
            throw outOfRange("label_smoothing", options.pointee.values.label_smoothing, "between 0 and 1")
        }
        if meanOver == .divisor
            && !(options.pointee.values.mean_divisor > 0 && options.pointee.values.mean_divisor < .infinity)
        {
            throw outOfRange("mean_divisor", options.pointee.values.mean_divisor, "a finite number above 0")
        }
        guard options.pointee.values.clip >= 0 && options.pointee.values.clip < 0.5 else {
            throw outOfRange("clip", options.pointee.values.clip, "at least 0 and below 0.5")
        }
        try checkTerm("z_loss", options.pointee.values.z_loss)
        try checkTerm("focal_gamma", options.pointee.values.focal_gamma)
        try checkTerm("poly_epsilon", options.pointee.values.poly_epsilon, allowsNegative: true)
        guard options.pointee.values.threads >= 0 else {
            throw outOfRange("threads", Double(options.pointee.values.threads), "0 (the default) or more")
        }
        try checkReserved("reserved_input", options.pointee.values.reserved_input)
        try checkReserved("reserved_reduction", options.pointee.values.reserved_reduction)
        try checkReserved("reserved_execution", options.pointee.values.reserved_execution)
        self.inputType = inputType
        self.reduction = reduction
        self.meanOver = meanOver
        self.empty = empty
        // CE_IGNORE_NONE is the smallest
        ignoreIndex = options.pointee.values.ignore_index == .min ? nil : options.pointee.values.ignore_index
        labelSmoothing = options.pointee.values.label_smoothing
        meanDivisor = options.pointee.values.mean_divisor
        if options.pointee.values.clip != 0 {
            clipLow = options.pointee.values.clip
            clipHigh = 1 - options.pointee.values.clip
        }
        try checkTerm("softcap", options.pointee.values.softcap)
        let scale = options.pointee.values.logit_scale
        guard scale != 0 && scale.magnitude < .infinity else {
            throw notAFactor("logit_scale", scale, "finite and not 0")
        }
        temperature = options.pointee.values.temperature
        guard temperature > 0 && temperature < .infinity else {
            throw notAFactor("temperature", temperature, "a finite number above 0")
        }
        guard (scale / temperature).magnitude < .infinity else {
            throw outOfRange(
                "temperature", options.pointee.values.temperature, "so large that logits can be divided by it")
        }
        if scale != 1 || options.pointee.values.softcap != 0 || (temperature != 1 && inputType == .logits) {
            // c tanh(s x / c) / T is the same as the formula with c / T and s / T.
            transform = crossentropy_transform(
                scale: scale / temperature, softcap: options.pointee.values.softcap / temperature)
        }
        squaresTemperature = options.pointee.values.temperature_squared != 0
        guard let targetType = TargetType(rawValue: options.pointee.values.target_type) else {
            throw unknown("target_type", options.pointee.values.target_type)
        }
        self.targetType = targetType
        if targetType == .logits && (1 / temperature) == .infinity {
            throw outOfRange(
                "temperature", options.pointee.values.temperature, "so large that logits can be divided by it")
        }
        guard SparseTarget.Rest(rawValue: options.pointee.values.target_rest) != nil else {
            throw unknown("target_rest", options.pointee.values.target_rest)
        }
        guard options.pointee.values.kl_form == CE_KL_GENERALIZED || options.pointee.values.kl_form == CE_KL_PLAIN
        else {
            throw unknown("kl_form", options.pointee.values.kl_form)
        }
        try accept(options, by: function)
        isPlainDivergence = options.pointee.values.kl_form == CE_KL_PLAIN
        terms.z_loss = options.pointee.values.z_loss
        terms.focal_gamma = options.pointee.values.focal_gamma
        terms.poly_epsilon = options.pointee.values.poly_epsilon
        gradLoss = options.pointee.values.grad_loss
        cancel = storage.cancel(options)
        threads = Int(options.pointee.values.threads)
    }
}

/// Checks that a field is 0 to which a later release may give a meaning.
private func checkReserved(_ name: StaticString, _ value: Int32) throws(CallError) {
    if value != 0 { throw outOfRange(name, Double(value), "0") }
}

/// Checks the factor of a term of the loss of logits.
private func checkTerm(
    _ name: StaticString, _ value: Double, allowsNegative: Bool = false
) throws(CallError) {
    guard value.magnitude < .infinity && (allowsNegative || value >= 0) else {
        throw outOfRange(name, value, allowsNegative ? "finite" : "finite and at least 0")
    }
}

/// The error of a number that cannot be a factor. 0 is what a struct holds that was
/// cleared instead of filled by ce_options_init.
private func notAFactor(_ name: StaticString, _ value: Double, _ range: StaticString) -> CallError {
    CallError(CE_ERROR_OPTION) {
        $0.text(name)
        $0.text(" is ")
        $0.number(value)
        $0.text("; it must be ")
        $0.text(range)
        if value == 0 { $0.text(" (ce_options_init sets the defaults, here 1)") }
    }
}

private func unknown(_ name: StaticString, _ value: Int32) -> CallError {
    CallError(CE_ERROR_OPTION) {
        $0.text(name)
        $0.text(" has an unknown value: ")
        $0.number(Int(value))
    }
}

func outOfRange(_ name: StaticString, _ value: Double, _ range: StaticString) -> CallError {
    CallError(CE_ERROR_OPTION) {
        $0.text(name)
        $0.text(" is ")
        $0.number(value)
        $0.text("; it must be ")
        $0.text(range)
    }
}
