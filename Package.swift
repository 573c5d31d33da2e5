// swift-tools-version: 6.2
import PackageDescription

// Two builds from the same sources, never linked into one image:
//  - the normal one, for Swift programs that depend on this package, and for the tests;
//  - with CROSSENTROPY_EMBEDDED=1 (and a scratch path of its own: see the Makefile) libcrossentropy.so in
//    Embedded Swift, which needs no Swift runtime.
let embedded = Context.environment["CROSSENTROPY_EMBEDDED"] == "1"

// What every Swift module is built with.
let common: [SwiftSetting] =
    embedded
    ? [
        .enableExperimentalFeature("Embedded"),
        .unsafeFlags([
            "-wmo",  // Embedded Swift specialises generics across the whole module
            "-enforce-exclusivity=unchecked",  // the checks would need the Swift runtime
        ]),
    ] : []

// What checks and plans calls is kept small: most of it runs only for calls with errors or with rare options. What a common
// call runs is marked `@_optimize(speed)`; a function of which the pass named here makes a copy would lose that mark.
let small: [SwiftSetting] =
    embedded ? [.unsafeFlags(["-Osize", "-Xllvm", "-sil-disable-pass=function-signature-opts"])] : []

// Kernels are optimised in every configuration, since SIMD in a debug build is hundreds of times slower. They
// take only pointers and sizes that Core has checked, so overflow and bounds checks would find nothing. Those for the
// x86-64 baseline are kept small instead: without fused multiply-adds they spend their time in libm.
func kernels(_ name: String, march: String?, optimization: String = "-Ounchecked") -> Target {
    var settings =
        common + [
            .define("CROSSENTROPY_\(name.uppercased())"),
            .unsafeFlags([optimization, "-wmo", "-Xfrontend", "-disable-stack-protector"]),
            // SwiftPM expects an object file per source file, and in debug builds index data to go with each. That is what
            // whole-module optimisation makes with a number of threads; without one it makes a single object file, and
            // fails. Release builds state a number themselves.
            .unsafeFlags(["-num-threads", "2", "-disable-batch-mode"], .when(configuration: .debug)),
        ]
    if let march {
        settings.append(.unsafeFlags(["-Xcc", "-march=\(march)"]))  // sets the module's own target too
    }
    return .target(
        name: name, dependencies: ["KernelABI", "Shims"], swiftSettings: settings,
        linkerSettings: [.linkedLibrary("m")])  // fma, where the processor has no such instruction
}

#if arch(x86_64)
    let kernelTargets = [
        kernels("Kernels", march: nil, optimization: "-Osize"),
        kernels("KernelsAVX2", march: "x86-64-v3"),
        kernels("KernelsAVX512", march: "x86-64-v4"),
    ]
#else
    let kernelTargets = [kernels("Kernels", march: nil)]
#endif
let kernelDependencies = kernelTargets.map { Target.Dependency(stringLiteral: $0.name) }

var products: [Product] = [.library(name: "CrossEntropy", targets: ["CrossEntropy"])]
var targets: [Target] =
    kernelTargets + [
        .systemLibrary(name: "CCrossEntropy", path: "include"),
        .target(name: "KernelABI"),
        .target(
            name: "Shims", dependencies: ["KernelABI"],
            // Thread-local storage without __tls_get_addr, see Shims.c.
            cSettings: [.unsafeFlags(["-mtls-dialect=gnu2"])]
        ),
        .target(
            name: "Core", dependencies: ["KernelABI", "Shims"] + kernelDependencies, swiftSettings: common + small),
        .target(
            name: "CABI", dependencies: ["CCrossEntropy", "KernelABI", "Shims", "Core"], exclude: ["exports.map"],
            swiftSettings: common + small),
    ]

if embedded {
    products = [.library(name: "crossentropy", type: .dynamic, targets: ["CABI"])]
    targets.first { $0.name == "CABI" }!.linkerSettings = [
        .unsafeFlags([
            "-use-ld=lld",  // the toolchain's own, rather than what the system happens to have
            "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/CABI/exports.map",
            "-Xlinker", "-soname=libcrossentropy.so.0",
            "-Xlinker", "-z", "-Xlinker", "nodelete",  // workers may be asleep in it, so it must stay
            "-Xlinker", "-z", "-Xlinker", "defs",  // an undefined symbol fails here, not at the user's
            // Full RELRO: all symbols are bound at load time, and the table of their addresses is then read-only.
            "-Xlinker", "-z", "-Xlinker", "relro", "-Xlinker", "-z", "-Xlinker", "now",
            "-Xlinker", "--strip-all", "-Xlinker", "--gc-sections",
            "-Xlinker", "--icf=all",  // identical functions once: the kernels of two types share some
        ])
    ]
} else {
    targets += [
        .target(name: "CrossEntropy", dependencies: ["CCrossEntropy", "CABI"]),
        .target(name: "VectorCases", dependencies: ["CrossEntropy"], path: "Tests/VectorCases"),
        .executableTarget(
            name: "crossentropy-vectors", dependencies: ["VectorCases"], path: "Tests/SwiftConsumer"),
        .target(
            name: "KernelSweep", dependencies: ["KernelABI", "Shims"] + kernelDependencies, path: "Tests/KernelSweep"),
        .executableTarget(
            name: "crossentropy-exhaustive", dependencies: ["KernelSweep"], path: "Tests/Exhaustive"),
        .testTarget(name: "KernelTests", dependencies: ["KernelABI", "Shims", "KernelSweep"] + kernelDependencies),
        .testTarget(name: "CoreTests", dependencies: ["Core", "KernelABI", "Shims"]),
        .testTarget(name: "CABITests", dependencies: ["CABI", "CCrossEntropy"]),
        .testTarget(name: "CrossEntropyTests", dependencies: ["CrossEntropy", "VectorCases"]),
    ]
}

let package = Package(name: "crossentropy", products: products, targets: targets)
