import KernelABI
import Shims

/// The processor and the environment, examined once per process.
public enum Processor {
    static var state: UnsafeMutablePointer<crossentropy_process> {
        crossentropy_process_state { Processor.fill($0!) }
    }

    /// The kernels of the chosen instruction set.
    static var kernels: UnsafeMutablePointer<crossentropy_kernels> {
        withUnsafeMutablePointer(to: &state.pointee.kernels) { $0 }
    }

    /// The name of the instruction set that the kernels use; static.
    public static var isa: UnsafePointer<CChar> { state.pointee.isa }

    private static func fill(_ state: UnsafeMutablePointer<crossentropy_process>) {
        state.pointee.environment_threads = ThreadCount.inEnvironment()
        state.pointee.forced_route = Route.inEnvironment?.rawValue ?? 0
        #if arch(x86_64)
            let cap = environmentLevel() ?? 2
            let level = min(cap, supportedLevel())
            switch level {
            case 2:
                crossentropy_kernels_avx2(&state.pointee.kernels)
                crossentropy_kernels_avx512(&state.pointee.kernels)
            case 1: crossentropy_kernels_avx2(&state.pointee.kernels)
            default: crossentropy_kernels_baseline(&state.pointee.kernels)
            }
            state.pointee.isa = level == 2 ? name("avx512") : level == 1 ? name("avx2") : name("baseline")
        #else
            crossentropy_kernels_baseline(&state.pointee.kernels)
            state.pointee.isa = name("neon")
        #endif
    }

    private static func name(_ name: StaticString) -> UnsafePointer<CChar> {
        UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    }

    #if arch(x86_64)
        /// 0 baseline, 1 avx2, 2 avx512; nil: no cap.
        private static func environmentLevel() -> Int? {
            guard let text = getenv("CROSSENTROPY_ISA") else { return nil }
            if strcmp(text, "baseline") == 0 { return 0 }
            if strcmp(text, "avx2") == 0 { return 1 }
            return nil
        }

        /// The highest of the x86-64 levels v3 and v4 whose code this process can run: the processor has the
        /// instructions, and the operating system saves the registers.
        private static func supportedLevel() -> Int {
            func cpuid(_ leaf: UInt32) -> (ebx: UInt32, ecx: UInt32)? {
                var a: UInt32 = 0
                var b: UInt32 = 0
                var c: UInt32 = 0
                var d: UInt32 = 0
                return shim_cpuid(leaf, 0, &a, &b, &c, &d) ? (b, c) : nil
            }
            func has(_ word: UInt32, _ bits: UInt32) -> Bool { word & bits == bits }

            guard let one = cpuid(1), let seven = cpuid(7), let extended = cpuid(0x8000_0001) else { return 0 }
            // SSE3, SSSE3, FMA, SSE4.1, SSE4.2, MOVBE, POPCNT, OSXSAVE, AVX, F16C
            let v3: UInt32 = 1 | 1 << 9 | 1 << 12 | 1 << 19 | 1 << 20 | 1 << 22 | 1 << 23 | 1 << 27 | 1 << 28 | 1 << 29
            guard has(one.ecx, v3) else { return 0 }
            let xcr0 = shim_xcr0()
            // BMI1, AVX2, BMI2; LZCNT; XMM and YMM state
            guard has(seven.ebx, 1 << 3 | 1 << 5 | 1 << 8), has(extended.ecx, 1 << 5), xcr0 & 0x6 == 0x6 else {
                return 0
            }
            // AVX-512 F, DQ, CD, BW, VL; mask and ZMM state
            let v4: UInt32 = 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 | 1 << 31
            return has(seven.ebx, v4) && xcr0 & 0xE6 == 0xE6 ? 2 : 1
        }
    #endif
}
