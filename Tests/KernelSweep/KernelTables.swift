import Foundation
import KernelABI

/// The kernel tables that this machine can run, by name.
public enum KernelTables {
    public static let all: [(name: String, table: crossentropy_kernels)] = {
        var tables: [(String, crossentropy_kernels)] = []
        func add(_ name: String, _ fill: (UnsafeMutablePointer<crossentropy_kernels>) -> Void) {
            var table = crossentropy_kernels()
            fill(&table)
            tables.append((name, table))
        }
        add("baseline") { crossentropy_kernels_baseline($0) }
        #if arch(x86_64)
            let flags = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
            if flags.contains(" avx2 ") && flags.contains(" fma ") { add("avx2") { crossentropy_kernels_avx2($0) } }
            if flags.contains(" avx512vl ") && flags.contains(" avx512dq ") {

                add("avx512") {
                    crossentropy_kernels_avx2($0)
                    crossentropy_kernels_avx512($0)
                }

            }
        #endif
        return tables
    }()
}
