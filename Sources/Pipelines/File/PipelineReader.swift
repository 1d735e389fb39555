import Basics

extension Pipeline {
  /// Reads and checks a pipeline file: all its faults at once, before anything starts.
  ///
  /// - Parameter overrides: what `--set` gave: `vars.NAME=VALUE`.
  package static func load(_ path: FilePath, overrides: [String] = []) throws(PipelineFileError) -> Pipeline {
    let bytes: [UInt8]
    do throws(FileError) { bytes = try Files.read(path, limit: YAML.maximumSize + 1) } catch {
      let fault = PipelineFault(position: nil, what: error.problem.what, text: nil, remedy: error.problem.remedy)
      throw PipelineFileError(file: path.display, faults: [fault], unlisted: 0)
    }
    return try read(bytes, file: path.display, overrides: overrides)
  }

  /// The pipeline in `bytes`; `file` is how messages name it.
  package static func read(
    _ bytes: some Collection<UInt8>, file: String, overrides: [String] = []
  ) throws(PipelineFileError) -> Pipeline {
    let faults = FaultList()
    let outcome = YAML.read(bytes)
    for fault in outcome.faults {
      let position = Position(line: fault.line, column: fault.column)
      faults.note(position, fault.what, text: fault.text, remedy: fault.remedy)
    }
    if let root = outcome.root {
      var reader = PipelineReader(faults)
      if let pipeline = reader.read(root, file: file, overrides: overrides) { return pipeline }
    }
    throw faults.error(file)
  }
}

/// Reads the parts of a file outside `with`, then has the stages wired and expanded.
struct PipelineReader {
  let faults: FaultList
  private var scope: Scope

  init(_ faults: FaultList) {
    self.faults = faults
    scope = Scope(faults: faults)
  }

  /// The pipeline; nil when faults were noted.
  mutating func read(_ root: YAMLNode, file path: String, overrides: [String]) -> Pipeline? {
    guard root.members != nil else {
      faults.note(root, "a pipeline file must be a mapping, not \(root.kindName)", remedy: "begin with `fettle: 1`")
      return nil
    }
    var decoder = ValueDecoder(scope: scope, kind: nil)
    let file = decoder.object(root, FileKeys.file, "a pipeline file")
    let name = file["name"]?.string
    if let name, !StageNames.isPipelineName(name), let node = root["name"] {
      faults.note(node, "a pipeline's name cannot be '\(Problem.shortened(name, limit: 80))'", remedy: StageNames.rule)
    }
    scope.seed = file["seed"]?.int ?? 0
    let vars = VariableReader(scope: scope).read(root["vars"], overrides: overrides)
    scope.vars = vars.values
    scope.brokenVars = Set(root["vars"]?.members?.map(\.name) ?? []).subtracting(vars.values.keys)
    guard let stages = root["stages"] else { return nil }
    let declarations = declarations(stages, file: path)
    let graph = StageGraph(declarations, faults: faults)
    let cells = CellBuilder(graph: graph, scope: scope, declared: stages.members?.map(\.name) ?? []).cells()
    guard faults.isEmpty, let name else { return nil }
    return Pipeline(
      name: name, seed: UInt64(scope.seed), vars: vars.object, stageNames: declarations.map(\.name), cells: cells)
  }

  private func declarations(_ node: YAMLNode, file: String) -> [StageDeclaration] {
    guard let members = node.members, !members.isEmpty else {
      let got = node.members != nil ? "empty" : node.kindName
      faults.note(
        node, "'stages' must be a mapping of stages by name, not \(got)", remedy: "write `name:` and below it `uses: …`"
      )
      return []
    }
    let names = members.map(\.name).filter(StageNames.isStageName)
    let known = Set(members.map(\.name))
    var kinds: [String: StageKind] = [:]
    for member in members {
      if let uses = member.value["uses"]?.text, let kind = StageKind.named(uses) { kinds[member.name] = kind }
    }
    let outputs = Set(StageKind.all.flatMap { $0.outputs.map(\.name) })
    return members.compactMap { member in
      guard StageNames.isStageName(member.name) else {
        let offender = StageNames.offender(member.name)
        faults.note(
          member.key,
          "a stage cannot be named '\(Problem.shortened(member.name, limit: 80))'"
            + (offender.map { ": it holds \($0)" } ?? ""),
          remedy: StageNames.rule)
        return nil
      }
      let reader = StageReader(
        scope: scope, stages: known, stageOrder: names, kinds: kinds, outputNames: outputs, file: file)
      return reader.read(member)
    }
  }
}
