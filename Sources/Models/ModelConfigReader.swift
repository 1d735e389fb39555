import Basics

/// Reads typed, bounded values from a model's configuration and words its errors: place, key, value, what would do.
struct ModelConfigReader {
  let object: JSON.Object
  /// Where the object stands: a file, or a key inside one.
  let place: String

  /// The value of `key`; an explicit null counts as absent, as in transformers.
  func value(_ key: String) -> JSON? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  func error(_ key: String, _ what: String, remedy: String? = nil) -> ModelError {
    ModelError(what, at: "\(place), key \"\(key)\"", value: value(key)?.text() ?? "nothing", remedy: remedy)
  }

  func int(_ key: String, in range: ClosedRange<Int> = 1...(1 << 31)) throws(ModelError) -> Int {
    guard let value = try optionalInt(key, in: range) else {
      throw error(key, "the key is missing", remedy: "it must be a whole number")
    }
    return value
  }

  func optionalInt(_ key: String, in range: ClosedRange<Int> = 1...(1 << 31)) throws(ModelError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let number = value.int, range.contains(number) else {
      throw error(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A finite number above zero.
  func positive(_ key: String, default fallback: Double? = nil) throws(ModelError) -> Double {
    guard let value = value(key) else {
      guard let fallback else { throw error(key, "the key is missing", remedy: "it must be a number above 0") }
      return fallback
    }
    guard let number = value.double, number > 0 else { throw error(key, "must be a number above 0") }
    return number
  }

  func bool(_ key: String, default fallback: Bool) throws(ModelError) -> Bool {
    guard let value = value(key) else { return fallback }
    guard let bool = value.bool else { throw error(key, "must be true or false") }
    return bool
  }

  func string(_ key: String) throws(ModelError) -> String? {
    guard let value = value(key) else { return nil }
    guard let string = value.string else { throw error(key, "must be a string") }
    return string
  }

  func object(_ key: String) throws(ModelError) -> ModelConfigReader? {
    guard let value = value(key) else { return nil }
    guard let object = value.object else { throw error(key, "must be an object") }
    return ModelConfigReader(object: object, place: "\(place), key \"\(key)\"")
  }

  /// A token id or a list of them.
  func ids(_ key: String) throws(ModelError) -> [Int] {
    guard let value = value(key) else { return [] }
    let items = value.array ?? [value]
    guard items.count <= 1024 else { throw error(key, "lists more than 1024 token ids") }
    var result: [Int] = []
    for item in items {
      guard let id = item.int, id < 1 << 31 else { throw error(key, "must be a token id or a list of token ids") }
      // Some published files write -1 for "none".
      if id >= 0 { result.append(id) }
    }
    return result
  }
}
