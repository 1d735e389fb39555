import Basics

/// Expands every stage's matrix into cells, decodes their `with`, and wires them.
final class CellBuilder {
  static let maximumAxis = 1000
  static let maximumCells = 100_000

  let graph: StageGraph
  let scope: Scope
  /// Every name under `stages`, also of stages that could not be read and have had their fault.
  let declared: [String]
  private let kinds: [String: StageKind]
  private let known: Set<String>
  private let usage = AxisUsage()

  private var faults: FaultList { scope.faults }

  init(graph: StageGraph, scope: Scope, declared: [String]) {
    self.declared = declared
    self.graph = graph
    self.scope = scope
    known = Set(declared)
    kinds = Dictionary(graph.stages.map { ($0.name, $0.kind) }, uniquingKeysWith: { first, _ in first })
  }

  /// All cells in the order of the graph; incomplete when faults were noted.
  func cells() -> [StageCell] {
    for stage in graph.stages { checkInputs(of: stage) }
    guard let order = graph.order, let axisOrder = graph.axisOrder, let shapes = shapes(axisOrder) else {
      // Without an order there are no cells, but what stands in `with` can still be judged.
      for (index, _) in graph.stages.enumerated() { judge(index) }
      return []
    }
    let ids = graph.stages.indices.map { stage in (0..<shapes[stage].size).map { id(of: $0, stage, shapes[stage]) } }
    var cells: [StageCell] = []
    for stage in order {
      for cell in 0..<shapes[stage].size {
        // Faults of the first cells say enough.
        if cell > 100, !faults.isEmpty { break }
        cells.append(self.cell(cell, stage, shapes, ids))
      }
    }
    checkUsage()
    return cells
  }

  // MARK: Axes

  /// The shape of every stage, by place; nil when there are too many cells.
  private func shapes(_ order: [Int]) -> [StageShape]? {
    var shapes = [StageShape](repeating: .single, count: graph.stages.count)
    var total = 0
    for stage in order {
      var axes: [AxisID] = []
      var counts: [Int] = []
      var seen: Set<AxisID> = []
      func inherit(_ shape: StageShape) {
        for (axis, count) in zip(shape.axes, shape.counts) where seen.insert(axis).inserted {
          axes.append(axis)
          counts.append(count)
        }
      }
      for edge in graph.edges[stage] where !edge.isGate { inherit(shapes[edge.from]) }
      let declaration = graph.stages[stage]
      if let forecast = declaration.forecast, let place = graph.place[forecast.stage] { inherit(shapes[place]) }
      for (index, axis) in declaration.axes.enumerated() {
        axes.append(AxisID(stage: stage, axis: index))
        counts.append(axis.values.count)
      }
      guard let shape = StageShape(axes, counts: counts, limit: CellBuilder.maximumCells - total) else {
        faults.note(
          declaration.position,
          "with stage '\(declaration.name)' the file has more than \(CellBuilder.maximumCells) cells",
          remedy: "shorten the matrices it reads through")
        return nil
      }
      total += shape.size
      shapes[stage] = shape
    }
    return shapes
  }

  private func value(_ axis: AxisID, _ coordinate: Int) -> YAMLNode {
    graph.stages[axis.stage].axes[axis.axis].values[coordinate]
  }

  /// The names of a shape's axes: bare where unique, with their stage where not.
  private func labels(_ shape: StageShape) -> [String] {
    let bare = shape.axes.map { graph.stages[$0.stage].axes[$0.axis].name }
    guard Set(bare).count < bare.count else { return bare }
    return bare.enumerated().map { index, name in
      bare.filter { $0 == name }.count == 1 ? name : "\(graph.stages[shape.axes[index].stage].name).\(name)"
    }
  }

  private func id(of cell: Int, _ stage: Int, _ shape: StageShape) -> String {
    let name = graph.stages[stage].name
    if shape.axes.isEmpty { return name }
    let labels = labels(shape)
    let parts = shape.axes.indices.map { index in
      let node = value(shape.axes[index], shape.coordinate(cell, index))
      return "\(labels[index])=\(CellBuilder.spelled(node))"
    }
    return "\(name)[\(parts.joined(separator: ","))]"
  }

  /// A value as a cell's id has it: bare where that is unmistakable, else as JSON.
  private static func spelled(_ node: YAMLNode) -> String {
    guard let value = node.scalar?.value else { return "" }
    guard case .string(let text) = value else { return value.canonicalNumber.text() }
    let plain = text.utf8.allSatisfy { byte in
      (0x21..<0x7F).contains(byte) && !Array(",[]=\"'\\$`".utf8).contains(byte)
    }
    let isText = if case .string? = YAMLScalarType.value(text) { true } else { false }
    return plain && isText ? text : value.text()
  }

  /// What `${matrix.…}` means in one cell.
  private func scope(_ cell: Int, _ stage: Int, _ shape: StageShape) -> Scope {
    var scope = scope
    guard !shape.axes.isEmpty else { return scope }
    var axisByName: [String: AxisID] = [:]
    for (index, axis) in shape.axes.enumerated() {
      let owner = graph.stages[axis.stage]
      let name = owner.axes[axis.axis].name
      let node = value(axis, shape.coordinate(cell, index))
      scope.axes["\(owner.name).\(name)"] = node
      axisByName["\(owner.name).\(name)"] = axis
      if axis.stage == stage {
        scope.ambiguousAxes.remove(name)
      } else if scope.axes[name] != nil {
        scope.ambiguousAxes.insert(name)
        continue
      }
      scope.axes[name] = node
      axisByName[name] = axis
    }
    let usage = usage
    scope.used = { name in if let axis = axisByName[name] { usage.used.insert(axis) } }
    return scope
  }

  private func checkUsage() {
    for (stage, declaration) in graph.stages.enumerated() {
      for (index, axis) in declaration.axes.enumerated()
      where !usage.used.contains(AxisID(stage: stage, axis: index)) {
        faults.note(
          axis.node, "the axis '\(axis.name)' of stage '\(declaration.name)' is not used",
          remedy: "use it as \"${matrix.\(axis.name)}\" in `with`, or remove it")
      }
    }
  }

  // MARK: Cells

  private func cell(_ cell: Int, _ stage: Int, _ shapes: [StageShape], _ ids: [[String]]) -> StageCell {
    let declaration = graph.stages[stage]
    let shape = shapes[stage]
    let scope = scope(cell, stage, shape)
    let producer = { [graph] (name: String) -> String? in
      guard let place = graph.place[name], let match = shape.matches(cell, in: shapes[place]).first else { return nil }
      return ids[place][match]
    }
    var decoder = decoder(declaration, scope, producer)
    let with = decoder.object(declaration.with, declaration.kind.with, "`with` of '\(declaration.name)'")
    KindChecks(declaration: declaration, faults: faults).check(with)
    let inputs = declaration.inputs.compactMap { input(of: $0, scope, producer) }
    checkOutputs(of: declaration, inputs, decoder.references)
    let gates = declaration.gate.flatMap { graph.place[$0.stage] }.map { place in
      shape.matches(cell, in: shapes[place]).map { ids[place][$0] }
    }
    let labels = labels(shape)
    let axes = shape.axes.indices.map { index in
      let axis = shape.axes[index]
      let node = value(axis, shape.coordinate(cell, index))
      return AxisValue(
        name: labels[index], stage: graph.stages[axis.stage].name, value: (node.scalar?.value ?? .null).canonicalNumber)
    }
    return StageCell(
      id: ids[stage][cell], stage: declaration.name, axes: axes, kind: declaration.kind, with: with,
      references: decoder.references, inputs: inputs, outputs: outputs(of: declaration), gates: gates ?? [],
      forecast: decoder.namedStage.flatMap(producer), seed: UInt64(max(0, with["seed"]?.int ?? 0)),
      retries: declaration.retries, environment: declaration.environment, timeout: declaration.timeout,
      resources: declaration.resources,
      about: declaration.about, expect: declaration.expect + decoder.expectations, position: declaration.position)
  }

  /// Decodes a stage's `with` once, for its faults.
  private func judge(_ stage: Int) {
    let declaration = graph.stages[stage]
    var scope = scope
    for axis in declaration.axes { scope.axes[axis.name] = axis.values.first }
    var decoder = decoder(declaration, scope) { $0 }
    let with = decoder.object(declaration.with, declaration.kind.with, "`with` of '\(declaration.name)'")
    KindChecks(declaration: declaration, faults: faults).check(with)
  }

  private func decoder(
    _ declaration: StageDeclaration, _ scope: Scope, _ producer: @escaping (String) -> String?
  ) -> ValueDecoder {
    var scope = scope
    if declaration.kind.declaresOwn {
      scope.shellNames = Set(declaration.inputs.map(\.name) + declaration.outputs.map(\.name))
      for member in declaration.with["env"]?.members ?? [] { scope.shellNames.insert(member.name) }
    }
    return ValueDecoder(
      scope: scope, kind: declaration.kind, stageNames: declared, kindOfStage: { [kinds] in kinds[$0] },
      wiring: { [self] stage, output, wanted, node in
        guard wire(stage, output, wanted, node) != nil, let cell = producer(stage) else { return nil }
        return .output(cell: cell, output: output)
      })
  }

  private func input(of input: DeclaredInput, _ scope: Scope, _ producer: (String) -> String?) -> CellInput? {
    let source: CellInput.Source
    switch input.source {
    case .output(let stage, let output):
      guard let cell = producer(stage) else { return nil }
      source = .output(cell: cell, output: output)
    case .text:
      guard case .node(let node)? = scope.resolve(input.node),
        let text = ScalarDecoder(node: node, name: input.name, faults: faults).text()
      else { return nil }
      switch target(text, input) {
      case .success(.model(let text)): source = .model(text)
      case .success: source = .file(text)
      case .failure(let fault):
        faults.note(node, "the input '\(input.name)' cannot be read: \(fault.what)", remedy: fault.remedy)
        return nil
      }
    }
    return CellInput(name: input.name, kind: input.kind, source: source, position: input.node.position)
  }

  private func target(_ text: String, _ input: DeclaredInput) -> Result<Reference.Target, ModelText.Fault> {
    if input.kind == .model { return ModelText.target(text, .model) }
    if let fault = ModelText.pathFault(text) { return .failure(fault) }
    return .success(.path(text))
  }

  private func outputs(of declaration: StageDeclaration) -> [CellOutput] {
    if declaration.kind.declaresOwn { return declaration.outputs }
    return declaration.kind.outputs.filter { missing($0, declaration) == nil }
      .map { CellOutput(name: $0.name, kind: $0.kind, path: nil) }
  }

  /// A command must not write over what it reads.
  private func checkOutputs(of declaration: StageDeclaration, _ inputs: [CellInput], _ references: [Reference]) {
    guard declaration.kind.declaresOwn else { return }
    var read: [(path: String, position: Position)] = []
    for input in inputs { if case .file(let path) = input.source { read.append((path, input.position)) } }
    for reference in references {
      if case .path(let path) = reference.target { read.append((path, reference.position)) }
    }
    for output in declaration.outputs {
      for (path, position) in read where CommandNames.overlap(output.path ?? "", path) {
        faults.note(
          position, "the output '\(output.name)' of '\(declaration.name)' would overwrite what the stage reads",
          text: path, remedy: "write the output to another path")
      }
    }
  }

  // MARK: Wiring

  private func checkInputs(of stage: StageDeclaration) {
    for input in stage.inputs {
      guard case .output(let name, let output) = input.source,
        let kind = wire(name, output, nil, input.node), !kind.fits(input.kind)
      else { continue }
      faults.note(
        input.node,
        "the input '\(input.name)' of '\(stage.name)' takes \(input.kind.rawValue), and \(name).\(output) is \(kind.rawValue)",
        remedy: "wire an output of kind \(input.kind.rawValue)")
    }
  }

  /// The kind of another stage's output; notes what is wrong with it.
  private func wire(_ name: String, _ output: String, _ wanted: [ArtifactKind]?, _ node: YAMLNode) -> ArtifactKind? {
    guard let place = graph.place[name] else {
      if known.contains(name) { return nil }
      let near = faults.wantsSuggestions ? Spelling.nearest(to: name, among: declared) : nil
      faults.note(
        node, "there is no stage '\(Problem.shortened(name, limit: 60))'",
        remedy: near.map { "did you mean '\($0).\(output)'?" } ?? "name a stage of this file")
      return nil
    }
    let stage = graph.stages[place]
    let own = stage.outputs.map(\.name)
    let known = stage.kind.declaresOwn ? own : stage.kind.outputs.map(\.name)
    guard known.contains(output) else {
      let near = Spelling.nearest(to: output, among: known).map { "did you mean '\(name).\($0)'?" }
      let list = known.isEmpty ? "declare it under `outputs` of '\(name)'" : "it gives " + known.joined(separator: ", ")
      faults.note(node, "stage '\(name)' has no output '\(Problem.shortened(output, limit: 60))'", remedy: near ?? list)
      return nil
    }
    var kind = ArtifactKind.files
    if let declared = stage.kind.output(output) {
      kind = declared.kind
      if let missing = missing(declared, stage) {
        faults.note(node, "stage '\(name)' gives '\(output)' only with \(missing)", remedy: "add it to '\(name)'")
        return nil
      }
    }
    if let wanted, !wanted.contains(kind) {
      let list = wanted.map(\.rawValue).joined(separator: " or ")
      faults.note(
        node, "\(name).\(output) is \(kind.rawValue), and \(list) can stand here",
        remedy: "name an output of kind \(list)")
      return nil
    }
    return kind
  }

  /// What a stage would need to give an output; nil when it gives it.
  private func missing(_ output: StageKind.Output, _ stage: StageDeclaration) -> String? {
    if let key = output.needsKey, !stage.hasKey(key) { return "`\(key)` in `with`" }
    if let input = output.needsInput, !stage.inputs.contains(where: { $0.name == input }) {
      return "the input '\(input)'"
    }
    return nil
  }
}

/// Which axes some cell used.
private final class AxisUsage {
  var used: Set<AxisID> = []
}
