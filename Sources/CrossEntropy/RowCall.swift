import CCrossEntropy

/// The C functions that take rows and a target.
enum RowFunction { case crossEntropy, divergence, hessianVectorProduct, hessianDiagonal }

/// The tensors of such a call, except for its loss, gradient, vector and output; `nil`: not given.
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
    /// The caller's names of the tensors, for errors.
    var names: [String: String] = [:]

    /// - Parameters:
    ///   - first: The loss; for second derivatives the vector.
    ///   - second: The gradient; for second derivatives the output.
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
            let input = try tensors.add(input)
            let axis = Int32(clamping: classAxis)
            let target = try tensors.add(target.values)
            let first = try tensors.add(first)
            let second = try tensors.add(second)
            var outputs = ce_outputs(
                size: UInt64(MemoryLayout<ce_outputs>.size), loss: first, grad: second,
                grad_target: try tensors.add(targetGradient), row_stats: statistics)
            return switch function {
            case .crossEntropy: ce_cross_entropy(input, axis, target, &options, &outputs)
            case .divergence: ce_kl_divergence(input, axis, target, &options, &outputs)
            case .hessianVectorProduct: ce_hessian_vector_product(input, axis, target, &options, first, second)
            case .hessianDiagonal: ce_hessian_diagonal(input, axis, target, &options, second)
            }
        }
    }
}
