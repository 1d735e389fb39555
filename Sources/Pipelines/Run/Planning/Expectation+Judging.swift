import Basics

extension Expectation {
  /// What the metrics break of this limit; nil when they keep it.
  package func violation(in metrics: JSON.Object, of cell: String) -> Problem? {
    let name = metric.joined(separator: ".")
    let place = "\(cell), line \(position.line)"
    var value: JSON? = .object(metrics)
    for step in metric {
      if let index = Int(step), let items = value?.array {
        value = items.indices.contains(index) ? items[index] : nil
      } else {
        value = value?[step]
      }
    }
    // An evaluation's metric is an object with its value and error.
    guard let number = value?.double ?? value?["value"]?.double else {
      let known = metrics.keys.joined(separator: ", ")
      return Problem(
        "'expect' names a metric the stage does not report as a number", at: place, value: name,
        remedy: known.isEmpty ? "it reports none" : "it reports \(known)")
    }
    if let minimum, number < minimum {
      return Problem(
        "\(name) is \(JSON(number).text()), below the minimum of \(JSON(minimum).text()) that 'expect' sets", at: place)
    }
    if let maximum, number > maximum {
      return Problem(
        "\(name) is \(JSON(number).text()), above the maximum of \(JSON(maximum).text()) that 'expect' sets", at: place)
    }
    return nil
  }
}
