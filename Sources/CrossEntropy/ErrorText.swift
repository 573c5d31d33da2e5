// Errors of the C functions, with the names of this API.

/// The text without the name of the C function at its beginning, and with arguments, options and values named as in Swift.
///
/// - Parameter names: The caller's names of the C function's arguments, if they are not the same names in camel case.
func inSwiftWords(_ text: String, _ names: [String: String]) -> String {
    var rest = text[...]
    if text.hasPrefix("ce_"), let colon = text.firstIndex(of: ":") {
        rest = text[colon...].dropFirst().drop { $0 == " " }
    }
    var result = ""
    while let first = rest.first {
        let word = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        result += word.isEmpty ? String(first) : names[String(word)] ?? inSwift(String(word))
        rest = rest.dropFirst(max(1, word.count))
    }
    return result
}

private func inSwift(_ word: String) -> String {
    if let known = known[word] { return known }
    // A value: MEAN_OVER_MASS is MASS in C's text, and .mass in Swift.
    let isValue = word.count > 2 && word.allSatisfy { $0.isUppercase || $0 == "_" }
    if isValue { return "." + camelCase(word.lowercased()) }
    return word.contains("_") ? camelCase(word) : word
}

private let known = [
    "NULL": "nil", "grad": "gradient", "grad_target": "targetGradient", "weight": "classWeights",
    "pos_weight": "positiveWeights", "kl_form": "form", "mean_divisor": "meanOver", "row_stats": "statistics",
    "f32": "Float", "f64": "Double", "f16": "float16", "bf16": "bfloat16", "i64": "Int64",
]

private func camelCase(_ word: String) -> String {
    let parts = word.split(separator: "_")
    return parts.dropFirst().reduce(String(parts.first ?? "")) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
}
