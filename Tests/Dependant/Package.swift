// swift-tools-version: 6.2
import PackageDescription

// Somebody else's package; tools/test_dependant.sh fills in where to find ours.
let package = Package(
    name: "dependant",
    dependencies: [.package(url: "@REPOSITORY@", exact: "@VERSION@")],
    targets: [
        .executableTarget(name: "dependant", dependencies: [.product(name: "CrossEntropy", package: "crossentropy")])
    ]
)
