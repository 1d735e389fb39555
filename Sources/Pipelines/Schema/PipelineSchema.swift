import Basics

/// The pipeline file's form for editors and readers, made from the tables that decode it.
package enum PipelineSchema {
  /// A JSON Schema (draft 2020-12) of the whole file.
  package static func jsonSchema() -> JSON {
    var definitions: [(key: String, value: JSON)] = [
      ("reference", ["type": "string", "pattern": "\\$\\{[^}]+\\}", "description": "A reference such as ${vars.x}"]),
      ("expectations", expectations),
      ("limit", limit),
    ]
    definitions.append((key: "stage", value: anyStage))
    for kind in StageKind.all { definitions.append((key: kind.name, value: stage(kind))) }
    var schema = JSON.Object()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Fettle pipeline"
    for (name, value) in object(FileKeys.file).members { schema[name] = value }
    schema["$defs"] = .object(JSON.Object(definitions))
    return .object(schema)
  }

  /// What the decoder says against a value of one key; nil when it takes it.
  package static func fault(of value: JSON, for key: String, in table: KeyTable) -> PipelineFault? {
    let faults = FaultList()
    let scalar = YAMLScalar(text: key, isPlain: true, value: .string(key))
    let outcome = YAML.read(value.encoded())
    guard let node = outcome.root else { return PipelineFault(position: nil, what: "no value", text: nil, remedy: nil) }
    let member = YAMLMember(key: YAMLNode(.scalar(scalar), line: 1, column: 1), value: node)
    var decoder = ValueDecoder(scope: Scope(faults: faults), kind: nil)
    _ = decoder.object(YAMLNode(.mapping([member]), line: 1, column: 1), table, "the table")
    return faults.error("").faults.first
  }

  /// The schema of a mapping with the keys of a table.
  private static func object(_ table: KeyTable, also: (Key) -> JSON? = { _ in nil }) -> JSON.Object {
    var properties: [(key: String, value: JSON)] = []
    for key in table.keys {
      guard let schema = also(key) ?? schema(key.type) else { continue }
      properties.append((key: key.name, value: described(schema, key)))
    }
    var object: JSON.Object = ["type": "object"]
    object["properties"] = .object(JSON.Object(properties))
    let required = table.keys.filter(\.required).map { JSON($0.name) }
    if !required.isEmpty { object["required"] = .array(required) }
    object["additionalProperties"] = false
    return object
  }

  private static func described(_ schema: JSON, _ key: Key) -> JSON {
    guard case .object(var object) = schema else { return schema }
    object["description"] = JSON(key.doc)
    if let fallback = key.fallback, fallback != "${seed}" { object["default"] = fallback }
    return .object(object)
  }

  /// The schema of a type; nil for keys that some stages lack.
  private static func schema(_ type: ValueType) -> JSON? {
    switch type {
    case .table(let table): return .object(object(table))
    case .one(let table):
      var schema = object(table)
      schema["required"] = nil
      schema["minProperties"] = 1
      schema["maxProperties"] = 1
      return .object(schema)
    case .map(let inner): return ["type": "object", "additionalProperties": schema(inner) ?? true]
    case .expectations: return ["$ref": "#/$defs/expectations"]
    case .values: return ["type": "object", "propertyNames": ["pattern": namePattern]]
    case .axes:
      let value: JSON = ["type": ["string", "number", "boolean"]]
      let list: JSON = ["type": "array", "minItems": 1, "maxItems": JSON(CellBuilder.maximumAxis), "items": value]
      return ["type": "object", "additionalProperties": ["anyOf": [list, reference]]]
    case .stages:
      return [
        "type": "object", "minProperties": 1, "propertyNames": ["pattern": namePattern],
        "additionalProperties": ["$ref": "#/$defs/stage"],
      ]
    case .kindName: return ["enum": .array(StageKind.all.map { JSON($0.name) })]
    case .inputs, .with: return nil
    case .string, .shell, .stage, .model: return ["type": "string"]
    case .exactly(let number): return ["const": JSON(number)]
    default:
      let choices = alternatives(type)
      return choices.count == 1 ? choices[0] : ["anyOf": .array(choices)]
    }
  }

  private static let reference: JSON = ["$ref": "#/$defs/reference"]
  private static let namePattern: JSON = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"

  /// The forms a value may have, a reference among them.
  private static func alternatives(_ type: ValueType) -> [JSON] {
    switch type {
    case .bool: return [["type": "boolean"], reference]
    case .off: return [["const": false]]
    case .integer(let range):
      var schema: JSON.Object = ["type": "integer", "minimum": JSON(range.lowerBound)]
      if range.upperBound < Int.max { schema["maximum"] = JSON(range.upperBound) }
      return [.object(schema), reference]
    case .number(let range): return [number(range), reference]
    case .size(let range):
      let text: JSON = ["type": "string", "pattern": "^[0-9.]+ *([KMGTkmgt][Ii]?)?[Bb]?$"]
      return [text, ["type": "integer", "minimum": JSON(range.lowerBound)], reference]
    case .duration:
      let text: JSON = ["type": "string", "pattern": "^[0-9.]+ *(ms|s|m|h|d)?$"]
      return [text, ["type": "number", "exclusiveMinimum": 0], reference]
    case .paths: return [["type": "string"], ["type": "array", "minItems": 1, "items": ["type": "string"]]]
    case .choice(let words, _): return [["enum": .array(words.map { JSON($0) })], reference]
    case .word(let word, let inner): return [["const": JSON(word)]] + alternatives(inner)
    case .list(let item, let count):
      var list: JSON.Object = ["type": "array", "items": schema(item) ?? true]
      if count.lowerBound > 0 { list["minItems"] = JSON(count.lowerBound) }
      list["maxItems"] = JSON(count.upperBound)
      return [.object(list), reference]
    default: return [schema(type) ?? true]
    }
  }

  private static func number(_ range: NumberRange) -> JSON {
    var schema: JSON.Object = ["type": "number"]
    if let low = range.minimum { schema[range.aboveMinimum ? "exclusiveMinimum" : "minimum"] = JSON(low) }
    if let high = range.maximum { schema[range.belowMaximum ? "exclusiveMaximum" : "maximum"] = JSON(high) }
    return .object(schema)
  }

  private static let limit: JSON = [
    "type": "object",
    "properties": [
      "min": ["anyOf": [["type": "number"], reference]], "max": ["anyOf": [["type": "number"], reference]],
    ],
    "minProperties": 1, "additionalProperties": false,
  ]

  private static let expectations: JSON = [
    "type": "object", "minProperties": 1,
    "additionalProperties": ["anyOf": [["$ref": "#/$defs/limit"], ["$ref": "#/$defs/expectations"]]],
  ]

  /// A stage: its kind decides the rest, so that an editor tells faults of that kind alone.
  private static var anyStage: JSON {
    let cases = StageKind.all.map { kind -> JSON in
      let isKind: JSON = ["properties": ["uses": ["const": JSON(kind.name)]], "required": ["uses"]]
      return ["if": isKind, "then": ["$ref": JSON("#/$defs/\(kind.name)")]]
    }
    let kinds = JSON.array(StageKind.all.map { JSON($0.name) })
    return [
      "type": "object", "required": ["uses"], "properties": ["uses": ["enum": kinds]], "allOf": .array(cases),
    ]
  }

  /// A stage of one kind.
  private static func stage(_ kind: StageKind) -> JSON {
    var schema = object(FileKeys.stage) { key in
      switch key.type {
      case .kindName: return ["const": JSON(kind.name)]
      case .with: return .object(object(kind.with))
      case .inputs: return .object(inputs(kind))
      default: return nil
      }
    }
    if !kind.declaresOwn, var properties = schema["properties"]?.object {
      properties["outputs"] = nil
      schema["properties"] = .object(properties)
    }
    schema["description"] = JSON(kind.doc)
    var required: [JSON] = ["uses"]
    if kind.with.keys.contains(where: \.required) { required.append("with") }
    if kind.inputs.contains(where: \.required) { required.append("inputs") }
    schema["required"] = .array(required)
    return .object(schema)
  }

  private static func inputs(_ kind: StageKind) -> JSON.Object {
    var object: JSON.Object = ["type": "object"]
    let gate: JSON = ["type": "string", "description": "A dry-run stage that must permit this one"]
    var properties = kind.inputs.map { input -> (key: String, value: JSON) in
      (key: input.name, value: ["type": "string", "description": JSON(input.doc)])
    }
    properties.append((key: "gate", value: gate))
    object["properties"] = .object(JSON.Object(properties))
    let required = kind.inputs.filter(\.required).map { JSON($0.name) }
    if !required.isEmpty { object["required"] = .array(required) }
    object["additionalProperties"] = kind.declaresOwn ? ["type": "string"] : false
    return object
  }
}
