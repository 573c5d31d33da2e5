import Foundation
import KernelSweep

// The exponential in f32 of every input, or of every N-th: crossentropy-exhaustive [N]. The bound is 1 ulp.

let step = CommandLine.arguments.count > 1 ? UInt64(CommandLine.arguments[1])! : 1
var isGood = true
for (name, table) in KernelTables.all {
    let sweep = ExpSweep.run(table, step: step)
    print(
        String(
            format: "%@: %ld inputs, worst error %.4f ulp at %a, %ld of the wrong kind", name, sweep.count, sweep.worst,
            sweep.worstInput, sweep.mistakes))
    isGood = isGood && sweep.worst <= 1 && sweep.mistakes == 0
}
print(isGood ? "\(KernelTables.all.count) passed, 0 failed" : "a bound is exceeded")
exit(isGood ? 0 : 1)
