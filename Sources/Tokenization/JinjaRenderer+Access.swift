/// Attributes, items and slices.
extension JinjaRenderer {
  /// `object.name`: a method or attribute first, then an item.
  func attribute(_ name: JinjaText, of object: JinjaValue) throws(JinjaFault) -> JinjaValue {
    if let found = try ownAttribute(name, of: object) { return found }
    if case .dict(let dict) = object.kind, let value = dict.value(name) { return value }
    return try missing(name, of: object)
  }

  /// `object[key]`: an item first, then an attribute.
  func item(_ key: JinjaValue, of object: JinjaValue) throws(JinjaFault) -> JinjaValue {
    switch object.kind {
    case .undefined(let undefined): throw JinjaFault(undefined.what)
    case .dict(let dict):
      if case .text(let name) = key.kind {
        if let value = dict.value(name) { return value }
      } else if let value = try? dict.value(key) {
        return value
      }
    case .list(let items), .tuple(let items):
      if let place = position(key, items.count) { return items[place] }
    case .text(let text):
      try spend(scan: text)
      if let place = position(key, text.count) { return .text(character(place, of: text)) }
    case .range(let range):
      if let place = position(key, range.count) { return .int(range[place]) }
    default: break
    }
    if case .text(let name) = key.kind {
      if let found = try ownAttribute(name, of: object) { return found }
      return try missing(name, of: object)
    }
    return .undefined("'\(object.typeName)' object has no element \(try text(of: key).string)")
  }

  private func missing(_ name: JinjaText, of object: JinjaValue) throws(JinjaFault) -> JinjaValue {
    if case .undefined(let undefined) = object.kind { throw JinjaFault(undefined.what) }
    if object.isNone { return .undefined("'None' has no attribute '\(name.string)'") }
    return .undefined("'\(object.typeName) object' has no attribute '\(name.string)'")
  }

  private func position(_ key: JinjaValue, _ count: Int) -> Int? {
    guard let index = key.int else { return nil }
    let place = index < 0 ? index + count : index
    return (0..<count).contains(place) ? place : nil
  }

  private func character(_ index: Int, of text: JinjaText) -> JinjaText {
    let start = text.offset(ofScalar: index)
    return text.bytes(start..<start + text.scalar(at: start).length)
  }

  /// Methods, and the attributes of special objects; nil where Python's `getattr` finds nothing.
  private func ownAttribute(_ name: JinjaText, of object: JinjaValue) throws(JinjaFault) -> JinjaValue? {
    switch object.kind {
    case .undefined(let undefined): throw JinjaFault(undefined.what)
    case .loop(let loop): return try attribute(name.string, of: loop)
    case .namespace(let space): return space[name]
    case .macro(let macro):
      switch name.string {
      case "name": return .text(JinjaText(macro.definition.name))
      case "arguments": return .tuple(macro.definition.parameters.map { .text(JinjaText($0.name)) })
      case "catch_kwargs": return .bool(macro.definition.special.contains(.kwargs))
      case "catch_varargs": return .bool(macro.definition.special.contains(.varargs))
      case "caller": return .bool(macro.definition.special.contains(.caller))
      default: return nil
      }
    case .cycler(let cycler):
      switch name.string {
      case "current": return cycler.items.isEmpty ? nil : cycler.items[cycler.position]
      case "next", "reset": return JinjaValue(.method(JinjaMethod(name.string, of: object)))
      default: return nil
      }
    case .tuple(let items) where items.count == 2 && name.equals("grouper"): return items[0]
    case .tuple(let items) where items.count == 2 && name.equals("list"): return items[1]
    case .function(.dict) where name.equals("fromkeys"): return JinjaValue(.function(.fromKeys))
    default:
      guard JinjaMethods.exists(name, on: object) else { return nil }
      if JinjaMethods.isForbidden(name.string, on: object) {
        return .undefined("access to attribute '\(name.string)' of '\(object.typeName)' object is unsafe")
      }
      return JinjaValue(.method(JinjaMethod(name.string, of: object)))
    }
  }

  private func attribute(_ name: String, of loop: JinjaLoop) throws(JinjaFault) -> JinjaValue? {
    let (index, count) = (loop.index, loop.items.count)
    switch name {
    case "index": return .int(index + 1)
    case "index0": return .int(index)
    case "revindex": return .int(count - index)
    case "revindex0": return .int(count - index - 1)
    case "first": return .bool(index == 0)
    case "last": return .bool(index == count - 1)
    case "length": return .int(count)
    case "depth": return .int(loop.depth + 1)
    case "depth0": return .int(loop.depth)
    case "previtem": return index == 0 ? .undefined("there is no previous item") : loop.items[index - 1]
    case "nextitem": return index + 1 == count ? .undefined("there is no next item") : loop.items[index + 1]
    case "cycle", "changed": return JinjaValue(.method(JinjaMethod(name, of: JinjaValue(.loop(loop)))))
    default: return nil
    }
  }

  // MARK: Slices

  func slice(_ object: JinjaValue, _ lower: Int?, _ upper: Int?, _ step: Int?) throws(JinjaFault) -> JinjaValue {
    if step == 0 { throw JinjaFault("slice step cannot be zero") }
    switch object.kind {
    case .list(let items): return JinjaValue(.list(try pick(items, lower, upper, step)), object.origin)
    case .tuple(let items): return JinjaValue(.tuple(try pick(items, lower, upper, step)), object.origin)
    case .text(let text): return .text(try slice(text, lower, upper, step))
    case .range(let range):
      let places = JinjaRenderer.places(range.count, lower, upper, step)
      let (start, stride) = (range[places.start], range.step &* places.step)
      let end = range[places.end]
      return JinjaValue(.range(JinjaRange(start: start, end: end, step: stride, count: places.count)))
    case .undefined(let undefined): throw JinjaFault(undefined.what)
    default: return .undefined("'\(object.typeName)' object has no slices")
    }
  }

  private func pick(_ items: [JinjaValue], _ lower: Int?, _ upper: Int?, _ step: Int?) throws(JinjaFault)
    -> [JinjaValue]
  {
    let places = JinjaRenderer.places(items.count, lower, upper, step)
    try spend(items: places.count)
    return (0..<places.count).map { items[places[$0]] }
  }

  private func slice(_ text: JinjaText, _ lower: Int?, _ upper: Int?, _ step: Int?) throws(JinjaFault) -> JinjaText {
    try spend(text: text.bytes.count)
    let offsets = text.isASCII ? nil : text.scalarOffsets
    let count = offsets.map { $0.count - 1 } ?? text.bytes.count
    let places = JinjaRenderer.places(count, lower, upper, step)
    guard places.count > 0 else { return text.bytes(0..<0) }
    let (first, last) = (places[0], places[places.count - 1])
    if places.step == 1 {
      return text.bytes((offsets?[first] ?? first)..<(offsets?[last + 1] ?? last + 1))
    }
    try spend(items: places.count)
    var result = JinjaText()
    result.isMarkup = text.isMarkup
    for place in (0..<places.count).map({ places[$0] }) {
      result.append(text.bytes((offsets?[place] ?? place)..<(offsets?[place + 1] ?? place + 1)))
    }
    return result
  }

  /// The indices that Python's `slice(lower, upper, step)` takes of `count` items.
  static func places(_ count: Int, _ lower: Int?, _ upper: Int?, _ step: Int?) -> JinjaRange {
    let step = step ?? 1
    func clamped(_ index: Int, _ low: Int, _ high: Int) -> Int {
      min(max(index < 0 ? index + count : index, low), high)
    }
    let isForward = step > 0
    let (low, high) = isForward ? (0, count) : (-1, count - 1)
    let start = lower.map { clamped($0, low, high) } ?? (isForward ? 0 : count - 1)
    let end = upper.map { clamped($0, low, high) } ?? (isForward ? count : -1)
    return JinjaRange(from: start, to: end, by: step)
  }
}
