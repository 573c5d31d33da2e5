import CABI
import CCrossEntropy
import Core
import Testing

@Test func dtypeCodesAreThoseOfTheHeader() {
    let codes: [(Int, DType)] = [
        (CE_F32, .f32), (CE_F64, .f64), (CE_F16, .f16), (CE_BF16, .bf16), (CE_I8, .i8), (CE_I16, .i16), (CE_I32, .i32),
        (CE_I64, .i64), (CE_U8, .u8),
        (CE_U16, .u16), (CE_U32, .u32), (CE_U64, .u64),
    ]
    for (code, dtype) in codes { #expect(DType(rawValue: Int32(code)) == dtype) }
}

@Test func optionCodesAreThoseOfTheHeader() {
    #expect(InputType(rawValue: Int32(CE_INPUT_LOGITS)) == .logits)
    #expect(InputType(rawValue: Int32(CE_INPUT_PROBS)) == .probs)
    #expect(InputType(rawValue: Int32(CE_INPUT_LOG_PROBS)) == .logProbs)
    #expect(Reduction(rawValue: Int32(CE_REDUCTION_MEAN)) == .mean)
    #expect(Reduction(rawValue: Int32(CE_REDUCTION_SUM)) == .sum)
    #expect(Reduction(rawValue: Int32(CE_REDUCTION_NONE)) == Reduction.none)
    #expect(MeanOver(rawValue: Int32(CE_MEAN_OVER_WEIGHT)) == .weight)
    #expect(MeanOver(rawValue: Int32(CE_MEAN_OVER_MASS)) == .mass)
    #expect(MeanOver(rawValue: Int32(CE_MEAN_OVER_COUNT)) == .count)
    #expect(MeanOver(rawValue: Int32(CE_MEAN_OVER_DIVISOR)) == .divisor)
    #expect(EmptyPolicy(rawValue: Int32(CE_EMPTY_NAN)) == .nan)
    #expect(EmptyPolicy(rawValue: Int32(CE_EMPTY_ZERO)) == .zero)
    #expect(EmptyPolicy(rawValue: Int32(CE_EMPTY_ERROR)) == .error)
}

@Test func limitsAreThoseOfTheHeader() {
    #expect(maxDimensions == Int(CE_MAX_NDIM))
    #expect(maxThreads == Int(CE_MAX_THREADS))
    #expect(
        MemoryLayout<ce_options>.offset(of: \.cancel) == 216, "the end of the first release's struct; it may only grow")
}

@Test func versionIsOneNumber() {
    let text = "\(CE_VERSION_MAJOR).\(CE_VERSION_MINOR).\(CE_VERSION_PATCH)"
    #expect(String(cString: ce_version_string()) == text)
    #expect(ce_version() == CE_VERSION_MAJOR * 10000 + CE_VERSION_MINOR * 100 + CE_VERSION_PATCH)
}

@Test func threadCountIsKept() {
    #expect(ce_set_num_threads(3) == CE_OK)
    #expect(ce_get_num_threads() == 3)
    #expect(ce_set_num_threads(-1) == CE_ERROR_OPTION)
    #expect(ce_get_num_threads() == 3)
    #expect(ce_set_num_threads(100_000) == CE_OK)
    #expect(ce_get_num_threads() == CE_MAX_THREADS)
    #expect(ce_set_num_threads(0) == CE_OK)
    #expect(ce_get_num_threads() >= 1)
}

@Test func aCallHasRoomForSixteenTensors() async {
    await #expect(processExitsWith: .success) { takeRoom(tensors: 16, dimensions: 2) }
    await #expect(processExitsWith: .success) { takeRoom(tensors: 16, dimensions: maxDimensions) }
    await #expect(processExitsWith: .failure) { takeRoom(tensors: 17, dimensions: 2) }
    await #expect(processExitsWith: .failure) { takeRoom(tensors: 1, dimensions: maxDimensions + 1) }
}

private func takeRoom(tensors: Int, dimensions: Int) {
    _ = CallStorage.with { storage in
        for _ in 0..<tensors {
            guard let room = try? storage.nextTensor(dimensions) else { return 1 }
            room[dimensions - 1] = TensorDimension()
        }
        return 0
    }
}
