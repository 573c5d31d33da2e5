import Foundation
import VectorCases

// Runs the shared vectors through the Swift API:
//
//     crossentropy-vectors FILE.json ... [--results OUT]
//
// checks each case, and with --results writes one line a case, as Tests/C/vectors.c does:
// name status nloss losses... ngrad gradients..., numbers as C99 hexadecimal.

var files: [String] = []
var results: String?
var arguments = CommandLine.arguments.dropFirst().makeIterator()
while let argument = arguments.next() {
    if argument == "--results" { results = arguments.next() } else { files.append(argument) }
}
guard !files.isEmpty else {
    print("usage: crossentropy-vectors FILE.json ... [--results OUT]")
    exit(2)
}

func hexadecimal(_ x: Double) -> String { x.isNaN ? "nan" : String(format: "%a", x) }

var lines: [String] = []
var passed = 0
var failed = 0
for file in files {
    for vector in try VectorCase.load(URL(fileURLWithPath: file)) where !vector.isForC {
        let outcome = vector.run()
        if let complaint = vector.complaint(about: outcome) ?? vector.complaintAboutStatistics() {
            print("FAIL \(vector.name): \(complaint)")
            failed += 1
        } else {
            passed += 1
        }
        let fields =
            [vector.name, "\(outcome.status)", "\(outcome.loss.count)"] + outcome.loss.map(hexadecimal)
            + ["\(outcome.grad.count)"] + outcome.grad.map(hexadecimal)
        lines.append(fields.joined(separator: " "))
    }
}
if let results { try (lines.joined(separator: "\n") + "\n").write(toFile: results, atomically: true, encoding: .utf8) }
print("\(passed) passed, \(failed) failed")
exit(failed == 0 ? 0 : 1)
