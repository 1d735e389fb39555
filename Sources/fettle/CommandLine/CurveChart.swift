import Basics
import Foundation

/// Curves drawn with characters: Braille dots for one, a letter each for several; stars where the terminal has no UTF-8.
struct CurveChart {
  struct Series {
    let name: String
    /// Both coordinates finite.
    let points: [(x: Double, y: Double)]

    init(name: String, points: [(x: Double, y: Double)]) {
      self.name = name
      self.points = points.filter { $0.x.isFinite && $0.y.isFinite }
    }
  }

  let title: String
  /// What x counts.
  let unit: String
  let series: [Series]
  var width = 60
  var height = 12
  var hasUnicode = true

  /// Nil when there is nothing to draw.
  var text: String? {
    let all = series.flatMap(\.points)
    guard let left = all.map(\.x).min(), let right = all.map(\.x).max(), let low = all.map(\.y).min(),
      let high = all.map(\.y).max()
    else { return nil }
    let isAlone = series.count == 1 && hasUnicode
    let grid = isAlone ? braille(left, right, low, high) : letters(left, right, low, high)
    let labels = [label(high)] + Array(repeating: "", count: height - 2) + [label(low)]
    let margin = labels.map(\.count).max() ?? 0
    var lines = [title]
    for (row, label) in zip(grid, labels) {
      lines.append(String(repeating: " ", count: margin - label.count) + label + " |" + row)
    }
    let (from, to) = (label(left), label(right))
    let gap = max(1, width - from.count - to.count - unit.count - 1)
    lines.append(
      String(repeating: " ", count: margin + 2) + from + String(repeating: " ", count: gap) + "\(unit) \(to)")
    if !isAlone, series.count > 1 {
      lines += series.enumerated().map { "  \(CurveChart.mark($0)) \($1.name)" }
    }
    return lines.joined(separator: "\n")
  }

  private static func mark(_ index: Int) -> Character {
    let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return letters[index % letters.count]
  }

  private func place(_ value: Double, _ low: Double, _ high: Double, _ count: Int) -> Int {
    guard high > low else { return count / 2 }
    return min(count - 1, max(0, Int(((value - low) / (high - low) * Double(count - 1)).rounded())))
  }

  private func letters(_ left: Double, _ right: Double, _ low: Double, _ high: Double) -> [String] {
    var grid = [[Character]](repeating: [Character](repeating: " ", count: width), count: height)
    for (index, one) in series.enumerated().reversed() {
      let mark: Character = series.count == 1 ? "*" : CurveChart.mark(index)
      for point in one.points {
        grid[height - 1 - place(point.y, low, high, height)][place(point.x, left, right, width)] = mark
      }
    }
    return grid.map { String($0).trimmedEnd }
  }

  /// Two dots across and four down for each character.
  private func braille(_ left: Double, _ right: Double, _ low: Double, _ high: Double) -> [String] {
    var cells = [[UInt32]](repeating: [UInt32](repeating: 0, count: width), count: height)
    let bits: [[UInt32]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]
    func dot(_ x: Int, _ y: Int) { cells[y / 4][x / 2] |= bits[y % 4][x % 2] }
    var last: (x: Int, y: Int)?
    for point in series[0].points {
      let x = place(point.x, left, right, width * 2)
      let y = height * 4 - 1 - place(point.y, low, high, height * 4)
      if let last {
        let steps = max(abs(x - last.x), abs(y - last.y), 1)
        for step in 0...steps {
          dot(last.x + (x - last.x) * step / steps, last.y + (y - last.y) * step / steps)
        }
      } else {
        dot(x, y)
      }
      last = (x, y)
    }
    return cells.map { row in
      var line = String.UnicodeScalarView()
      for cell in row { line.append(cell == 0 ? " " : Unicode.Scalar(0x2800 + cell) ?? " ") }
      return String(line).trimmedEnd
    }
  }

  private func label(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e9 { return String(Int(value)) }
    return String(format: "%.4g", value)
  }
}

extension CurveChart {
  /// Columns of the terminal for the curve itself, and whether its locale writes UTF-8.
  static func terminalShape() -> (width: Int, hasUnicode: Bool) {
    let environment = ProcessInfo.processInfo.environment
    var size = winsize()
    let asked = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size)
    let columns = asked == 0 && size.ws_col > 0 ? Int(size.ws_col) : environment["COLUMNS"].flatMap { Int($0) } ?? 80
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    return (min(max(columns - 14, 20), 100), locale.lowercased().contains("utf"))
  }
}

extension String {
  fileprivate var trimmedEnd: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
