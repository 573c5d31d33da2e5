import KernelABI

// Labels that follow one another, eight at a time.

typealias EightLabels = SIMD8<Int64>

/// How many labels are not `ignored`, if any label is ignored; -1 if another one is not a class.
@inline(__always)
func countLabels(
    _ count: Int, _ classes: Int, _ ignores: Bool, _ ignored: Int64, eight: (Int) -> EightLabels, one: (Int) -> Int64
) -> Int {
    let last = EightLabels(repeating: Int64(classes &- 1))
    let ignoredLabel = EightLabels(repeating: ignored)
    let hasIgnored = EightLabels(repeating: ignores ? -1 : 0)
    var outside = EightLabels(repeating: 0)
    var skipped = EightLabels(repeating: 0)
    @inline(__always) func add(_ label: EightLabels) {
        let isIgnored = unsafeBitCast(label .== ignoredLabel, to: EightLabels.self) & hasIgnored
        // The sign bit is set where label < 0 or label > last.
        outside |= (label | (last &- label)) & ~isIgnored
        skipped &+= isIgnored
    }
    var i = 0
    while i &+ 8 <= count {
        add(eight(i))
        i &+= 8
    }
    var isOutside: Int64 = 0
    var found: Int64 = 0
    for lane in 0..<8 {
        isOutside |= outside[lane]
        found &-= skipped[lane]
    }
    while i < count {
        let label = one(i)
        let isIgnored = label == ignored ? hasIgnored[0] : 0
        isOutside |= (label | (last[0] &- label)) & ~isIgnored
        found &-= isIgnored
        i &+= 1
    }
    return isOutside < 0 ? -1 : count &- Int(found)
}

@inline(never)
func countLabels64(_ labels: UnsafeRawPointer, _ count: Int, _ classes: Int, _ ignores: Bool, _ ignored: Int64) -> Int {
    countLabels(count, classes, ignores, ignored) {
        labels.loadUnaligned(fromByteOffset: $0 &* 8, as: EightLabels.self)
    } one: {
        labels.loadUnaligned(fromByteOffset: $0 &* 8, as: Int64.self)
    }
}

@inline(never)
func countLabels32(_ labels: UnsafeRawPointer, _ count: Int, _ classes: Int, _ ignores: Bool, _ ignored: Int64) -> Int {
    countLabels(count, classes, ignores, ignored) {
        widened(labels, $0)
    } one: {
        Int64(labels.loadUnaligned(fromByteOffset: $0 &* 4, as: Int32.self))
    }
}

@inline(__always)
private func widened(_ labels: UnsafeRawPointer, _ i: Int) -> EightLabels {
    let x = labels.loadUnaligned(fromByteOffset: i &* 4, as: SIMD8<Int32>.self)
    return EightLabels(
        Int64(x[0]), Int64(x[1]), Int64(x[2]), Int64(x[3]), Int64(x[4]), Int64(x[5]), Int64(x[6]), Int64(x[7]))
}

/// Copies labels of 32 bits as labels of 64.
@inline(never)
func widenLabels(_ labels: UnsafeRawPointer, _ count: Int, _ copy: UnsafeMutablePointer<Int64>) {
    var i = 0
    while i &+ 8 <= count {
        UnsafeMutableRawPointer(copy + i).storeBytes(of: widened(labels, i), as: EightLabels.self)
        i &+= 8
    }
    while i < count {
        copy[i] = Int64(labels.loadUnaligned(fromByteOffset: i &* 4, as: Int32.self))
        i &+= 1
    }
}
