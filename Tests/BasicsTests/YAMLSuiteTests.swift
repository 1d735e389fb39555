import Basics
import Foundation
import Testing

/// The yaml-test-suite under `FETTLE_TEST_DATA`: what is valid parses to the given JSON, what is not is refused, and
/// what Fettle does not support is refused by name.
struct YAMLSuiteTests {
  static let folder: FilePath? = {
    guard let root = ProcessInfo.processInfo.environment["FETTLE_TEST_DATA"] else {
      print("FETTLE_TEST_DATA is unset: the yaml-test-suite is not read")
      return nil
    }
    return FilePath(root).appending("formats/yaml")
  }()

  /// Words of refusals that name an unsupported feature.
  static let refusals = [
    "are not supported", "is not supported", "a tab in the indentation", "duplicate key", "cannot begin a plain text",
  ]

  @Test(.enabled(if: folder != nil)) func `the yaml-test-suite is read, or refused by name`() throws {
    let folder = try #require(Self.folder)
    var seen = 0
    for name in try Files.list(folder) where name.fileExtension == "yaml" {
      let file = try YAML.parse(Files.read(folder.appending(name)))
      for (index, entry) in (file.items ?? []).enumerated() {
        guard let source = entry["yaml"]?.text else { continue }
        seen += 1
        check("\(name.display)/\(index)", entry, Self.unescaped(source))
      }
    }
    #expect(seen > 150)
  }

  private func check(_ id: String, _ entry: YAMLNode, _ source: String) {
    let outcome = YAML.read(Array(source.utf8))
    let fault = outcome.faults.first
    if entry["fail"]?.scalar?.value.bool == true {
      #expect(fault != nil, "\(id) must be refused")
      return
    }
    if let fault {
      let named = Self.refusals.contains { fault.what.contains($0) }
      #expect(named, "\(id): \(fault)\n\(source)")
      return
    }
    guard let json = entry["json"]?.text, let expected = try? JSONParser.parse(json) else { return }
    #expect(
      outcome.root.map { Self.plain($0.json) } == Self.plain(expected),
      "\(id): \(outcome.root?.json.text() ?? "") is not \(expected.text())\n\(source)")
  }

  /// Numbers by value, so that 0o14 equals 12.
  private static func plain(_ value: JSON) -> JSON {
    switch value {
    case .number(let number): number.double.map { JSON($0) } ?? value
    case .array(let items): .array(items.map(plain))
    case .object(let object): .object(JSON.Object(object.members.map { (key: $0.key, value: plain($0.value)) }))
    default: value
    }
  }

  /// The suite's visible stand-ins for white space, resolved as its ReadMe says.
  private static func unescaped(_ text: String) -> String {
    var result = text.replacing("␣", with: " ")
    result.replace(#/—*»/#, with: "\t")
    result = result.replacing("⇔", with: "\u{FEFF}").replacing("↵", with: "").replacing("←", with: "\r")
    return result.replacing("∎\n", with: "")
  }
}
