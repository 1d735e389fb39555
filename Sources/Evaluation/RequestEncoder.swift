import Basics
import Tokenization

/// Ids to feed and which of them are scored.
struct EncodedRequest: Sendable {
  /// All ids, context first.
  var ids: [Int32]
  /// How many of the last ids are scored; each has an id before it.
  var scored: Int
  /// Whether ids on the left were left out because the model reads no more.
  var isCut = false
}

/// Turns texts into ids by lm-evaluation-harness's rules (`_encode_pair`, rolling windows).
struct RequestEncoder {
  let tokenizer: Tokenizer
  /// Most ids a model reads at once.
  let maximumLength: Int

  /// The id that stands before a text without context: BOS, else EOS.
  private var prefixID: Int32? { tokenizer.bosID ?? tokenizer.eosID }

  /// White space at the context's end moves to the continuation; the continuation's ids are those of both texts
  /// without as many as the context alone has. Too long: the left is lost.
  func pair(_ context: PromptText, _ continuation: [UInt8]) throws(EvaluationError) -> EncodedRequest {
    let kept = RequestEncoder.lengthWithoutTrailingSpace(context.bytes)
    if kept == 0 {
      let ids = try encode(context.bytes + continuation, [], bos: false)
      guard let first = ids.first else { throw EvaluationError("a continuation without a token can not be scored") }
      guard let prefixID else { throw EvaluationError("the tokenizer has neither BOS nor EOS to stand before a text") }
      return cut(
        first == prefixID && ids.count > 1 ? ids : [prefixID] + ids,
        scored: first == prefixID ? ids.count - 1 : ids.count)
    }
    let whole = try encode(context.bytes + continuation, context.controlRanges, bos: tokenizer.addsBOS)
    let alone = try encode(Array(context.bytes[..<kept]), context.controlRanges, bos: tokenizer.addsBOS)
    guard whole.count > alone.count else {
      throw EvaluationError(
        "a continuation without a token can not be scored", value: String(decoding: continuation, as: UTF8.self))
    }
    guard !alone.isEmpty else { return cut(whole, scored: whole.count - 1) }
    return cut(whole, scored: whole.count - alone.count)
  }

  /// Windows that together score every id of a text once: the first begins with BOS or EOS, each later one with the
  /// id before its first scored one.
  func windows(_ text: [UInt8]) throws(EvaluationError) -> [EncodedRequest] {
    let ids = try encode(text, [], bos: false)
    guard let prefixID else { throw EvaluationError("the tokenizer has neither BOS nor EOS to stand before a text") }
    var windows: [EncodedRequest] = []
    var start = 0
    while start < ids.count {
      let end = min(start + maximumLength, ids.count)
      if start == 0 {
        windows.append(EncodedRequest(ids: [prefixID] + ids[..<end], scored: end))
      } else {
        // A last window that is not full reads as far back as it may.
        let from = max(0, end - maximumLength - 1)
        windows.append(EncodedRequest(ids: Array(ids[from..<end]), scored: end - start))
      }
      start = end
    }
    return windows
  }

  /// Ids of a prompt, its left cut so that `room` more fit.
  func prompt(_ prompt: PromptText, room: Int) throws(EvaluationError) -> EncodedRequest {
    guard room < maximumLength else {
      throw EvaluationError(
        "max_gen_toks leaves no room for a prompt within \(maximumLength) positions", value: "\(room)",
        remedy: "lower it below the model's length")
    }
    let ids = try ids(prompt)
    return EncodedRequest(
      ids: Array(ids.suffix(maximumLength - room)), scored: 0, isCut: ids.count > maximumLength - room)
  }

  /// All ids of a prompt: BOS as the tokenizer says, once, and nothing behind.
  func ids(_ prompt: PromptText) throws(EvaluationError) -> [Int32] {
    let ids = try encode(prompt.bytes, prompt.controlRanges, bos: tokenizer.addsBOS)
    if !ids.isEmpty { return ids }
    guard let prefixID else { throw EvaluationError("an empty prompt can not be continued") }
    return [prefixID]
  }

  private func encode(_ text: [UInt8], _ ranges: [Range<Int>], bos: Bool) throws(EvaluationError) -> [Int32] {
    do {
      let ids = try tokenizer.encodeIDs(text, specials: ranges.isEmpty ? .text : .within(ranges), bos: bos)
      // A template that writes the BOS itself must not have it twice.
      if bos, ids.count > 1, ids[0] == tokenizer.bosID, ids[1] == ids[0] { return Array(ids.dropFirst()) }
      return ids
    } catch {
      throw EvaluationError(error.problem)
    }
  }

  /// The last ids that fit: `maximumLength` are fed, and the last one is only a target.
  private func cut(_ ids: [Int32], scored: Int) -> EncodedRequest {
    let kept = Array(ids.suffix(maximumLength + 1))
    return EncodedRequest(ids: kept, scored: min(scored, kept.count - 1), isCut: kept.count < ids.count)
  }

  /// Bytes of `text` without white space at its end (Python's `rstrip`).
  static func lengthWithoutTrailingSpace(_ text: [UInt8]) -> Int {
    var scalars = Substring(decoding: text, as: UTF8.self).unicodeScalars
    let isClean = scalars.count == 0 || String(decoding: text, as: UTF8.self).utf8.count == text.count
    guard isClean else { return text.count - text.reversed().prefix { $0 == 0x20 || (0x09...0x0D).contains($0) }.count }
    var end = text.count
    while let last = scalars.last, last.properties.isWhitespace || (0x1C...0x1F).contains(last.value) {
      end -= UTF8.width(last)
      scalars.removeLast()
    }
    return end
  }
}
