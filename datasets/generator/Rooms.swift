import Basics

/// Short notes about things and the room each thing belongs to: the quickstart's skill.
struct RoomWriter {
  var random: SeededGenerator

  static let rooms: [(room: String, things: [String])] = [
    ("kitchen", ["kettle", "ladle", "oven", "skillet"]),
    ("garden", ["rake", "hedge", "tulip", "shovel"]),
    ("garage", ["car", "wrench", "tyre", "ladder"]),
    ("office", ["printer", "stapler", "desk", "folder"]),
  ]

  static let people = [
    "Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "Joy", "Kai", "Lea", "Max", "Nina", "Otto", "Pia",
  ]
  static let adjectives = ["old", "new", "blue", "heavy", "small", "clean", "broken", "good", "grey", "large"]
  static let notes = [
    "{n} lost the {a} {x}.", "Who took the {a} {x}, {n}?", "{n} bought a {a} {x} {d}.", "The {a} {x} belongs to {n}.",
    "{d} {n} found a {a} {x}.", "{n} asks for the {x} {d}.", "Please bring {n} the {a} {x}.", "A {a} {x} for {n}, {d}.",
    "{n} likes the {a} {x}.", "Is the {x} still {a}, {n}?",
  ]
  static let days = ["today", "on Monday", "on Friday", "last week", "at noon", "this morning", "in spring", "again"]

  /// A note, and the room of the thing it names.
  mutating func note() -> (question: String, answer: String) {
    let room = pick(RoomWriter.rooms)
    return (sentence(pick(room.things)), room.room)
  }

  /// Plain sentences for the base model: the words of the notes, never the rooms.
  mutating func prose(sentences: Int) -> String {
    var lines: [String] = []
    for _ in 0..<sentences { lines.append(sentence(pick(pick(RoomWriter.rooms).things))) }
    return stride(from: 0, to: lines.count, by: 4).map { lines[$0..<min($0 + 4, lines.count)].joined(separator: " ") }
      .joined(separator: "\n") + "\n"
  }

  private mutating func sentence(_ thing: String) -> String {
    let text = fill(
      pick(RoomWriter.notes),
      ["n": pick(RoomWriter.people), "a": pick(RoomWriter.adjectives), "x": thing, "d": pick(RoomWriter.days)])
    return text.prefix(1).uppercased() + text.dropFirst()
  }

  mutating func pick<T>(_ items: [T]) -> T { items[random.below(items.count)] }
}
