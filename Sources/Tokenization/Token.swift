/// One token of an encoded text, with the bytes of the text that it stands for.
package struct Token: Sendable, Equatable {
  package let id: Int32
  /// Offset of its first byte in the text; equal to `end` where the tokenizer added it (a BOS, a prefix space).
  package let start: Int
  /// Offset behind its last byte.
  package let end: Int

  package init(id: Int32, start: Int, end: Int) {
    self.id = id
    self.start = start
    self.end = end
  }
}

/// Where a text may spell control tokens.
package enum SpecialsPolicy: Sendable {
  /// Nowhere: the text is content, and what spells a control token becomes ordinary pieces.
  case text
  /// Everywhere, as Hugging Face tokenizers does.
  case parse
  /// Only where all bytes of the spelling lie inside one of these byte ranges: the parts that a template wrote.
  /// Ranges may come in any order.
  case within([Range<Int>])
}
