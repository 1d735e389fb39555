import Basics

/// The stages of a pipeline and what flows between them, for drawing.
package struct PipelineGraph: Sendable {
  package struct Node: Sendable {
    package let name: String
    package let kind: String
    /// How many cells stand behind it.
    package let count: Int
    /// How far from the beginning: one more than the farthest thing it reads.
    package let layer: Int
  }

  package enum Flow: String, Sendable { case data, reference, gate, forecast }

  package struct Edge: Sendable, Equatable {
    package let from: Int
    package let to: Int
    package let flow: Flow
    /// "train -> rows"
    package let label: String
  }

  package let nodes: [Node]
  package let edges: [Edge]

  /// The graph of stages, or of all cells.
  package init(_ pipeline: Pipeline, byCell: Bool = false) {
    var places: [[UInt8]: Int] = [:]
    var nodes: [(name: String, kind: String, count: Int)] = []
    var placeOfCell: [Int] = []
    for cell in pipeline.cells {
      let name = byCell ? cell.id : cell.stage
      let key = Array(name.utf8)
      if let place = places[key] {
        nodes[place].count += 1
        placeOfCell.append(place)
      } else {
        places[key] = nodes.count
        placeOfCell.append(nodes.count)
        nodes.append((name: name, kind: cell.kind.name, count: 1))
      }
    }
    var edges: [Edge] = []
    var seen: Set<[UInt8]> = []
    func add(_ id: String, _ to: Int, _ flow: Flow, _ label: String) {
      guard let from = pipeline.index(of: id).map({ placeOfCell[$0] }), from != to else { return }
      let key = Array("\(from) \(to) \(flow.rawValue) \(label)".utf8)
      if seen.insert(key).inserted { edges.append(Edge(from: from, to: to, flow: flow, label: label)) }
    }
    for (index, cell) in pipeline.cells.enumerated() {
      let to = placeOfCell[index]
      for input in cell.inputs {
        if case .output(let id, let output) = input.source { add(id, to, .data, "\(output) -> \(input.name)") }
      }
      for reference in cell.references {
        if case .output(let id, let output) = reference.target {
          add(id, to, .reference, "\(output) -> \(reference.place.first.map(PipelineGraph.word) ?? "with")")
        }
      }
      for id in cell.gates { add(id, to, .gate, "gate") }
    }
    var layers = [Int](repeating: 0, count: nodes.count)
    // Cells stand in an order that runs, so that each pass settles at least one more layer; mostly one suffices.
    var changed = true
    var rounds = 0
    while changed, rounds <= nodes.count {
      changed = false
      rounds += 1
      for edge in edges where layers[edge.to] <= layers[edge.from] {
        layers[edge.to] = layers[edge.from] + 1
        changed = true
      }
    }
    self.nodes = nodes.enumerated().map { index, node in
      Node(name: node.name, kind: node.kind, count: node.count, layer: layers[index])
    }
    self.edges = edges
  }

  private static func word(_ step: JSONStep) -> String {
    switch step {
    case .key(let key): key
    case .index(let index): String(index)
    }
  }

  /// `{"nodes":[{"name":…,"kind":…,"cells":…}],"edges":[{"from":…,"to":…,"flow":…,"label":…}]}`
  package var json: JSON {
    [
      "nodes": .array(
        nodes.map { ["name": JSON($0.name), "kind": JSON($0.kind), "cells": JSON($0.count), "layer": JSON($0.layer)] }),
      "edges": .array(
        edges.map { edge in
          [
            "from": JSON(nodes[edge.from].name), "to": JSON(nodes[edge.to].name), "flow": JSON(edge.flow.rawValue),
            "label": JSON(edge.label),
          ]
        }),
    ]
  }

  /// Each stage with what it reads below it.
  package var text: String {
    var incoming = [[Edge]](repeating: [], count: nodes.count)
    for edge in edges { incoming[edge.to].append(edge) }
    var lines: [String] = []
    for (index, node) in nodes.enumerated() {
      let cells = node.count > 1 ? ", \(node.count) cells" : ""
      lines.append("\(node.name) (\(node.kind)\(cells))")
      for (place, edge) in incoming[index].enumerated() {
        let branch = place + 1 < incoming[index].count ? "├─" : "└─"
        let flow = edge.flow == .gate ? " when permitted" : ""
        let parts = edge.label.split(separator: " ")
        let what =
          edge.flow == .gate
          ? "gate ← \(nodes[edge.from].name)" : "\(parts.last ?? "") ← \(nodes[edge.from].name).\(parts.first ?? "")"
        lines.append("  \(branch) \(what)\(flow)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  package var mermaid: String {
    var lines = ["flowchart LR"]
    for (index, node) in nodes.enumerated() {
      lines.append("  n\(index)[\"\(PipelineGraph.mermaidText(node.title))<br/>\(node.kind)\"]")
    }
    for edge in edges {
      let arrow = edge.flow == .gate ? "-.->" : "-->"
      lines.append("  n\(edge.from) \(arrow)|\"\(PipelineGraph.mermaidText(edge.label))\"| n\(edge.to)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  package var dot: String {
    var lines = ["digraph pipeline {", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    for (index, node) in nodes.enumerated() {
      lines.append("  n\(index) [label=\(PipelineGraph.quoted(node.title + "\n" + node.kind))];")
    }
    for edge in edges {
      let style = edge.flow == .gate ? ", style=dashed" : ""
      lines.append("  n\(edge.from) -> n\(edge.to) [label=\(PipelineGraph.quoted(edge.label))\(style)];")
    }
    return (lines + ["}"]).joined(separator: "\n") + "\n"
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  private static func mermaidText(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "#quot;"
      case "<": result += "#lt;"
      case ">": result += "#gt;"
      case "#": result += "#35;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

extension PipelineGraph.Node {
  /// "finetune × 2"
  package var title: String { count > 1 ? "\(name) × \(count)" : name }
}
