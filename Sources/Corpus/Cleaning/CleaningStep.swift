import Basics

/// One step of cleaning, made from its options.
package protocol CleaningStep: Sendable {
  /// Works on the rows that are left; every row it drops or edits goes to the ledger.
  func run(_ rows: WorkingRows, _ label: StepLabel) throws(CorpusError)
}

/// What a step is called, does and takes: the table behind the schema and the reference page.
package struct StepKind: Sendable {
  package let name: String
  /// One sentence without a final full stop.
  package let doc: String
  package let keys: [OptionKey]
  private let makeStep: @Sendable (JSON, String) throws(CorpusError) -> any CleaningStep

  init(
    _ name: String, _ doc: String, _ keys: [OptionKey],
    _ make: @escaping @Sendable (JSON, String) throws(CorpusError) -> any CleaningStep
  ) {
    self.name = name
    self.doc = doc
    self.keys = keys
    makeStep = make
  }

  /// Every step there is.
  package static let all: [StepKind] = [
    StepKind("normalize", "one form for Unicode, white space and control characters", NormalizeStep.keys) {
      json, place throws(CorpusError) in try NormalizeStep(json, at: place)
    },
    StepKind("require", "keeps only rows that are whole", RequireStep.keys) {
      json, place throws(CorpusError) in try RequireStep(json, at: place)
    },
    StepKind("drop_if", "drops rows by length and content", DropIfStep.keys) {
      json, place throws(CorpusError) in try DropIfStep(json, at: place)
    },
    StepKind("dedup", "keeps the first of equal or nearly equal rows", DedupStep.keys) {
      json, place throws(CorpusError) in try DedupStep(json, at: place)
    },
    StepKind("decontaminate", "drops rows that share text with evaluation items", DecontaminateStep.keys) {
      json, place throws(CorpusError) in try DecontaminateStep(json, at: place)
    },
  ]

  /// The step `name` with the options `json`; null stands for none.
  package static func make(
    _ name: String, _ json: JSON, at place: String = "steps"
  ) throws(CorpusError) -> any CleaningStep {
    guard let kind = all.first(where: { sameBytes($0.name, name) }) else {
      let near = Spelling.nearest(to: name, among: all.map(\.name))
      throw CorpusError(
        .option, "unknown step '\(name)'", at: place,
        remedy: near.map { "did you mean '\($0)'?" } ?? "known steps: " + all.map(\.name).joined(separator: ", "))
    }
    return try kind.makeStep(json, "\(place).\(name)")
  }

  /// The list `steps`: each entry a mapping with one key, or a bare name.
  package static func list(
    _ json: JSON, at place: String = "steps"
  ) throws(CorpusError) -> [(name: String, step: any CleaningStep)] {
    guard let entries = json.isNull ? [] : json.array else {
      throw CorpusError(.option, "expected a list of steps, found \(json.kindName)", at: place)
    }
    var steps: [(name: String, step: any CleaningStep)] = []
    for (index, entry) in entries.enumerated() {
      let here = "\(place)[\(index)]"
      if let name = entry.string {
        steps.append((name: name, step: try make(name, .null, at: here)))
      } else if let object = entry.object, object.count == 1, let member = object.members.first {
        steps.append((name: member.key, step: try make(member.key, member.value, at: here)))
      } else {
        throw CorpusError(
          .option, "a step must be a mapping with one key, its name", at: here, value: entry.text())
      }
    }
    return steps
  }
}
