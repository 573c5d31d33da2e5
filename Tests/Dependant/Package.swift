// swift-tools-version: 6.2
import PackageDescription

// Somebody else's package; tools/test_dependant.sh fills in where to find ours, and README.md's lines as Sources/readme.
let package = Package(
    name: "dependant",
    dependencies: [.package(url: "@REPOSITORY@", exact: "@VERSION@")],
    targets: ["dependant", "readme"].map {
        .executableTarget(name: $0, dependencies: [.product(name: "CrossEntropy", package: "crossentropy")])
    }
)
