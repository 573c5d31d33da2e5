import CCrossEntropy

/// The calls of C that take rows and a target: what they write comes last, a second derivative's vector before it.
typealias RowFunction = (
    UnsafePointer<ce_tensor>?, Int32, UnsafePointer<ce_tensor>?, UnsafePointer<ce_options>?, UnsafePointer<ce_tensor>?,
    UnsafePointer<ce_tensor>?
) -> Int32

/// What such a call reads beside its options, and the gradient that goes by them; `nil`: there is none.
struct RowCall {
    var input: TensorView
    var classAxis: Int
    var target: TargetViews
    var classWeight: TensorView?
    var prior: TensorView?
    var sampleWeight: TensorView?
    var mask: TensorView?
    var ignoreIndices: TensorView?
    var gradLosses: TensorView?
    var targetGradient: TensorView?
    var statistics: UnsafePointer<ce_row_stats>?
    /// What the caller calls them, for errors.
    var names: [String: String] = [:]

    func run(
        _ function: RowFunction, _ options: ce_options, _ first: TensorView?, _ second: TensorView?
    ) throws(CrossEntropyError) {
        try Tensors.with(names: names) { tensors throws(CrossEntropyError) in
            var options = options
            options.target_probs = try tensors.add(target.probs)
            options.target_offsets = try tensors.add(target.offsets)
            options.target_rest = target.rest.rawValue
            options.weight = try tensors.add(classWeight)
            options.prior = try tensors.add(prior)
            options.sample_weight = try tensors.add(sampleWeight)
            options.mask = try tensors.add(mask)
            options.ignore_indices = try tensors.add(ignoreIndices)
            options.grad_losses = try tensors.add(gradLosses)
            options.row_stats = statistics
            options.grad_target = try tensors.add(targetGradient)
            return function(
                try tensors.add(input), Int32(clamping: classAxis), try tensors.add(target.values), &options,
                try tensors.add(first), try tensors.add(second))
        }
    }
}
