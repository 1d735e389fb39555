/// Memory that encoding works in, kept between texts; one encoding at a time owns it.
final class EncodingScratch: @unchecked Sendable {
  /// The word being merged.
  var word = WordSymbols()
  /// Tokens of the text so far.
  var tokens: [Token] = []
  let cache = WordCache()
  /// What regular expressions match with; made when the first one runs.
  lazy var matcher = RegularExpression.Matcher()

  /// Frees what an unusually long text took.
  func giveBackExcess() {
    if word.capacity > 1 << 18 { word = WordSymbols() }
    if tokens.capacity > 1 << 18 { tokens = [] }
  }
}
