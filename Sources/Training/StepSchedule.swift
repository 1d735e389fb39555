import Basics
import Foundation

/// Which examples make up every update of a training: a pure function of options and data sizes.
///
/// Counting follows transformers' Trainer: an epoch has `ceil(ceil(examples / batch) / accumulation)` updates, its last
/// one over what is left; `max_steps` above 0 decides the number of updates, else `ceil(epochs * updates per epoch)`.
package struct StepSchedule: Sendable, Equatable {
  package let exampleCount: Int
  package let batchSize: Int
  package let accumulationSteps: Int
  package let totalSteps: Int
  package let warmupSteps: Int
  private let seed: UInt64
  private let shuffles: Bool

  package init(examples: Int, options: TrainerOptions) {
    exampleCount = examples
    batchSize = options.batchSize
    accumulationSteps = options.accumulationSteps
    seed = options.seed
    shuffles = options.shuffles
    let batches = (examples + options.batchSize - 1) / options.batchSize
    let perEpoch = max(1, (batches + options.accumulationSteps - 1) / options.accumulationSteps)
    totalSteps = options.maxSteps > 0 ? options.maxSteps : Int((options.epochs * Double(perEpoch)).rounded(.up))
    warmupSteps =
      options.warmupSteps > 0
      ? options.warmupSteps : Int((Double(totalSteps) * options.warmupRatio).rounded(.up))
  }

  /// Micro-batches of an epoch.
  package var microBatchesPerEpoch: Int { (exampleCount + batchSize - 1) / batchSize }
  /// Updates of an epoch.
  package var stepsPerEpoch: Int {
    max(1, (microBatchesPerEpoch + accumulationSteps - 1) / accumulationSteps)
  }

  /// Examples of a full update.
  package var examplesPerStep: Int { batchSize * accumulationSteps }

  /// Epoch of update `step` (from 0), and its place in the epoch.
  package func place(of step: Int) -> (epoch: Int, update: Int) { (step / stepsPerEpoch, step % stepsPerEpoch) }

  /// Epochs done after `steps` updates, with the fraction.
  package func epochs(after steps: Int) -> Double { Double(steps) / Double(stepsPerEpoch) }

  /// The order of the examples in an epoch.
  package func order(epoch: Int) -> [Int] {
    let plain = Array(0..<exampleCount)
    guard shuffles else { return plain }
    var generator = SeededGenerator(seed: seed, stream: StepSchedule.orderStream &+ UInt64(epoch))
    return generator.shuffled(plain)
  }

  /// The examples of each micro-batch of the `update`-th update of an epoch with `order`.
  package func microBatches(update: Int, order: [Int]) -> [[Int]] {
    let first = update * accumulationSteps
    return (first..<min(first + accumulationSteps, microBatchesPerEpoch)).map { batch in
      Array(order[batch * batchSize..<min((batch + 1) * batchSize, exampleCount)])
    }
  }

  /// Streams of the seeded generator from here on order epochs, one each.
  private static let orderStream: UInt64 = 0x6f72_6465_7200_0000
}
