import Basics
import Foundation
import Pipelines
import Testing

/// The JSON Schema and the reference page, made from the decoder's own tables.
struct FileSchemaTests {
  /// The repository's root.
  private static let root = FilePath(#filePath).parent.parent.parent

  @Test func `the schema knows every kind and key`() throws {
    let schema = PipelineSchema.jsonSchema()
    #expect(schema["$schema"] == "https://json-schema.org/draft/2020-12/schema")
    for kind in StageKind.all {
      let stage = try #require(schema["$defs"]?[kind.name])
      #expect(stage["properties"]?["uses"]?["const"] == JSON(kind.name))
      #expect(stage["properties"]?["with"]?["properties"]?.object?.keys == kind.with.keys.map(\.name))
      #expect(stage["additionalProperties"] == false)
      #expect((stage["properties"]?["outputs"] != nil) == kind.declaresOwn)
    }
  }

  @Test func `every reference of the schema leads somewhere`() {
    let schema = PipelineSchema.jsonSchema()
    var targets: [String] = []
    func walk(_ value: JSON) {
      switch value {
      case .array(let items): for item in items { walk(item) }
      case .object(let object):
        if let target = object["$ref"]?.string { targets.append(target) }
        for member in object.members { walk(member.value) }
      default: break
      }
    }
    walk(schema)
    #expect(!targets.isEmpty)
    for target in targets {
      let place = target.split(separator: "/").dropFirst().map { JSONStep.key(String($0)) }
      #expect(schema.value(at: place) != nil, "\(target)")
    }
  }

  @Test func `the reference page and the help name every key`() {
    let page = PipelineSchema.markdown()
    for kind in StageKind.all {
      #expect(page.contains("## `\(kind.name)`"))
      let help = PipelineSchema.help(kind)
      for key in kind.with.keys {
        #expect(page.contains("| `\(key.name)`"))
        #expect(help.contains("\n  \(key.name): "))
      }
    }
  }

  @Test func `every default is a value its key takes, and every alias leads to a key`() throws {
    for kind in StageKind.all {
      for (alias, name) in kind.with.aliases where kind.with[name] != nil {
        #expect(kind.with[alias] == nil, "\(kind.name).\(alias)")
      }
      for key in kind.with.keys { check(key, kind.name) }
    }
  }

  /// A default that the decoder would refuse could not be written by an author.
  private func check(_ key: Key, _ path: String) {
    guard let fallback = key.fallback, fallback != "${seed}" else { return }
    let table = KeyTable([Key(key.name, key.type, key.doc)])
    #expect(PipelineSchema.fault(of: fallback, for: key.name, in: table) == nil, "\(path).\(key.name)")
  }

  @Test(.enabled(if: Files.exists(root.appending("docs/pipeline.schema.json"))))
  func `the schema in docs is current`() throws {
    let kept = try Files.read(Self.root.appending("docs/pipeline.schema.json"))
    #expect(String(decoding: kept, as: UTF8.self) == PipelineSchema.jsonSchema().text(pretty: true) + "\n")
  }

  @Test(.enabled(if: Files.exists(root.appending("docs/pipeline.md"))))
  func `the reference page in docs is current`() throws {
    let kept = try Files.read(Self.root.appending("docs/pipeline.md"))
    #expect(String(decoding: kept, as: UTF8.self) == PipelineSchema.markdown())
  }

  @Test func `the pipelines that ship are right`() throws {
    let folder = Self.root.appending("pipelines")
    for name in try Files.list(folder) where name.fileExtension == "yaml" {
      #expect(throws: Never.self, "\(name.display)") { try Pipeline.load(folder.appending(name)) }
    }
  }
}
