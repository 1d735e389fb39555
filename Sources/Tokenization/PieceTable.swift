/// Pieces of text by number, and numbers by text.
struct PieceTable: Sendable {
  private var storage: [UInt8] = []
  private var starts: [Int] = []
  private var lengths: [Int32] = []
  /// -1: free; else a number whose text hashes to about here.
  private var slots = [Int32](repeating: -1, count: 16)
  private var used = 0

  /// One more than the largest number.
  var count: Int { starts.count }

  /// Gives `number` its text; false where another number has the same text (the text is kept, but not found by it).
  @discardableResult
  mutating func set(_ number: Int, _ text: some Collection<UInt8>) -> Bool {
    while starts.count <= number {
      starts.append(0)
      lengths.append(-1)
    }
    starts[number] = storage.count
    lengths[number] = Int32(text.count)
    storage += text
    if used * 2 >= slots.count { grow() }
    return insert(number)
  }

  private mutating func insert(_ number: Int) -> Bool {
    let text = self[number]
    var slot = Self.hash(text) & (slots.count - 1)
    while slots[slot] >= 0 {
      if self[Int(slots[slot])].elementsEqual(text) { return false }
      slot = (slot + 1) & (slots.count - 1)
    }
    slots[slot] = Int32(number)
    used += 1
    return true
  }

  private mutating func grow() {
    let old = slots
    slots = [Int32](repeating: -1, count: old.count * 2)
    used = 0
    for number in old where number >= 0 { _ = insert(Int(number)) }
  }

  /// Whether `number` has a text.
  func has(_ number: Int) -> Bool { number >= 0 && number < starts.count && lengths[number] >= 0 }

  /// The text of `number`; empty where it has none.
  subscript(number: Int) -> ArraySlice<UInt8> {
    guard has(number) else { return [] }
    return storage[starts[number]..<starts[number] + Int(lengths[number])]
  }

  /// Bytes in the text of `number`.
  func length(_ number: Int) -> Int { has(number) ? Int(lengths[number]) : 0 }

  /// The number that has exactly this text.
  func number(of text: some Collection<UInt8>) -> Int? {
    var slot = Self.hash(text) & (slots.count - 1)
    while slots[slot] >= 0 {
      if self[Int(slots[slot])].elementsEqual(text) { return Int(slots[slot]) }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  private static func hash(_ text: some Collection<UInt8>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return Int(truncatingIfNeeded: (hash ^ hash >> 29) >> 1)
  }
}
