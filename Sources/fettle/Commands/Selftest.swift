import BackendConformance
import Basics
import Stages
import Tensors

extension Command {
  static let selftest = Command(
    name: "selftest", abstract: "Checks every operation of a device against the definition in double precision",
    positionals: [],
    options: [
      .value("device", "D", "cpu, cuda or auto (default: auto)"),
      .value("only", "WORD", "only cases whose name contains this"),
      .value("threads", "N", "threads to use (default: all cores)"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let device = try invocation.device() ?? .auto
      let backend = try device.backend(threads: try invocation.whole("threads", in: 1...1024))
      let word = invocation.value("only") ?? ""
      // The processor computes in f32 alone.
      let cases = ConformanceCase.all + (backend.name == "cpu" ? [] : ConformanceCase.halves)
      let report = ConformanceReport(cases.filter { word.isEmpty || $0.id.contains(word) }, on: backend)
      if terminal.wantsJSON {
        terminal.print(report.json)
      } else {
        for line in report.lines { terminal.print(line) }
      }
      return report.isGood ? .done : .failed
    })
}

/// What a backend's conformance cases came to.
private struct ConformanceReport {
  private struct Group {
    let name: String
    var passed = 0
    var failures: [(id: String, words: String)] = []
  }

  private let device: String
  private var groups: [Group] = []

  init(_ cases: [ConformanceCase], on backend: any Backend) {
    device = backend.name
    for item in cases {
      let name = ConformanceReport.group(of: item.id)
      let place = groups.firstIndex { $0.name == name } ?? groups.count
      if place == groups.count { groups.append(Group(name: name)) }
      let found: [String]
      do { found = try item.check(backend).map(\.description) } catch { found = [words(of: error)] }
      if found.isEmpty {
        groups[place].passed += 1
      } else {
        groups[place].failures.append((item.id, found.joined(separator: "; ")))
      }
    }
  }

  var isGood: Bool { groups.allSatisfy(\.failures.isEmpty) }

  /// A table of operations, then every failure.
  var lines: [String] {
    let width = groups.map(\.name.count).max() ?? 0
    let passed = groups.reduce(0) { $0 + $1.passed }
    let failed = groups.reduce(0) { $0 + $1.failures.count }
    return groups.map { group in
      let padding = String(repeating: " ", count: width - group.name.count)
      return "\(group.failures.isEmpty ? "ok  " : "NO  ")\(group.name)\(padding)  \(group.passed) passed"
        + (group.failures.isEmpty ? "" : ", \(group.failures.count) failed")
    } + groups.flatMap(\.failures).map { "\($0.id): \($0.words)" } + ["\(device): \(passed) passed, \(failed) failed"]
  }

  var json: JSON {
    [
      "device": .string(device), "ok": .bool(isGood),
      "operations": .array(
        groups.map { group in
          [
            "name": .string(group.name), "passed": JSON(group.passed),
            "failures": .array(group.failures.map { ["case": .string($0.id), "words": .string($0.words)] }),
          ]
        }),
    ]
  }

  /// The words of a case's name before its first number: "attention-backward".
  private static func group(of id: String) -> String {
    let words = id.split(separator: "-").prefix { $0.allSatisfy(\.isLetter) || $0 == "bf16" }
    let isPair = words.dropFirst().first == "backward" || ["rms", "cross", "bf16"].contains(words.first)
    return words.prefix(isPair ? 2 : 1).joined(separator: "-")
  }
}

extension Invocation {
  /// The device of `--device`; nil where it is not given.
  func device() throws -> Device? {
    guard let name = value("device") else { return nil }
    guard let device = Device(rawValue: name) else {
      throw UsageError("--device takes \(Device.allCases.map(\.rawValue).joined(separator: ", "))", value: name)
    }
    return device
  }
}
