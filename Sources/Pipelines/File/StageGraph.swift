import Basics

/// The stages with their edges: who reads whom, who gates whom; checked, and ordered.
struct StageGraph {
  /// Why one stage comes after another.
  struct Edge {
    let from: Int
    let node: YAMLNode
    let isGate: Bool
  }

  let stages: [StageDeclaration]
  let faults: FaultList
  let place: [String: Int]
  /// For each stage, what comes before it, in the order of the file.
  let edges: [[Edge]]
  /// The stages in an order that runs; nil when there is a cycle.
  let order: [Int]?
  /// The stages in an order in which a stage's axes follow from earlier ones; nil when there is a cycle.
  let axisOrder: [Int]?

  init(_ stages: [StageDeclaration], faults: FaultList) {
    self.stages = stages
    self.faults = faults
    let place = Dictionary(stages.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    self.place = place
    edges = stages.map { stage in
      var edges: [Edge] = []
      for input in stage.inputs {
        if case .output(let name, _) = input.source, let from = place[name] {
          edges.append(Edge(from: from, node: input.node, isGate: false))
        }
      }
      for mention in stage.mentions {
        if let from = place[mention.stage] { edges.append(Edge(from: from, node: mention.node, isGate: false)) }
      }
      if let gate = stage.gate, let from = place[gate.stage] {
        edges.append(Edge(from: from, node: gate.node, isGate: true))
      }
      return edges
    }
    order = StageGraph.sorted(edges, stages, faults, what: "the stages wait for each other")
    guard order != nil else {
      axisOrder = nil
      return
    }
    var axisEdges = edges.map { $0.filter { !$0.isGate } }
    for (index, stage) in stages.enumerated() {
      if let forecast = stage.forecast, let from = place[forecast.stage] {
        axisEdges[index].append(Edge(from: from, node: forecast.node, isGate: false))
      }
    }
    axisOrder = StageGraph.sorted(axisEdges, stages, faults, what: "a forecast depends on itself")
  }

  /// Kahn's algorithm; of what is ready, the first in the file comes first.
  private static func sorted(
    _ edges: [[Edge]], _ stages: [StageDeclaration], _ faults: FaultList, what: String
  ) -> [Int]? {
    var waiting = edges.map(\.count)
    var readers = [[Int]](repeating: [], count: stages.count)
    for (index, incoming) in edges.enumerated() { for edge in incoming { readers[edge.from].append(index) } }
    var ready = IndexHeap()
    for (index, count) in waiting.enumerated() where count == 0 { ready.insert(index) }
    var order: [Int] = []
    while let next = ready.removeFirst() {
      order.append(next)
      for reader in readers[next] {
        waiting[reader] -= 1
        if waiting[reader] == 0 { ready.insert(reader) }
      }
    }
    if order.count == stages.count { return order }
    noteCycles(among: waiting.indices.filter { waiting[$0] > 0 }, edges, stages, faults, what)
    return nil
  }

  /// Follows what each stage waits for until a stage comes twice: that is a cycle.
  private static func noteCycles(
    among stuck: [Int], _ edges: [[Edge]], _ stages: [StageDeclaration], _ faults: FaultList, _ what: String
  ) {
    let isStuck = Set(stuck)
    var visited: Set<Int> = []
    for start in stuck where !visited.contains(start) {
      var path: [(stage: Int, edge: Edge)] = []
      var places: [Int: Int] = [:]
      var current = start
      while !visited.contains(current), let edge = edges[current].first(where: { isStuck.contains($0.from) }) {
        visited.insert(current)
        places[current] = path.count
        path.append((current, edge))
        current = edge.from
      }
      guard let first = places[current] else { continue }
      // The path runs against the data; the message goes with it, and begins where the file does.
      let cycle = path[first...].map(\.stage)
      let least = cycle.min() ?? current
      let turned = Array(cycle.reversed())
      let from = turned.firstIndex(of: least) ?? 0
      let names = (turned[from...] + turned[..<from] + [least]).map { stages[$0].name }
      let node = path[first...].first { $0.stage == least }?.edge.node ?? path[first].edge.node
      let text = names.count > 12 ? names.prefix(11) + ["…", stages[least].name] : names[...]
      faults.note(node, "\(what): " + text.joined(separator: " -> "), remedy: "remove one of these inputs")
    }
  }
}
