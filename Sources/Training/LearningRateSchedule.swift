import Basics
import Foundation

/// The learning rate of every update: transformers' `get_*_schedule` formulas.
package struct LearningRateSchedule: Sendable, Equatable {
  /// Names as in Hugging Face's `lr_scheduler_type`.
  package enum Kind: String, Sendable, CaseIterable {
    case constant
    case constantWithWarmup = "constant_with_warmup"
    case linear
    case cosine
  }

  package let kind: Kind
  package let peak: Double
  package let warmupSteps: Int
  package let totalSteps: Int

  package init(kind: Kind, peak: Double, warmupSteps: Int, totalSteps: Int) {
    self.kind = kind
    self.peak = peak
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
  }

  /// The rate of update `step`, from 0.
  package func rate(step: Int) -> Double { peak * factor(step: step) }

  private func factor(step: Int) -> Double {
    if kind == .constant { return 1 }
    if step < warmupSteps { return Double(step) / Double(max(1, warmupSteps)) }
    let left = Double(max(1, totalSteps - warmupSteps))
    switch kind {
    case .constant, .constantWithWarmup: return 1
    case .linear: return max(0, Double(totalSteps - step) / left)
    case .cosine: return max(0, 0.5 * (1 + cos(Double.pi * Double(step - warmupSteps) / left)))
    }
  }
}
