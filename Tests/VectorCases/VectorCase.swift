import CrossEntropy
import Foundation

/// One case of Tests/Vectors/vectors.json, whose header explains the fields.
public struct VectorCase {
    public let name: String
    public let isForC: Bool
    public let function: Function
    public let status: Int32
    public let messageContains: [String]
    public let loss: [Double]
    public let lossTolerance: [Double]
    public let grad: [Double]
    public let gradTolerance: [Double]
    /// Which elements `grad` lists; `nil`: all.
    public let gradAt: [Int]?
    /// With respect to the target; `nil`: the call does not ask for it.
    public let targetGrad: [Double]?
    public let targetGradTolerance: [Double]
    private let fields: [String: Any]

    /// What is called. What a second derivative gives is in `grad`, and has no loss.
    public enum Function: String {
        case crossEntropy = "cross_entropy"
        case binaryCrossEntropy = "binary_cross_entropy"
        case divergence = "kl_divergence"
        case hessianVectorProduct = "hessian_vector_product"
        case hessianDiagonal = "hessian_diagonal"
    }

    public static func load(_ file: URL) throws -> [VectorCase] {
        let root = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as! [String: Any]
        return (root["cases"] as! [[String: Any]]).map(VectorCase.init)
    }

    init(_ fields: [String: Any]) {
        self.fields = fields
        name = fields["name"] as! String
        function = Function(rawValue: fields["loss_function"] as? String ?? "cross_entropy")!
        isForC = fields["level"] as? String == "c"
        status = statusCodes.firstIndex(of: fields["status"] as! String).map { Int32($0) }!
        messageContains = fields["message_contains"] as? [String] ?? []
        loss = numbers(fields["loss"] ?? [Any]())
        lossTolerance = numbers(fields["loss_tol"] ?? [Any]())
        grad = numbers(fields["grad"] ?? [Any]())
        gradTolerance = numbers(fields["grad_tol"] ?? [Any]())
        gradAt = (fields["grad_at"] as? [NSNumber]).map { $0.map(\.intValue) }
        targetGrad = fields["grad_target"].map(numbers)
        targetGradTolerance = numbers(fields["grad_target_tol"] ?? [Any]())
    }

    /// What a call gave: widened to Double, which is exact.
    public struct Outcome: Equatable {
        public var status: Int32 = 0
        public var message = ""
        public var loss: [Double] = []
        public var grad: [Double] = []
        public var targetGrad: [Double] = []
    }

    /// Runs the case through the Swift API.
    ///
    /// - Parameters:
    ///   - threads: In place of the case's own number, if it is not 0.
    ///   - isInPlace: The gradient replaces the input.
    ///   - wantsGradient: Whether to ask for the gradients; for that of a divergence's target in any case, as with it everything
    ///     is computed in f64.
    public func run(threads: Int = 0, isInPlace: Bool = false, wantsGradient: Bool = true) -> Outcome {
        let loss = loss(threads: threads)
        let options = fields["options"] as! [String: Any]
        let input = Storage(fields, "x", dtypeKey: "dtype", shapeKey: "shape")!
        let shape = input.shape
        let target = Storage(fields, "target")!
        let targetProbs = Storage(fields, "target_probs")
        let targetOffsets = Storage(integers: fields["target_offsets"] as? [NSNumber])
        let targetRest: TargetRest = ["drop": .drop, "spread": .spread, "renormalize": .renormalize][
            options["target_rest"] as? String ?? "drop"]!
        let weight = Storage(fields, "weight")
        let prior = Storage(fields, "prior")
        let sampleWeight = Storage(fields, "sample_weight")
        let mask = Storage(fields, "mask")
        let gradLosses = Storage(fields, "grad_losses")
        let vector = Storage(fields, "vector")
        let axis = (fields["class_axis"] as? NSNumber)?.intValue ?? -1
        let rowShape = function == .binaryCrossEntropy ? shape : rowShape(shape, axis)
        let keepsRows = options["reduction"] as? String == "none"
        let dtype = fields["dtype"] as! String
        let losses = Storage(
            zeros: keepsRows ? rowShape : [], fields["loss_dtype"] as? String ?? (dtype == "f64" ? "f64" : "f32"))
        let gradType = fields["grad_dtype"] as? String ?? dtype
        let grads = isInPlace && gradType == dtype ? input : Storage(zeros: shape, gradType)
        let isHessian = function == .hessianVectorProduct || function == .hessianDiagonal
        let hasGradient = isHessian || (wantsGradient && (fields["outputs"] as? [String]) != ["loss"])
        let targetType = fields["target_dtype"] as! String
        let targetGrads =
            targetGrad != nil && (wantsGradient || function == .divergence)
            ? Storage(zeros: target.shape, targetType == "f64" ? "f64" : "f32") : nil

        var outcome = Outcome()
        do throws(CrossEntropyError) {
            let gradLoss = number(options["grad_loss"] ?? 1)
            let gradient = hasGradient ? grads.view : nil
            switch function {
            case .crossEntropy:
                try loss.evaluate(
                    input.view, classAxis: axis, target: target.view, targetProbs: targetProbs?.view,
                    targetOffsets: targetOffsets?.view, targetRest: targetRest, classWeight: weight?.view,
                    prior: prior?.view, sampleWeight: sampleWeight?.view, mask: mask?.view, gradLoss: gradLoss,
                    gradLosses: gradLosses?.view, loss: losses.view, keepingRows: keepsRows, gradient: gradient,
                    targetGradient: targetGrads?.view)
            case .binaryCrossEntropy:
                let binary = BinaryCrossEntropyLoss(
                    inputType: loss.inputType, reduction: loss.reduction, meanOver: loss.meanOver, empty: loss.empty,
                    ignoreIndex: loss.ignoreIndex, labelSmoothing: loss.labelSmoothing, clip: loss.clip,
                    focalGamma: loss.focalGamma, threads: loss.threads)
                let positiveWeight = Storage(fields, "pos_weight")
                try binary.evaluate(
                    input.view, classAxis: axis, target: target.view, classWeight: weight?.view,
                    positiveWeight: positiveWeight?.view, sampleWeight: sampleWeight?.view, gradLoss: gradLoss,
                    loss: losses.view, keepingElements: keepsRows, gradient: gradient)
            case .divergence:
                let divergence = KLDivergence(
                    inputType: loss.inputType, targetType: loss.targetType,
                    form: options["kl_form"] as? String == "plain" ? .plain : .generalized,
                    temperature: loss.temperature, temperatureSquared: loss.temperatureSquared,
                    reduction: loss.reduction, meanOver: loss.meanOver, empty: loss.empty,
                    ignoreIndex: loss.ignoreIndex, softcap: loss.softcap, logitScale: loss.logitScale,
                    threads: loss.threads)
                try divergence.evaluate(
                    input.view, classAxis: axis, target: target.view, targetProbs: targetProbs?.view,
                    targetOffsets: targetOffsets?.view, targetRest: targetRest, sampleWeight: sampleWeight?.view,
                    mask: mask?.view, gradLoss: gradLoss, gradLosses: gradLosses?.view, loss: losses.view,
                    keepingRows: keepsRows, gradient: gradient, targetGradient: targetGrads?.view)
            case .hessianVectorProduct:
                try loss.hessianVectorProduct(
                    input.view, classAxis: axis, target: target.view, targetProbs: targetProbs?.view,
                    targetOffsets: targetOffsets?.view, targetRest: targetRest, classWeight: weight?.view,
                    prior: prior?.view, sampleWeight: sampleWeight?.view, mask: mask?.view, gradLoss: gradLoss,
                    gradLosses: gradLosses?.view, keepingRows: keepsRows, vector: vector!.view,
                    output: grads.view)
            case .hessianDiagonal:
                try loss.hessianDiagonal(
                    input.view, classAxis: axis, target: target.view, targetProbs: targetProbs?.view,
                    targetOffsets: targetOffsets?.view, targetRest: targetRest, classWeight: weight?.view,
                    prior: prior?.view, sampleWeight: sampleWeight?.view, mask: mask?.view, gradLoss: gradLoss,
                    gradLosses: gradLosses?.view, keepingRows: keepsRows, output: grads.view)
            }
            if !isHessian { outcome.loss = losses.elements() }
            if hasGradient { outcome.grad = grads.elements() }
            if let targetGrads { outcome.targetGrad = targetGrads.elements() }
        } catch {
            outcome.status = error.code.rawValue
            outcome.message = error.message
        }
        return outcome
    }

    /// The options that losses have in common.
    private func loss(threads: Int) -> CrossEntropyLoss {
        let options = fields["options"] as! [String: Any]
        var loss = CrossEntropyLoss()
        loss.inputType = ["logits": .logits, "probs": .probs, "log_probs": .logProbs][
            options["input_type"] as? String ?? "logits"]!
        loss.reduction = options["reduction"] as? String == "sum" ? .sum : .mean
        switch options["mean_over"] as? String ?? "weight" {
        case "mass": loss.meanOver = .mass
        case "count": loss.meanOver = .count
        case "divisor": loss.meanOver = .divisor(number(options["mean_divisor"] ?? 0))
        default: loss.meanOver = .weight
        }
        loss.empty = ["nan": .nan, "zero": .zero, "error": .error][options["empty"] as? String ?? "nan"]!
        if let ignored = options["ignore_index"] {
            loss.ignoreIndex = ignored as? String == "none" ? nil : Int64(integerText(ignored))
        }
        loss.labelSmoothing = number(options["label_smoothing"] ?? 0)
        loss.clip = number(options["clip"] ?? 0)
        loss.zLoss = number(options["z_loss"] ?? 0)
        loss.focalGamma = number(options["focal_gamma"] ?? 0)
        loss.polyEpsilon = number(options["poly_epsilon"] ?? 0)
        loss.softcap = options["softcap"].map(number)
        loss.logitScale = number(options["logit_scale"] ?? 1)
        loss.targetType = ["probs": .probs, "logits": .logits, "log_probs": .logProbs][
            options["target_type"] as? String ?? "probs"]!
        loss.temperature = number(options["temperature"] ?? 1)
        loss.temperatureSquared = number(options["temperature_squared"] ?? 0) != 0
        loss.threads = (options["threads"] as? NSNumber)?.intValue ?? threads
        loss.ignoreIndices = (fields["ignore_indices"] as? [Any] ?? []).map { Int64(integerText($0))! }
        return loss
    }

    /// Runs what gives the statistics of the case's rows, if it lists them; what is wrong with the results.
    public func complaintAboutStatistics(threads: Int = 0) -> String? {
        guard let wanted = fields["statistics"] as? [String: Any] else { return nil }
        let options = fields["options"] as! [String: Any]
        var logits = Logits(
            softcap: options["softcap"].map(number), scale: number(options["logit_scale"] ?? 1), threads: threads)
        if let ignored = options["ignore_index"] {
            logits.ignoreIndex = ignored as? String == "none" ? nil : Int64(integerText(ignored))
        }
        let input = Storage(fields, "x", dtypeKey: "dtype", shapeKey: "shape")!
        let isIndexed = !["f32", "f64", "f16", "bf16"].contains(fields["target_dtype"] as! String)
        let labels = isIndexed ? Storage(fields, "target") : nil
        let axis = (fields["class_axis"] as? NSNumber)?.intValue ?? -1
        func differs(_ name: String, _ got: [Double]) -> String? {
            let want = numbers(wanted[name]!)
            let tolerance = (wanted[name + "_tol"]).map(numbers) ?? [Double](repeating: 0, count: want.count)
            guard got.count == want.count else { return "\(name): \(got.count) numbers instead of \(want.count)" }
            for i in want.indices {
                if let text = mismatch(got[i], want[i], tolerance[i]) { return "\(name)[\(i)] \(text)" }
            }
            return nil
        }
        do throws(CrossEntropyError) {
            let statistics = try logits.statistics(input.view, classAxis: axis, labels: labels?.view)
            let lse = Storage(zeros: rowShape(input.shape, axis), "f64")
            try logits.logSumExp(input.view, classAxis: axis, output: lse.view)
            var complaint =
                differs("lse", statistics.lse) ?? differs("lse", lse.elements()) ?? differs("max", statistics.max)
                ?? differs("argmax", statistics.argmax.map(Double.init)) ?? differs("entropy", statistics.entropy)
                ?? differs("target_prob", statistics.targetProbability)
                ?? differs("target_rank", statistics.targetRank.map(Double.init))
            guard complaint == nil, wanted["softmax"] != nil else { return complaint }
            let output = Storage(zeros: input.shape, fields["dtype"] as! String)
            let places = gradAt ?? Array(0..<input.shape.reduce(1, *))
            try logits.softmax(input.view, classAxis: axis, output: output.view)
            var all = output.elements()
            complaint = differs("softmax", places.map { all[$0] })
            try logits.logSoftmax(input.view, classAxis: axis, output: output.view)
            all = output.elements()
            return complaint ?? differs("log_softmax", places.map { all[$0] })
        } catch {
            return error.message
        }
    }

    /// What is wrong with an outcome; `nil` if nothing is.
    public func complaint(about outcome: Outcome) -> String? {
        guard outcome.status == status else {
            return "status \(outcome.status) instead of \(status) \(outcome.message)"
        }
        for text in messageContains where !outcome.message.contains(swiftName(text)) {
            return "message '\(outcome.message)' lacks '\(text)'"
        }
        if status != 0 { return nil }
        guard outcome.loss.count == loss.count else { return "\(outcome.loss.count) losses instead of \(loss.count)" }
        for i in loss.indices {
            if let text = mismatch(outcome.loss[i], loss[i], lossTolerance[i]) { return "loss[\(i)] \(text)" }
        }
        for (i, at) in (gradAt ?? Array(grad.indices)).enumerated() where !outcome.grad.isEmpty {
            if let text = mismatch(outcome.grad[at], grad[i], gradTolerance[i]) { return "grad[\(at)] \(text)" }
        }
        guard let targetGrad, outcome.targetGrad.count == targetGrad.count else {
            return targetGrad == nil
                ? nil : "\(outcome.targetGrad.count) numbers of grad_target instead of \(targetGrad!.count)"
        }
        for i in targetGrad.indices {
            if let text = mismatch(outcome.targetGrad[i], targetGrad[i], targetGradTolerance[i]) {
                return "grad_target[\(i)] \(text)"
            }
        }
        return nil
    }
}

/// What this API calls an argument or option of C; other texts as they are.
private func swiftName(_ text: String) -> String {
    let names = [
        "weight": "classWeight", "pos_weight": "positiveWeight", "grad": "gradient", "grad_target": "targetGradient",
        "mean_divisor": "meanOver", "kl_form": "form", "axis": "classAxis", "LOGITS": ".logits",
    ]
    if let name = names[text] { return name }
    if !text.allSatisfy({ $0.isLowercase || $0 == "_" }) { return text }
    let parts = text.split(separator: "_")
    return parts.dropFirst().reduce(String(parts.first ?? "")) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
}

/// A shape without its class axis.
private func rowShape(_ shape: [Int], _ axis: Int) -> [Int] {
    var rows = shape
    let position = axis < 0 ? axis + shape.count : axis
    if shape.indices.contains(position) { rows.remove(at: position) }
    return rows
}

private let statusCodes = [
    "CE_OK", "CE_ERROR_NULL_POINTER", "CE_ERROR_OPTIONS_SIZE", "CE_ERROR_DTYPE", "CE_ERROR_SHAPE", "CE_ERROR_OVERFLOW",
    "CE_ERROR_OVERLAP", "CE_ERROR_LABEL", "CE_ERROR_OPTION", "CE_ERROR_EMPTY", "CE_ERROR_OUT_OF_MEMORY",
    "CE_ERROR_CANCELLED",
]

private func mismatch(_ got: Double, _ want: Double, _ tolerance: Double) -> String? {
    let isRight = want.isNaN ? got.isNaN : want.isInfinite ? got == want : (got - want).magnitude <= tolerance
    return isRight ? nil : "is \(got) instead of \(want) (tolerance \(tolerance))"
}

private func number(_ value: Any) -> Double {
    switch value {
    case let text as String: Double(text)!
    case let number as NSNumber: Double(number.stringValue)!  // doubleValue may be off in the last place
    default: fatalError("not a number: \(value)")
    }
}

private func numbers(_ values: Any) -> [Double] { (values as! [Any]).map(number) }

private func integerText(_ value: Any) -> String { value as? String ?? (value as! NSNumber).stringValue }

private let dtypeCodes: [String: Int32] = [
    "f32": 1, "f64": 2, "f16": 3, "bf16": 4, "i8": 16, "i16": 17, "i32": 18, "i64": 19, "u8": 20, "u16": 21, "u32": 22,
    "u64": 23,
]

/// The 16 bits of a number that the dtype holds exactly, or of an infinity or NaN.
private func halfBits(_ value: Double, _ dtype: String) -> UInt16 {
    let single = Float(value)
    let word = single.bitPattern
    if dtype == "bf16" { return UInt16(word >> 16) }
    let sign = UInt16(word >> 16) & 0x8000
    if single.isNaN { return 0x7E00 }
    if single.isInfinite { return sign | 0x7C00 }
    // Beside the sign an f16 is an f32 that is 2^112 times as small, with 13 bits fewer.
    return sign | UInt16((single.magnitude * 0x1p-112).bitPattern >> 13)
}

private func widened(_ bits: UInt16, _ dtype: String) -> Double {
    if dtype == "bf16" { return Double(Float(bitPattern: UInt32(bits) << 16)) }
    let magnitude = bits & 0x7FFF
    if magnitude > 0x7C00 { return .nan }
    let size = magnitude == 0x7C00 ? .infinity : Double(Float(bitPattern: UInt32(magnitude) << 13)) * 0x1p112
    return bits >> 15 == 0 ? size : -size
}

/// A tensor of a case, in memory of its own.
private final class Storage {
    let shape: [Int]
    private let strides: [Int]
    private let offset: Int
    private let dtype: String
    private let data: UnsafeMutableRawPointer

    init?(_ fields: [String: Any], _ key: String, dtypeKey: String? = nil, shapeKey: String? = nil) {
        guard let values = fields[key] else { return nil }
        func integers(_ key: String) -> [Int]? { (fields[key] as? [NSNumber])?.map(\.intValue) }
        let prefix = key == "x" ? "" : key + "_"
        dtype = fields[dtypeKey ?? key + "_dtype"] as? String ?? "f64"
        let shape = integers(shapeKey ?? key + "_shape") ?? []
        self.shape = shape
        strides = integers(prefix + "strides") ?? rowMajor(shape)
        offset = (fields[prefix + "offset"] as? NSNumber)?.intValue ?? 0
        let texts = (values as? [Any]).map { $0.map(integerText) }
        let generated = (values as? [String: Any]).map {
            generate($0, count: (fields["buffer_size"] as? NSNumber)?.intValue ?? shape.reduce(1, *))
        }
        let count = texts?.count ?? generated!.count
        data = .allocate(byteCount: max(8, 8 * count), alignment: 8)
        for i in 0..<count { store(i, text: texts?[i], generated: generated?[i] ?? 0) }
    }

    convenience init?(integers: [NSNumber]?) {
        guard let integers else { return nil }
        self.init(["list": integers, "list_dtype": "i64", "list_shape": [integers.count]], "list")
    }

    init(zeros shape: [Int], _ dtype: String) {
        self.shape = shape
        strides = rowMajor(shape)
        offset = 0
        self.dtype = dtype
        let bytes = max(8, 8 * shape.reduce(1, *))
        data = .allocate(byteCount: bytes, alignment: 8)
        data.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    }

    deinit { data.deallocate() }

    private func store(_ i: Int, text: String?, generated: Double) {
        func put<T: FixedWidthInteger>(_: T.Type) {
            data.storeBytes(
                of: text.map { T($0)! } ?? T(generated), toByteOffset: i * MemoryLayout<T>.size, as: T.self)
        }
        switch dtype {
        case "f32":
            data.storeBytes(of: Float(text.map { Double($0)! } ?? generated), toByteOffset: 4 * i, as: Float.self)
        case "f16", "bf16":
            let bits = halfBits(text.map { Double($0)! } ?? generated, dtype)
            data.storeBytes(of: bits, toByteOffset: 2 * i, as: UInt16.self)
        case "f64": data.storeBytes(of: text.map { Double($0)! } ?? generated, toByteOffset: 8 * i, as: Double.self)
        case "i8": put(Int8.self)
        case "i16": put(Int16.self)
        case "i32": put(Int32.self)
        case "i64": put(Int64.self)
        case "u8": put(UInt8.self)
        case "u16": put(UInt16.self)
        case "u32": put(UInt32.self)
        default: put(UInt64.self)
        }
    }

    var view: TensorView {
        let size =
            ["i8": 1, "u8": 1, "i16": 2, "u16": 2, "f16": 2, "bf16": 2, "f32": 4, "i32": 4, "u32": 4][dtype] ?? 8
        return TensorView(
            data: data + offset * size, dtype: dtypeCodes[dtype]!, shape: shape, strides: strides)
    }

    /// The floating-point elements by shape, last dimension fastest.
    func elements() -> [Double] {
        let count = shape.reduce(1, *)
        return (0..<count).map { flat in
            var rest = flat
            var at = offset
            for d in shape.indices.reversed() {
                at += rest % shape[d] * strides[d]
                rest /= shape[d]
            }
            return switch dtype {
            case "f64": data.load(fromByteOffset: 8 * at, as: Double.self)
            case "f32": Double(data.load(fromByteOffset: 4 * at, as: Float.self))
            default: widened(data.load(fromByteOffset: 2 * at, as: UInt16.self), dtype)
            }
        }
    }
}

private func rowMajor(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for d in shape.indices.dropLast().reversed() { strides[d] = strides[d + 1] * shape[d + 1] }
    return strides
}

/// Inputs that are described rather than listed.
private func generate(_ recipe: [String: Any], count: Int) -> [Double] {
    var values: [Double]
    if let constant = recipe["constant"] {
        values = Array(repeating: number(constant), count: count)
    } else {
        let lcg = recipe["lcg"] as! [String: NSNumber]
        let bits = lcg["bits"]!.int64Value
        let scale = pow(2.0, lcg["exponent"]!.doubleValue)
        var state = lcg["seed"]!.uint64Value
        values = (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let u = Int64(state >> UInt64(64 - bits))
            return Double(u - (1 << (bits - 1)) + lcg["shift"]!.int64Value) * scale
        }
    }
    for pair in recipe["set"] as? [[Any]] ?? [] { values[(pair[0] as! NSNumber).intValue] = number(pair[1]) }
    return values
}
