import Basics
import Store

/// Everything an attempt at a stage needs to know, handed from the runner to the attempt's process as a JSON file.
///
/// Paths are relative to the project's root, which is the attempt's working folder, unless they are absolute.
package struct AttemptSpec: Sendable {
  /// One input as the stage reads it.
  package struct Input: Sendable {
    package let name: String
    package let kind: ArtifactKind
    /// A file or folder, or nil for a model that is no local path.
    package let path: FilePath?
    /// `hf:…`, `pypi:…`, `preset:…` where there is no path.
    package let model: String?
  }

  /// A reference in `with` with the files it stands for now.
  package struct ReferencedFiles: Sendable {
    package let place: [JSONStep]
    package let text: String
    /// In reading order; empty for a model by name and for what is built in.
    package let paths: [FilePath]
  }

  package struct Output: Sendable {
    package let name: String
    package let kind: ArtifactKind
    /// For a command: where it writes.
    package let path: String?
  }

  /// The stage that a dry run forecasts.
  package struct Forecast: Sendable {
    package let cell: String
    package let kind: String
    package let with: JSON.Object
    package let seed: UInt64
    /// The tokens it validates on, where it has such an input and the input was known before the dry run.
    package let validation: FilePath?
  }

  package let pipeline: String
  package let cell: String
  package let stage: String
  package let kind: String
  /// All keys with their defaults; references to other stages' outputs are paths.
  package let with: JSON.Object
  package let references: [ReferencedFiles]
  package let inputs: [Input]
  package let outputs: [Output]
  package let forecast: Forecast?
  /// What a command sees of the environment, by name.
  package let environment: DeclaredEnvironment
  package let seed: UInt64
  /// From 1; larger after a retry.
  package let number: Int
  package let fingerprint: Digest
  /// Absolute.
  package let projectRoot: FilePath
  /// A folder of the attempt's own, thrown away after it.
  package let workFolder: FilePath
  /// Where outputs are written: a file or folder named like the output.
  package let outputFolder: FilePath
  /// Survives the attempt and is found again by the next one with the same fingerprint; removed after success.
  package let checkpointFolder: FilePath
  /// The descriptor that takes events, one JSON line each.
  package let eventDescriptor: Int32
  /// The runner: when it is no longer the parent, the attempt ends.
  package let runner: Int

  package var resultFile: FilePath { workFolder.appending("result.json") }
}

extension AttemptSpec {
  /// The specification as JSON; paths that are no UTF-8 become objects with their bytes.
  package var json: JSON {
    var object: JSON.Object = [
      "pipeline": JSON(pipeline), "cell": JSON(cell), "stage": JSON(stage), "kind": JSON(kind),
      "with": .object(with),
    ]
    object["references"] = .array(
      references.map { reference in
        [
          "place": .array(reference.place.map(\.json)), "text": JSON(reference.text),
          "paths": .array(reference.paths.map(\.json)),
        ]
      })
    object["inputs"] = .array(
      inputs.map { input in
        [
          "name": JSON(input.name), "kind": JSON(input.kind.rawValue), "path": input.path?.json ?? .null,
          "model": input.model.map { JSON($0) } ?? .null,
        ]
      })
    object["outputs"] = .array(
      outputs.map { output in
        [
          "name": JSON(output.name), "kind": JSON(output.kind.rawValue),
          "path": output.path.map { JSON($0) } ?? .null,
        ]
      })
    object["forecast"] =
      forecast.map { forecast in
        [
          "cell": JSON(forecast.cell), "kind": JSON(forecast.kind), "with": .object(forecast.with),
          "seed": JSON(String(forecast.seed)), "validation": forecast.validation?.json ?? .null,
        ]
      } ?? .null
    object["environment"] = .array(environment.names.map { JSON($0) })
    object["secrets"] = .array(environment.secrets.map { JSON($0) })
    object["seed"] = JSON(String(seed))
    object["number"] = JSON(number)
    object["fingerprint"] = JSON(fingerprint.hex)
    object["project_root"] = projectRoot.json
    object["work_folder"] = workFolder.json
    object["output_folder"] = outputFolder.json
    object["checkpoint_folder"] = checkpointFolder.json
    object["event_descriptor"] = JSON(Int(eventDescriptor))
    object["runner"] = JSON(runner)
    return .object(object)
  }

  /// Reads a specification that `json` wrote.
  package init(_ json: JSON) throws(RunError) {
    let reader = SpecReader(json)
    pipeline = try reader.text("pipeline")
    cell = try reader.text("cell")
    stage = try reader.text("stage")
    kind = try reader.text("kind")
    with = try reader.object("with")
    references = try reader.list("references") { (item) throws(RunError) in
      var place: [JSONStep] = []
      for step in json.steps(item.value["place"]) { place.append(step) }
      return ReferencedFiles(
        place: place, text: try item.text("text"),
        paths: try item.list("paths") { (path) throws(RunError) in try path.path() })
    }
    inputs = try reader.list("inputs") { (item) throws(RunError) in
      Input(
        name: try item.text("name"), kind: try item.kind("kind"), path: try item.optional("path")?.path(),
        model: item.value["model"]?.string)
    }
    outputs = try reader.list("outputs") { (item) throws(RunError) in
      Output(name: try item.text("name"), kind: try item.kind("kind"), path: item.value["path"]?.string)
    }
    if let item = try reader.optional("forecast") {
      forecast = Forecast(
        cell: try item.text("cell"), kind: try item.text("kind"), with: try item.object("with"),
        seed: try item.seed("seed"), validation: try item.optional("validation")?.path())
    } else {
      forecast = nil
    }
    environment = DeclaredEnvironment(
      names: (json["environment"]?.array ?? []).compactMap(\.string),
      secrets: (json["secrets"]?.array ?? []).compactMap(\.string))
    seed = try reader.seed("seed")
    number = try reader.int("number")
    guard let digest = Digest(hex: try reader.text("fingerprint")) else { throw reader.wrong("fingerprint") }
    fingerprint = digest
    projectRoot = try reader.member("project_root").path()
    workFolder = try reader.member("work_folder").path()
    outputFolder = try reader.member("output_folder").path()
    checkpointFolder = try reader.member("checkpoint_folder").path()
    eventDescriptor = Int32(truncatingIfNeeded: try reader.int("event_descriptor"))
    runner = try reader.int("runner")
  }
}

/// Reads typed members of one object of a specification.
private struct SpecReader {
  let value: JSON

  init(_ value: JSON) { self.value = value }

  func wrong(_ key: String) -> RunError {
    RunError("the attempt's specification is damaged: '\(key)'", value: value[key]?.text())
  }

  func member(_ key: String) throws(RunError) -> SpecReader {
    guard let member = value[key] else { throw wrong(key) }
    return SpecReader(member)
  }

  func optional(_ key: String) throws(RunError) -> SpecReader? {
    guard let member = value[key], !member.isNull else { return nil }
    return SpecReader(member)
  }

  func text(_ key: String) throws(RunError) -> String {
    guard let text = value[key]?.string else { throw wrong(key) }
    return text
  }

  func int(_ key: String) throws(RunError) -> Int {
    guard let number = value[key]?.int else { throw wrong(key) }
    return number
  }

  func seed(_ key: String) throws(RunError) -> UInt64 {
    guard let seed = UInt64(try text(key)) else { throw wrong(key) }
    return seed
  }

  func object(_ key: String) throws(RunError) -> JSON.Object {
    guard let object = value[key]?.object else { throw wrong(key) }
    return object
  }

  func kind(_ key: String) throws(RunError) -> ArtifactKind {
    guard let kind = ArtifactKind(rawValue: try text(key)) else { throw wrong(key) }
    return kind
  }

  func list<T>(_ key: String, _ item: (SpecReader) throws(RunError) -> T) throws(RunError) -> [T] {
    guard let items = value[key]?.array else { throw wrong(key) }
    var result: [T] = []
    for value in items { result.append(try item(SpecReader(value))) }
    return result
  }

  func path() throws(RunError) -> FilePath {
    guard let path = FilePath(json: value) else { throw RunError("no path", value: value.text()) }
    return path
  }
}

extension FilePath {
  /// A string where the bytes are UTF-8, else `{"bytes": [..]}`.
  package var json: JSON {
    if let text = String(validating: bytes, as: UTF8.self) { return JSON(text) }
    return ["bytes": .array(bytes.map { JSON(Int($0)) })]
  }

  package init?(json: JSON) {
    if let text = json.string {
      self.init(text)
      return
    }
    guard let items = json["bytes"]?.array else { return nil }
    let bytes = items.compactMap { $0.int.flatMap { UInt8(exactly: $0) } }
    guard bytes.count == items.count else { return nil }
    self.init(bytes: bytes)
  }
}

extension JSONStep {
  fileprivate var json: JSON {
    switch self {
    case .key(let key): JSON(key)
    case .index(let index): JSON(index)
    }
  }
}

extension JSON {
  fileprivate func steps(_ value: JSON?) -> [JSONStep] {
    (value?.array ?? []).compactMap { step in
      if let key = step.string { return .key(key) }
      return step.int.map { .index($0) }
    }
  }
}
