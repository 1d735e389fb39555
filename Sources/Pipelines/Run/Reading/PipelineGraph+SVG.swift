import Basics

extension PipelineGraph {
  /// A drawing in layers from left to right; gates are dashed.
  package var svg: String {
    let drawing = Drawing(self)
    return drawing.svg
  }

  /// Places boxes column by column and draws curves between them.
  private struct Drawing {
    private static let boxHeight = 44.0
    private static let rowGap = 26.0
    private static let columnGap = 110.0
    private static let margin = 20.0

    private let graph: PipelineGraph
    private var column: [[Int]]
    private var x: [Double]
    private var y: [Double]
    private let width: [Double]
    private var size: (width: Double, height: Double) = (0, 0)

    init(_ graph: PipelineGraph) {
      self.graph = graph
      let layers = (graph.nodes.map(\.layer).max() ?? 0) + 1
      column = [[Int]](repeating: [], count: layers)
      for (index, node) in graph.nodes.enumerated() { column[node.layer].append(index) }
      width = graph.nodes.map { 24 + 8.0 * Double(max($0.title.unicodeScalars.count, $0.kind.utf8.count, 6)) }
      x = [Double](repeating: 0, count: graph.nodes.count)
      y = x
      order()
      place()
    }

    /// Sorts each column by the middle of what its boxes are joined to, a few times there and back.
    private mutating func order() {
      var neighbours = [[Int]](repeating: [], count: graph.nodes.count)
      for edge in graph.edges {
        neighbours[edge.from].append(edge.to)
        neighbours[edge.to].append(edge.from)
      }
      var rank = [Double](repeating: 0, count: graph.nodes.count)
      for nodes in column { for (place, node) in nodes.enumerated() { rank[node] = Double(place) } }
      for sweep in 0..<8 {
        let indices = sweep % 2 == 0 ? Array(column.indices) : column.indices.reversed()
        for index in indices {
          let weights = column[index].map { node -> (node: Int, weight: Double) in
            let near = neighbours[node]
            let middle = near.isEmpty ? rank[node] : near.reduce(0) { $0 + rank[$1] } / Double(near.count)
            return (node: node, weight: middle)
          }
          column[index] = weights.enumerated().sorted {
            $0.element.weight != $1.element.weight
              ? $0.element.weight < $1.element.weight : $0.offset < $1.offset
          }.map(\.element.node)
          for (place, node) in column[index].enumerated() { rank[node] = Double(place) }
        }
      }
    }

    private mutating func place() {
      let step = Drawing.boxHeight + Drawing.rowGap
      let tallest = Double(column.map(\.count).max() ?? 0) * step - Drawing.rowGap
      var left = Drawing.margin
      for nodes in column {
        var top = Drawing.margin + (tallest - (Double(nodes.count) * step - Drawing.rowGap)) / 2
        for node in nodes {
          x[node] = left
          y[node] = top
          top += step
        }
        left += (nodes.map { width[$0] }.max() ?? 0) + Drawing.columnGap
      }
      size = (width: left - Drawing.columnGap + Drawing.margin, height: tallest + 2 * Drawing.margin)
    }

    var svg: String {
      var lines = [
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(n(size.width))\" height=\"\(n(size.height))\" "
          + "viewBox=\"0 0 \(n(size.width)) \(n(size.height))\" font-family=\"sans-serif\" font-size=\"13\">",
        "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "
          + "orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>",
        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
      ]
      for (edge, ports) in zip(graph.edges, ports()) { lines += line(edge, ports) }
      for (index, node) in graph.nodes.enumerated() { lines += box(index, node) }
      return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private func line(_ edge: Edge, _ ports: (out: Double, into: Double)) -> [String] {
      let (x1, y1) = (x[edge.from] + width[edge.from], y[edge.from] + Drawing.boxHeight * ports.out)
      let (x2, y2) = (x[edge.to], y[edge.to] + Drawing.boxHeight * ports.into)
      let bend = max(30, (x2 - x1) / 2)
      let dash = edge.flow == .gate ? " stroke-dasharray=\"5 4\"" : ""
      return [
        "<path d=\"M\(n(x1)) \(n(y1))C\(n(x1 + bend)) \(n(y1)) \(n(x2 - bend)) \(n(y2)) \(n(x2)) \(n(y2))\" "
          + "fill=\"none\" stroke=\"#777\" marker-end=\"url(#arrow)\"\(dash)><title>\(escaped(edge.label))</title></path>"
      ]
    }

    /// Where each edge leaves and arrives, as shares of its boxes' heights: several of one box a little apart.
    private func ports() -> [(out: Double, into: Double)] {
      var outCount = [Int](repeating: 0, count: graph.nodes.count)
      var intoCount = outCount
      let places = graph.edges.map { edge -> (out: Int, into: Int) in
        outCount[edge.from] += 1
        intoCount[edge.to] += 1
        return (out: outCount[edge.from], into: intoCount[edge.to])
      }
      return zip(graph.edges, places).map { edge, place in
        (
          out: Double(place.out) / Double(outCount[edge.from] + 1),
          into: Double(place.into) / Double(intoCount[edge.to] + 1)
        )
      }
    }

    private func box(_ index: Int, _ node: Node) -> [String] {
      let (left, top, wide) = (x[index], y[index], width[index])
      let middle = n(left + wide / 2)
      return [
        "<rect x=\"\(n(left))\" y=\"\(n(top))\" width=\"\(n(wide))\" height=\"\(n(Drawing.boxHeight))\" rx=\"6\" "
          + "fill=\"#eef3fb\" stroke=\"#4a6da7\"/>",
        "<text x=\"\(middle)\" y=\"\(n(top + 19))\" text-anchor=\"middle\" fill=\"#111\">\(escaped(node.title))</text>",
        "<text x=\"\(middle)\" y=\"\(n(top + 35))\" text-anchor=\"middle\" fill=\"#666\" font-size=\"11\">"
          + "\(escaped(node.kind))</text>",
      ]
    }

    private func n(_ value: Double) -> String { Quantity.fixed(value, 1) }

    private func escaped(_ text: String) -> String {
      var result = ""
      for scalar in text.unicodeScalars {
        switch scalar {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        default: result.unicodeScalars.append(scalar)
        }
      }
      return result
    }
  }
}
