/// One example as token ids, and which of them are to be learned.
package struct EncodedExample: Sendable, Equatable {
  package let ids: [Int32]
  /// Whether each token is to be predicted from those before it; the first never is, nothing comes before it.
  package let trained: [Bool]

  package init(ids: [Int32], trained: [Bool]) {
    self.ids = ids
    var trained = trained
    if !trained.isEmpty { trained[0] = false }
    self.trained = trained
  }

  package var trainedCount: Int { trained.reduce(0) { $0 + ($1 ? 1 : 0) } }
}

/// Why a row gives no example; the raw values are what ledgers and reports count by.
package enum RowDrop: String, Sendable, CaseIterable {
  /// None of the three forms of a row, or a member of the wrong type.
  case malformed
  /// The template refused the conversation.
  case renderFailed = "render_failed"
  /// More tokens than `max_seq_length`.
  case tooLong = "too_long"
  /// Not one token to learn.
  case nothingTrained = "nothing_trained"
}

/// What becomes of one row.
package enum EncodedRow: Sendable {
  /// One example, or several blocks of a long text; `isCut` when last turns were left out, `leftOut` counts blocks of
  /// the text that hold nothing to learn.
  case examples([EncodedExample], isCut: Bool, leftOut: Int = 0)
  case dropped(RowDrop, detail: String)
}
