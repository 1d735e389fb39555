/// The type of one key's value: what the decoder accepts, what the schema says, and which canonical form results.
package indirect enum ValueType: Sendable {
  /// Any text.
  case string
  /// A command for `/bin/sh -c`: `${name}` of the stage's own inputs, outputs and variables is left to the shell.
  case shell
  case bool
  /// Only `false`; `true` is refused with the reason.
  case off(String)
  /// One number and no other: a version.
  case exactly(Int)
  /// A whole number; canonical form: an integer.
  case integer(ClosedRange<Int>)
  /// A number; canonical form: the shortest decimal that gives the same double.
  case number(NumberRange)
  /// "6GiB" or a number of bytes; canonical form: bytes.
  case size(ClosedRange<Int>)
  /// "12h" or a number of seconds; canonical form: seconds.
  case duration
  /// A path or glob, or a list of them; canonical form: a list. References whose content is identity.
  case paths
  /// A model reference of some role; a reference whose content is identity.
  case model(ModelRole)
  /// One of some words. `refused` are words other versions or tools know, with the reason they are refused here.
  case choice([String], refused: [String: String] = [:])
  /// A word such as `auto`, or a value of the type.
  case word(String, or: ValueType)
  case list(ValueType, count: ClosedRange<Int> = 1...10_000)
  /// A mapping with the keys of a table.
  case table(KeyTable)
  /// A mapping with exactly one of the keys of a table: `dedup: {…}`.
  case one(KeyTable)
  /// A mapping from names of the author's own.
  case map(ValueType)
  /// The name of a stage of the given kind.
  case stage(kind: String)
  /// The limits by metric of `expect`.
  case expectations
  /// Values of the author's own, by name: `vars`.
  case values
  /// Lists of scalars by axis: `matrix`.
  case axes
  /// What a stage reads, by input name.
  case inputs
  /// The name of a stage kind.
  case kindName
  /// The `with` of the stage kind named by `uses`.
  case with
  /// The stages of a file.
  case stages
}

extension ValueType {
  /// The word `auto`, or a value of the type.
  static func auto(_ type: ValueType) -> ValueType { .word("auto", or: type) }
}

/// What a model reference is used for.
package enum ModelRole: String, Sendable {
  /// Weights, configuration and tokenizer: a path, `hf:`, `pypi:`, `preset:` or a stage's output.
  case model
  /// A tokenizer: a model reference, a tokenizer's folder, or `bytes`.
  case tokenizer
  /// A chat template: `chatml`, a file, or a model reference.
  case template
}

/// Bounds of a number, each of which may be open.
package struct NumberRange: Sendable, Equatable {
  package var minimum: Double?
  package var maximum: Double?
  /// Whether the minimum itself is outside.
  package var aboveMinimum = false
  /// Whether the maximum itself is outside.
  package var belowMaximum = false

  package init(_ minimum: Double? = nil, _ maximum: Double? = nil, above: Bool = false, below: Bool = false) {
    self.minimum = minimum
    self.maximum = maximum
    aboveMinimum = above
    belowMaximum = below
  }
}
