/// What a long job tells while it works. Rendering is the caller's business.
package struct ProgressEvent: Sendable {
  /// "clean", "step", "item": what `done` counts.
  package var unit: String
  package var done: Int
  /// nil while unknown.
  package var total: Int?
  /// Named numbers to show beside the bar in this order: loss, tokens/s, memory.
  package var figures: [(name: String, value: Double)]

  package init(unit: String, done: Int, total: Int? = nil, figures: [(name: String, value: Double)] = []) {
    self.unit = unit
    self.done = done
    self.total = total
    self.figures = figures
  }
}

/// Receives progress and says whether to go on; `.stop` asks for an orderly stop at the next safe point.
package typealias ProgressHandler = @Sendable (ProgressEvent) -> ProgressReply

package enum ProgressReply: Sendable { case goOn, stop }
