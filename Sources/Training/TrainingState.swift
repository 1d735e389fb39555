import Basics

/// Where a training stands between two updates, beside its tensors; everything needed to go on as if never stopped.
///
/// The position in the data and the order of the epoch follow from `step` and the seed.
struct TrainingState: Sendable, Equatable {
  /// Updates done, skipped ones included.
  var step = 0
  /// Updates applied: AdamW's t.
  var updates = 0
  /// Updates skipped since the last one applied.
  var skippedInARow = 0
  var skipped = 0
  var tokens = 0
  var trainedTokens = 0
  var seconds = 0.0
  /// Sum and count of the losses of all updates that were applied.
  var lossSum = 0.0
  var lossCount = 0
  /// The same since the last metrics row.
  var rowLossSum = 0.0
  var rowLossCount = 0
  var rowTokens = 0
  var rowSeconds = 0.0
  var rows: [MetricRow] = []

  init() {}

  var json: JSON {
    [
      "step": JSON(step), "updates": JSON(updates), "skipped_in_a_row": JSON(skippedInARow),
      "skipped": JSON(skipped), "tokens": JSON(tokens), "trained_tokens": JSON(trainedTokens),
      "seconds": JSON(seconds), "loss_sum": JSON(lossSum), "loss_count": JSON(lossCount),
      "row_loss_sum": JSON(rowLossSum), "row_loss_count": JSON(rowLossCount), "row_tokens": JSON(rowTokens),
      "row_seconds": JSON(rowSeconds), "rows": .array(rows.map(\.json)),
    ]
  }

  /// nil when `json` lacks a part.
  init?(_ json: JSON) {
    guard let step = json["step"]?.int, let updates = json["updates"]?.int,
      let skippedInARow = json["skipped_in_a_row"]?.int, let skipped = json["skipped"]?.int,
      let tokens = json["tokens"]?.int, let trainedTokens = json["trained_tokens"]?.int,
      let seconds = json["seconds"]?.double, let lossSum = json["loss_sum"]?.double,
      let lossCount = json["loss_count"]?.int, let rowLossSum = json["row_loss_sum"]?.double,
      let rowLossCount = json["row_loss_count"]?.int, let rowTokens = json["row_tokens"]?.int,
      let rowSeconds = json["row_seconds"]?.double, let rows = json["rows"]?.array
    else { return nil }
    self.step = step
    self.updates = updates
    self.skippedInARow = skippedInARow
    self.skipped = skipped
    self.tokens = tokens
    self.trainedTokens = trainedTokens
    self.seconds = seconds
    self.lossSum = lossSum
    self.lossCount = lossCount
    self.rowLossSum = rowLossSum
    self.rowLossCount = rowLossCount
    self.rowTokens = rowTokens
    self.rowSeconds = rowSeconds
    self.rows = rows.compactMap { MetricRow($0) }
    guard self.rows.count == rows.count, step >= 0, updates >= 0 else { return nil }
  }
}
