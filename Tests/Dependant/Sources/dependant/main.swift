import CrossEntropy
import Foundation

let loss = CrossEntropyLoss()
let predictions = [0.1, 0.4, 0.5, 0.8, 0.1, 0.1]
let value = try loss(predictions, labels: [2, 0], classes: 3)
do {
    _ = try loss(predictions, labels: [2, 7], classes: 3)
} catch {
    print(String(format: "%.7f", value), error)
}
