import Basics

/// The arguments of one call, checked against the command's table.
struct Invocation: Sendable {
  let command: Command
  private var values: [String: [FilePath]] = [:]
  /// The positional arguments as the system gave them: names of files need not be valid UTF-8.
  private(set) var paths: [FilePath] = []
  /// The positional arguments as text.
  var positionals: [String] { paths.map(\.display) }

  /// Parses what follows the command's name. `--name=value` and `--name value` are the same; `--` ends the options.
  init(_ command: Command, arguments: [FilePath]) throws(UsageError) {
    self.command = command
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--" {
        paths += rest
        break
      }
      guard argument.bytes.first == UInt8(ascii: "-"), argument != "-" else {
        paths.append(argument)
        continue
      }
      try take(argument, from: &rest)
    }
    if has("help") { return }
    let range = command.positionalCount
    if positionals.count < range.lowerBound {
      let missing = command.positionals.filter { !$0.hasPrefix("[") }[positionals.count]
      throw UsageError("fettle \(command.name) needs \(missing)", remedy: "see 'fettle \(command.name) --help'")
    }
    if positionals.count > range.upperBound {
      throw UsageError(
        "fettle \(command.name) takes no further argument", value: positionals[range.upperBound],
        remedy: "see 'fettle \(command.name) --help'")
    }
  }

  private mutating func take(_ given: FilePath, from rest: inout ArraySlice<FilePath>) throws(UsageError) {
    let parts = given.bytes.drop { $0 == UInt8(ascii: "-") }
      .split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      .map { FilePath(bytes: Array($0)) }
    let name = parts.first?.display ?? ""
    let argument = given.display
    guard argument.hasPrefix("--") || argument == "-h",
      let option = command.allOptions.first(where: { $0.name == name || (name == "h" && $0.name == "help") })
    else {
      let near = Spelling.nearest(to: name, among: command.allOptions.map(\.name))
      throw UsageError(
        "unknown option '\(argument)' of fettle \(command.name)",
        remedy: near.map { "did you mean '--\($0)'?" } ?? "see 'fettle \(command.name) --help'")
    }
    if option.value == nil {
      if parts.count == 2 { throw UsageError("--\(name) takes no value", value: parts[1].display) }
      values[option.name] = [""]
      return
    }
    guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
      throw UsageError("--\(name) needs a value: \(option.value ?? "")")
    }
    if !option.repeats, values[option.name] != nil {
      throw UsageError("--\(name) is given twice", value: value.display)
    }
    values[option.name, default: []].append(value)
  }

  /// Whether a flag or option was given.
  func has(_ name: String) -> Bool { values[name] != nil }
  /// The value of an option.
  func value(_ name: String) -> String? { values[name]?.last?.display }
  /// All values of a repeated option.
  func all(_ name: String) -> [String] { (values[name] ?? []).map(\.display) }
  /// The value of an option that names a file, as the system gave it.
  func path(_ name: String) -> FilePath? { values[name]?.last }
  /// All values of a repeated option that names files.
  func allPaths(_ name: String) -> [FilePath] { values[name] ?? [] }

  /// A whole number within `range`.
  func whole(_ name: String, in range: ClosedRange<Int>) throws(UsageError) -> Int? {
    guard let text = value(name) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw UsageError(
        "--\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)", value: text)
    }
    return number
  }

  /// A number not below `minimum`.
  func number(_ name: String, from minimum: Double) throws(UsageError) -> Double? {
    guard let text = value(name) else { return nil }
    guard let number = Double(text), number.isFinite, number >= minimum else {
      throw UsageError("--\(name) must be a number from \(minimum)", value: text)
    }
    return number
  }

  /// A size such as 10GiB.
  func size(_ name: String) throws(UsageError) -> Int? {
    guard let text = value(name) else { return nil }
    guard let bytes = Quantity.bytes(text) else {
      throw UsageError("--\(name) must be a size such as 10GiB", value: text)
    }
    return bytes
  }

  /// A duration such as 30d, in seconds.
  func duration(_ name: String) throws(UsageError) -> Double? {
    guard let text = value(name) else { return nil }
    guard let seconds = Quantity.seconds(text), seconds.isFinite, seconds >= 0 else {
      throw UsageError("--\(name) must be a duration such as 30d or 12h", value: text)
    }
    return seconds
  }

  /// A needed option.
  func required(_ name: String) throws(UsageError) -> String {
    guard let value = value(name) else {
      throw UsageError("fettle \(command.name) needs --\(name)", remedy: "see 'fettle \(command.name) --help'")
    }
    return value
  }
}
