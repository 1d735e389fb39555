/// A text with `${…}` in it, taken apart. `$${` stands for `${` itself.
struct Template {
  enum Part: Equatable {
    case text(String)
    /// What stands between the braces.
    case reference(String)
  }
  let parts: [Part]

  /// Nil when a `${` has no closing brace.
  init?(_ source: String) {
    var parts: [Part] = []
    var text: [UInt8] = []
    let bytes = Array(source.utf8)
    var index = 0
    while index < bytes.count {
      let rest = bytes[index...]
      if rest.starts(with: Template.escape) {
        text += Template.open
        index += 3
      } else if rest.starts(with: Template.open) {
        guard let close = rest.firstIndex(of: UInt8(ascii: "}")) else { return nil }
        if !text.isEmpty { parts.append(.text(String(decoding: text, as: UTF8.self))) }
        text = []
        parts.append(.reference(String(decoding: bytes[index + 2..<close], as: UTF8.self)))
        index = close + 1
      } else {
        text.append(bytes[index])
        index += 1
      }
    }
    if !text.isEmpty { parts.append(.text(String(decoding: text, as: UTF8.self))) }
    self.parts = parts
  }

  private static let open = Array("${".utf8)
  private static let escape = Array("$${".utf8)

  /// Whether a text needs to be taken apart at all.
  static func isNeeded(_ source: String) -> Bool {
    var previous: UInt8 = 0
    for byte in source.utf8 {
      if byte == UInt8(ascii: "{"), previous == UInt8(ascii: "$") { return true }
      previous = byte
    }
    return false
  }

  /// The stage and output of a text that is exactly `${stages.NAME.OUTPUT}`.
  static func stageOutput(_ source: String) -> (stage: String, output: String)? {
    guard source.hasPrefix("${stages."), source.hasSuffix("}"), let template = Template(source),
      template.parts.count == 1, case .reference(let path) = template.parts[0]
    else { return nil }
    let steps = path.split(separator: ".", omittingEmptySubsequences: false)
    return steps.count == 3 ? (String(steps[1]), String(steps[2])) : nil
  }
}
