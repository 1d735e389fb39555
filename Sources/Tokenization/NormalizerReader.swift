import Basics

/// Reads the `normalizer` of a tokenizer.json.
enum NormalizerReader {
  static func read(_ field: JSONField?) throws(TokenizerError) -> Normalizer {
    var normalizer = Normalizer()
    if let field { try read(field, into: &normalizer, depth: 0) }
    return normalizer
  }

  /// Longest text that a step may put into another, in bytes.
  private static let longestContent = 256

  private static func content(_ field: JSONField) throws(TokenizerError) -> [UInt8] {
    let bytes = try field.bytes()
    guard bytes.count <= longestContent else {
      throw TokenizerError("longer than \(longestContent) bytes", at: field.path, value: "\(bytes.count)")
    }
    return bytes
  }

  private static func read(
    _ field: JSONField, into normalizer: inout Normalizer, depth: Int
  ) throws(TokenizerError) {
    switch try field.type() {
    case "Sequence":
      guard depth < 8 else { throw TokenizerError("sequences nested too deep", at: field.path) }
      let list = try field.required("normalizers")
      for (index, item) in try list.items(limit: 64).enumerated() {
        try read(JSONField(item, "\(list.path)[\(index)]"), into: &normalizer, depth: depth + 1)
      }
    case "NFC": normalizer.steps.append(.unicode(.nfc))
    case "NFD": normalizer.steps.append(.unicode(.nfd))
    case "NFKC": normalizer.steps.append(.unicode(.nfkc))
    case "NFKD": normalizer.steps.append(.unicode(.nfkd))
    case "Lowercase": normalizer.steps.append(.lowercase)
    case "StripAccents": normalizer.steps.append(.stripAccents)
    case "Strip":
      normalizer.steps.append(
        .strip(left: try field.flag("strip_left", true), right: try field.flag("strip_right", true)))
    case "Prepend": normalizer.steps.append(.prepend(try content(field.required("prepend"))))
    case "Replace":
      let pattern = try field.required("pattern")
      let content = try content(field.required("content"))
      if let literal = pattern.optional("String") {
        normalizer.steps.append(.replace(.literal(try literal.bytes()), content))
      } else {
        let expression = try pattern.required("Regex")
        normalizer.steps.append(
          .replace(.expression(try RegularExpression(try expression.string(), at: expression.path)), content))
      }
    case let other: throw field.unsupported("a normalizer of the kind \(other)")
    }
  }
}
