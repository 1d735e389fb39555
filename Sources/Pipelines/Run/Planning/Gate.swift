import Basics
import Store

/// Judges a dry run's forecast against the limits its `require` sets.
///
/// The forecast is the JSON of the dry run's output `forecast`: `peak_memory` in bytes, `hours`, and whatever else it
/// foresees, at the top; each a number, or an object with its `predicted`. Judging is no measuring: new limits meet the
/// old numbers.
struct Gate {
  let pipeline: Pipeline
  let objects: ObjectStore?

  /// What the forecast breaks; nil when it keeps all limits.
  func judge(_ gate: StageCell, outputs: [OutputRecord]) throws(RunError) -> Problem? {
    guard let limits = gate.with["require"]?.object, !limits.isEmpty else { return nil }
    guard let output = outputs.first(where: { $0.kind == ArtifactKind.forecast.rawValue }), let objects else {
      return nil
    }
    let forecast = try running {
      var path = objects.path(output.digest)
      if try Files.status(path)?.isFolder == true { path = path.appending("forecast.json") }
      return try JSONParser.parse(try Files.read(path, limit: 1 << 26))
    }
    var broken: [String] = []
    for (name, limit) in limits.members {
      guard let bound = limit.double else { continue }
      guard let value = Gate.number(name, in: forecast) else {
        broken.append("\(name) is not forecast, but at most \(Gate.show(name, bound)) is required")
        continue
      }
      if value > bound {
        broken.append("\(name) is forecast at \(Gate.show(name, value)), above the limit of \(Gate.show(name, bound))")
      }
    }
    guard !broken.isEmpty else { return nil }
    return Problem(
      "refused by the forecast: \(broken.joined(separator: "; "))", at: gate.id,
      remedy: "make the stage smaller, or raise 'require' of '\(gate.stage)' if the machine allows it")
  }

  /// `{"hours": 2}`, or what is predicted in `{"hours": {"low": 1, "predicted": 2, "high": 3}}`.
  private static func number(_ name: String, in forecast: JSON) -> Double? {
    forecast[name]?.double ?? forecast[name]?["predicted"]?.double
  }

  private static func show(_ name: String, _ value: Double) -> String {
    if name.hasSuffix("memory"), value.isFinite, abs(value) < 0x1p62 { return Quantity.describe(bytes: Int(value)) }
    if name.hasSuffix("hours") { return "\(Quantity.fixed(value, 3)) h" }
    return JSON(value).text()
  }
}
