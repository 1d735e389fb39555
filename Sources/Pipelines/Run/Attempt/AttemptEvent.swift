import Basics

/// What an attempt tells the runner while it works, one JSON object a line.
package enum AttemptEvent: Sendable {
  case progress(ProgressEvent)
  /// A sentence for people.
  case note(String)

  package var json: JSON {
    switch self {
    case .note(let text): return ["note": JSON(text)]
    case .progress(let event):
      var object: JSON.Object = ["unit": JSON(event.unit), "done": JSON(event.done)]
      if let total = event.total { object["total"] = JSON(total) }
      if !event.figures.isEmpty {
        object["figures"] = .object(JSON.Object(event.figures.map { (key: $0.name, value: JSON($0.value)) }))
      }
      return .object(object)
    }
  }

  /// The event of a line; nil for anything else.
  package init?(_ json: JSON) {
    if let text = json["note"]?.string {
      self = .note(text)
      return
    }
    guard let unit = json["unit"]?.string, let done = json["done"]?.int else { return nil }
    let figures = (json["figures"]?.object?.members ?? []).map { (name: $0.key, value: $0.value.double ?? .nan) }
    self = .progress(ProgressEvent(unit: unit, done: done, total: json["total"]?.int, figures: figures))
  }
}
