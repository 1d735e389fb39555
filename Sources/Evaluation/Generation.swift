import Basics
import Foundation
import Models
import Tensors

/// A continuation of a prompt.
package struct Continuation: Sendable, Equatable {
  package enum Reason: String, Sendable { case stop, length }

  /// Generated ids; an end token is not among them.
  package var ids: [Int32] = []
  /// The decoded text, cut before a stop text.
  package var text: [UInt8] = []
  package var reason = Reason.length
}

/// One prompt to continue.
struct GenerationRequest: Sendable {
  var prompt: [Int32]
  var options: EvaluationTask.Generation
}

extension LanguageModel {
  /// Bytes that the caches of sequences side by side may take.
  private static let cacheLimit = 512 << 20

  /// Continues prompts, several side by side; the result does not depend on how many.
  func generate(
    _ requests: [GenerationRequest], seed: UInt64 = 0, done: (Int) throws(EvaluationError) -> Void = { _ in }
  ) throws(EvaluationError) -> [Continuation] {
    let longest = requests.map { $0.prompt.count + $0.options.maxTokens }.max() ?? 0
    let length = min(maximumLength, (longest + 63) / 64 * 64)
    let cacheBytes = config.layerCount * 2 * length * config.keyValueWidth * 4
    let slots = max(1, min(batchSize, requests.count, LanguageModel.cacheLimit / max(cacheBytes, 1)))
    // The larger of the two makes the arena; asking for the first again moves it there.
    _ = try prefillPass(requests, slots: slots, length: length)
    let decode = try loaded("generate \(slots) \(slots) \(length)") {
      config.generationPass(tokens: slots, rows: slots, slots: slots, length: length, positions: maximumLength)
    }
    let prefill = try prefillPass(requests, slots: slots, length: length)
    var decoder = Decoder(model: self, slots: slots, length: length, prefill: prefill, decode: decode, seed: seed)
    return try decoder.run(requests, done: done)
  }

  /// The pass that reads prompts.
  private func prefillPass(
    _ requests: [GenerationRequest], slots: Int, length: Int
  ) throws(EvaluationError) -> LoadedModelProgram<GenerationProgram> {
    let longest = requests.map(\.prompt.count).max() ?? 1
    let tokens = Bucket.size(min(longest, 256))
    return try loaded("generate \(tokens) 1 \(slots) \(length)") {
      config.generationPass(tokens: tokens, rows: 1, slots: slots, length: length, positions: maximumLength)
    }
  }
}

/// Decodes many requests over a few cache slots.
private struct Decoder {
  /// A request on its way.
  struct Sequence {
    let index: Int
    let request: GenerationRequest
    /// Tokens in the cache.
    var position: Int
    /// The id to feed next.
    var next: Int32
    var continuation: Continuation
  }

  let model: LanguageModel
  let slots: Int
  let length: Int
  let prefill: LoadedModelProgram<GenerationProgram>
  let decode: LoadedModelProgram<GenerationProgram>
  let seed: UInt64
  private var active: [Sequence?]

  init(
    model: LanguageModel, slots: Int, length: Int, prefill: LoadedModelProgram<GenerationProgram>,
    decode: LoadedModelProgram<GenerationProgram>, seed: UInt64
  ) {
    self.model = model
    self.slots = slots
    self.length = length
    self.prefill = prefill
    self.decode = decode
    self.seed = seed
    active = Array(repeating: nil, count: slots)
  }

  mutating func run(
    _ requests: [GenerationRequest], done: (Int) throws(EvaluationError) -> Void
  ) throws(EvaluationError) -> [Continuation] {
    var results = [Continuation](repeating: Continuation(), count: requests.count)
    var waiting = Array(requests.enumerated())[...]
    var finished = 0
    while finished < requests.count {
      for slot in 0..<slots where active[slot] == nil {
        guard let (index, request) = waiting.popFirst() else { break }
        active[slot] = try begin(request, index, slot)
      }
      for slot in 0..<slots {
        guard let sequence = active[slot], sequence.isOver(in: model, length) else { continue }
        results[sequence.index] = sequence.result(model)
        active[slot] = nil
        finished += 1
        try done(finished)
      }
      try advance()
    }
    return results
  }

  /// Reads a prompt into its slot and takes the first new id.
  private func begin(_ request: GenerationRequest, _ index: Int, _ slot: Int) throws(EvaluationError) -> Sequence {
    let width = prefill.loaded.program[prefill.layout.ids].rows
    var start = 0
    while start < request.prompt.count {
      let part = request.prompt[start..<min(start + width, request.prompt.count)]
      let padding = width - part.count
      let zeros = [Int32](repeating: 0, count: padding)
      prefill.loaded.write(Array(part) + zeros, to: prefill.layout.ids)
      prefill.loaded.write((start..<start + part.count).map { Int32($0) } + zeros, to: prefill.layout.positions)
      let places = [Int32](repeating: Int32(slot), count: part.count) + [Int32](repeating: -1, count: padding)
      prefill.loaded.write(places, to: prefill.layout.slots)
      prefill.loaded.write([Int32(part.count - 1)], to: prefill.layout.rows)
      prefill.loaded.write([Int32(-100)], to: prefill.layout.targets)
      try prefill.run()
      start += part.count
    }
    let logits = prefill.loaded.read(prefill.layout.logits, as: Float.self, initial: 0)
    var sequence = Sequence(
      index: index, request: request, position: request.prompt.count, next: 0, continuation: Continuation())
    sequence.next = choose(logits[...], for: sequence)
    return sequence
  }

  /// Feeds every active sequence's next id and takes the id after it.
  private mutating func advance() throws(EvaluationError) {
    var ids = [Int32](repeating: 0, count: slots)
    var positions = ids
    var places = [Int32](repeating: -1, count: slots)
    var rows = places
    for slot in 0..<slots {
      guard var sequence = active[slot] else { continue }
      sequence.continuation.ids.append(sequence.next)
      ids[slot] = sequence.next
      positions[slot] = Int32(sequence.position)
      places[slot] = Int32(slot)
      rows[slot] = Int32(slot)
      sequence.position += 1
      active[slot] = sequence
    }
    guard places.contains(where: { $0 >= 0 }) else { return }
    decode.loaded.write(ids, to: decode.layout.ids)
    decode.loaded.write(positions, to: decode.layout.positions)
    decode.loaded.write(places, to: decode.layout.slots)
    decode.loaded.write(rows, to: decode.layout.rows)
    decode.loaded.write([Int32](repeating: -100, count: slots), to: decode.layout.targets)
    try decode.run()
    let best = decode.loaded.read(decode.layout.best, as: Int32.self, initial: 0)
    let needsLogits = active.contains { ($0?.request.options.temperature ?? 0) > 0 }
    let logits = needsLogits ? decode.loaded.read(decode.layout.logits, as: Float.self, initial: 0) : []
    let width = model.config.vocabularySize
    for slot in 0..<slots {
      guard var sequence = active[slot] else { continue }
      sequence.next =
        sequence.request.options.temperature > 0
        ? choose(logits[slot * width..<(slot + 1) * width], for: sequence) : best[slot]
      active[slot] = sequence
    }
  }

  /// The likeliest id (the lowest of equals), or a seeded draw at the request's temperature.
  private func choose(_ logits: ArraySlice<Float>, for sequence: Sequence) -> Int32 {
    var best = logits.startIndex
    for index in logits.indices where logits[index] > logits[best] { best = index }
    let temperature = sequence.request.options.temperature
    guard temperature > 0 else { return Int32(best - logits.startIndex) }
    let largest = Double(logits[best])
    let weights = logits.map { exp((Double($0) - largest) / temperature) }
    var random = SeededGenerator(
      seed: seed, stream: UInt64(sequence.index) << 24 | UInt64(sequence.continuation.ids.count))
    var left = random.uniform() * weights.reduce(0, +)
    for (index, weight) in weights.enumerated() {
      left -= weight
      if left < 0 { return Int32(index) }
    }
    return Int32(best - logits.startIndex)
  }
}

extension Decoder.Sequence {
  /// Whether the next id ends the text, a stop text has appeared, or there is no more room.
  func isOver(in model: LanguageModel, _ length: Int) -> Bool {
    model.endIDs.contains(next) || continuation.ids.count >= request.options.maxTokens || position >= length
      || hasStopText(model)
  }

  /// Whether a stop text has just been completed; control tokens spell their text here.
  private func hasStopText(_ model: LanguageModel) -> Bool {
    guard let longest = request.options.until.map(\.utf8.count).max() else { return false }
    // Every token stands for a byte or more, so the last ones hold the text whole.
    let tail = continuation.ids.suffix(longest + 8)
    return stopPlace(model.tokenizer.decode(Array(tail), skipSpecials: false)) != nil
  }

  /// The finished continuation.
  func result(_ model: LanguageModel) -> Continuation {
    var result = continuation
    let isStopped = hasStopText(model)
    if isStopped, let last = result.ids.last, model.tokenizer.isSpecial(last) { result.ids.removeLast() }
    result.text = model.tokenizer.decode(result.ids, skipSpecials: true)
    if let place = stopPlace(result.text) { result.text = Array(result.text[..<place]) }
    result.reason = isStopped || model.endIDs.contains(next) ? .stop : .length
    return result
  }

  /// Where the first stop text begins.
  private func stopPlace(_ text: [UInt8]) -> Int? {
    request.options.until.compactMap { text.firstRange(of: Array($0.utf8))?.lowerBound }.min()
  }
}
