import Foundation
import Pipelines

/// The environment that a command sees: nothing but what is listed here or declared by its stage.
struct CommandEnvironment {
  /// What every program may need of the system. The key table of the pipeline file lists the same.
  static let usual = CommandNames.passedOn

  private var values: [String: [UInt8]] = [:]
  /// What must not show up in a log.
  let secrets: [[UInt8]]

  /// The usual variables and those that the stage declares, as this process has them.
  init(_ declared: DeclaredEnvironment) {
    var secrets: [[UInt8]] = []
    for name in CommandEnvironment.usual + declared.names + [Leftovers.variable] {
      if let value = CommandEnvironment.value(name) { values[name] = value }
    }
    for name in declared.secrets {
      guard let value = CommandEnvironment.value(name) else { continue }
      values[name] = value
      if !value.isEmpty { secrets.append(value) }
    }
    self.secrets = secrets
  }

  mutating func set(_ name: String, _ value: [UInt8]) { values[name] = value }

  /// "name=value", by name.
  var entries: [[UInt8]] {
    values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      .map { Array($0.key.utf8) + [UInt8(ascii: "=")] + $0.value }
  }

  private static func value(_ name: String) -> [UInt8]? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe Array(UnsafeRawBufferPointer(start: value, count: strlen(value)))
  }
}
