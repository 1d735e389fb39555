import Basics

/// A value inside a JSON file, with its path for messages: reads what a field must be, or says what is wrong.
struct JSONField {
  let value: JSON
  let path: String

  init(_ value: JSON, _ path: String) {
    self.value = value
    self.path = path
  }

  /// The member `key`; nil where it is absent or null.
  func optional(_ key: String) -> JSONField? {
    guard let member = value[key], !member.isNull else { return nil }
    return JSONField(member, path + "." + key)
  }

  func required(_ key: String) throws(TokenizerError) -> JSONField {
    guard let field = optional(key) else { throw TokenizerError("the field '\(key)' is missing", at: path) }
    return field
  }

  func object() throws(TokenizerError) -> JSON.Object {
    guard let object = value.object else { throw wrong("an object") }
    return object
  }

  func items(limit: Int = 1 << 22) throws(TokenizerError) -> [JSON] {
    guard let items = value.array else { throw wrong("an array") }
    guard items.count <= limit else { throw TokenizerError("more than \(limit) items", at: path) }
    return items
  }

  func string() throws(TokenizerError) -> String {
    guard let text = value.string else { throw wrong("a string") }
    return text
  }

  func bytes() throws(TokenizerError) -> [UInt8] { Array(try string().utf8) }

  func bool() throws(TokenizerError) -> Bool {
    guard let flag = value.bool else { throw wrong("true or false") }
    return flag
  }

  /// A token id.
  func id() throws(TokenizerError) -> Int32 {
    guard let number = value.int else { throw wrong("a token id") }
    guard number >= 0, number < Vocabulary.largest else {
      throw TokenizerError("a token id must lie between 0 and \(Vocabulary.largest - 1)", at: path, value: "\(number)")
    }
    return Int32(number)
  }

  /// The member `key` as a boolean, or `standard` where it is absent.
  func flag(_ key: String, _ standard: Bool) throws(TokenizerError) -> Bool {
    try optional(key)?.bool() ?? standard
  }

  /// The `type` of a component.
  func type() throws(TokenizerError) -> String { try required("type").string() }

  func wrong(_ wanted: String) -> TokenizerError {
    TokenizerError("expected \(wanted), found \(value.kindName)", at: path)
  }

  /// An error for a component that is not supported.
  func unsupported(_ what: String) -> TokenizerError {
    TokenizerError("\(what) is not supported", at: path, remedy: "use a tokenizer of a BPE model")
  }
}
