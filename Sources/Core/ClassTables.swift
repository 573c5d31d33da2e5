import KernelABI
import Shims

/// Tables with a contiguous double per class, in memory from malloc, for calls that need the target mass of every class.
struct ClassTables {
    /// The class weights divided by 2^weightExponent. That is 1 unless weights are near an end of the range.
    private(set) var weights: UnsafeMutablePointer<Double>?
    private(set) var weightExponent = 0
    /// The exponent that brings the largest class weight near 1, if that weight is near an end of the range; else 0.
    private(set) var massExponent = 0
    /// The prior, times the label smoothing.
    private(set) var priors: UnsafeMutablePointer<Double>?

    /// No tables.
    init() {}

    /// `nil` if memory runs out.
    @inline(never)
    init?(for problem: UnsafePointer<Problem>) {
        let classes = problem.pointee.classes
        let smoothing = problem.pointee.settings.labelSmoothing
        let prior = smoothing == 0 ? nil : problem.pointee.prior
        if let weight = problem.pointee.weight {
            weights = Self.room(classes)
            guard let weights else { return nil }
            problem.pointee.settings.forEachPart(of: classes) { part in
                for c in part { weights[c] = weight.double(at: c * weight.classStride) }
            }
            (weightExponent, massExponent) = Self.normalize(weights, for: problem)
        }
        if let prior {
            priors = Self.room(classes)
            guard let priors else {
                free()
                return nil
            }
            problem.pointee.settings.forEachPart(of: classes) { part in
                for c in part { priors[c] = smoothing * prior.double(at: c * prior.classStride) }
            }
        }
    }

    @inline(__always)
    func free() {
        if let weights { Shims.free(weights) }
        if let priors { Shims.free(priors) }
    }

    private static func room(_ classes: Int) -> UnsafeMutablePointer<Double>? {
        guard let memory = calloc(classes, MemoryLayout<Double>.stride) else { return nil }
        shim_use_large_pages(memory, classes * MemoryLayout<Double>.stride)
        return memory.bindMemory(to: Double.self, capacity: classes)
    }

    /// Divides the class weights by a power of two if the largest is near an end of the range. Returns that power's
    /// exponent, and the exponent that would bring the largest weight near 1. The z-loss is divided by the power too,
    /// because it is added to the weighted terms. None of these numbers may get near the other end.
    private static func normalize(_ weights: UnsafeMutablePointer<Double>, for problem: UnsafePointer<Problem>) -> (
        Int, Int
    ) {
        var largest = 0.0
        var least = Double.infinity
        problem.pointee.settings.forEachPart(of: problem.pointee.classes) { part in
            for c in part where weights[c] != 0 {
                let weight = weights[c].magnitude
                if weight > largest { largest = weight }
                if weight < least { least = weight }
            }
        }
        if largest == 0 || largest == .infinity { return (0, 0) }
        let massExponent = largest.isOrdinary ? 0 : -ScaledNumber(largest).exponent
        let zLoss = problem.pointee.settings.terms.z_loss
        if zLoss != 0 { (least, largest) = (min(least, zLoss), max(largest, zLoss)) }
        let (low, high) = (ScaledNumber(least).exponent, ScaledNumber(largest).exponent)
        // Ordinary weights are not divided, unless there are others so small that they lose digits in products.
        let exponent =
            high.magnitude < 200
            ? (low < -700 ? high - 200 : 0) : high > 0 ? max(0, min(high, low + 700)) : high
        if exponent == 0 { return (0, massExponent) }
        problem.pointee.settings.forEachPart(of: problem.pointee.classes) { part in
            for c in part { weights[c] = ScaledNumber(weights[c]).shifted(by: -exponent).value }
        }
        return (exponent, massExponent)
    }
}
