// Writes the project's own data sets, the same bytes every time: `make datasets`.
import Basics

/// `count` items that are new to `novelty`; items that share a question or a 13-gram with `heldOut` are passed over.
func draw(_ count: Int, novelty: inout Novelty, limit: Double, heldOut: [Item] = [], from next: () -> Item) -> [Item] {
  let forbidden = heldOut.reduce(into: Set<String>()) { $0.formUnion(wordRuns($1.question, 13)) }
  var items: [Item] = []
  var tries = 0
  while items.count < count {
    tries += 1
    precondition(tries < count * 1000, "the phrases do not give \(count) different items")
    let item = next()
    if novelty.accepts(item.question, limit: limit), forbidden.isDisjoint(with: wordRuns(item.question, 13)) {
      items.append(item)
    }
  }
  return items
}

func writeTickets(to folder: FilePath) throws {
  var writer = TicketWriter(random: SeededGenerator(seed: 20_261_125, stream: 1))
  var novelty = Novelty()
  let evaluation = draw(200, novelty: &novelty, limit: 0.55) { writer.ticket() }
  let clean = draw(1500, novelty: &novelty, limit: 0.55, heldOut: evaluation) { writer.ticket() }
  let accented = draw(120, novelty: &novelty, limit: 0.55, heldOut: evaluation) {
    writer.ticket(names: TicketWriter.accentedNames)
  }
  let spare = draw(60, novelty: &novelty, limit: 0.55, heldOut: evaluation) { writer.ticket() }

  var dirt = Dirt(random: SeededGenerator(seed: 20_261_125, stream: 2))
  let chats = Array(clean[..<700])
  let instructions = Array(clean[700..<1100])
  let table = Array(clean[1100...])
  let faulty =
    dirt.emptyAnswers(Array(spare[..<15])) + dirt.placeholderAnswers(Array(spare[15..<30]))
    + dirt.controlTokens(Array(spare[30..<33])) + dirt.exactDuplicates(of: clean, 60)
    + dirt.nearDuplicates(of: clean, 40) + dirt.contaminated(evaluation, 20)
  let broken = Array(spare[33..<45])
  dirt.note("broken_line", broken.count)
  dirt.note("clean", clean.count + accented.count)

  let mixed = dirt.random.shuffled(chats + faulty)
  let lines = chatLines(mixed, broken: broken, random: &dirt.random)
  try Files.makeFolder(folder.appending("tickets"))
  try Files.writeAtomically(Array(lines.utf8), to: folder.appending("tickets/chats.jsonl"))
  try Files.writeAtomically(
    Array(instructionArray(instructions).utf8), to: folder.appending("tickets/instructions.json"))
  try Files.writeAtomically(Array(markedCSV(table).utf8), to: folder.appending("tickets/table.csv"))
  let latinLines = accented.map {
    JSON.object(["prompt": .string($0.question), "completion": .string($0.answer)]).text() + "\n"
  }.joined()
  try Files.writeAtomically(latin1(latinLines), to: folder.appending("tickets/latin1.jsonl"))
  try Files.writeAtomically(
    Array((dirt.json.text(pretty: true) + "\n").utf8), to: folder.appending("tickets-planted.json"))
  try Files.writeAtomically(Array(evaluationLines(evaluation).utf8), to: folder.appending("tickets-eval.jsonl"))
}

func writeRooms(to folder: FilePath) throws {
  var writer = RoomWriter(random: SeededGenerator(seed: 20_261_125, stream: 3))
  let prose = writer.prose(sentences: 1200)
  var novelty = Novelty()
  let evaluation = draw(200, novelty: &novelty, limit: 0.95) { writer.note() }
  let clean = draw(2000, novelty: &novelty, limit: 0.95, heldOut: evaluation) { writer.note() }
  let spare = draw(24, novelty: &novelty, limit: 0.95, heldOut: evaluation) { writer.note() }

  var dirt = Dirt(random: SeededGenerator(seed: 20_261_125, stream: 4))
  let faulty =
    dirt.emptyAnswers(Array(spare[..<8])) + dirt.placeholderAnswers(Array(spare[8..<16]))
    + dirt.exactDuplicates(of: clean, 30) + dirt.contaminated(evaluation, 12)
  let broken = Array(spare[16..<22])
  dirt.note("broken_line", broken.count)
  dirt.note("clean", clean.count)

  let mixed = dirt.random.shuffled(clean + faulty)
  try Files.makeFolder(folder.appending("rooms"))
  try Files.writeAtomically(Array(prose.utf8), to: folder.appending("rooms/prose.txt"))
  let lines = chatLines(mixed, broken: broken, random: &dirt.random)
  try Files.writeAtomically(Array(lines.utf8), to: folder.appending("rooms/notes.jsonl"))
  try Files.writeAtomically(
    Array((dirt.json.text(pretty: true) + "\n").utf8), to: folder.appending("rooms-planted.json"))
  try Files.writeAtomically(Array(evaluationLines(evaluation).utf8), to: folder.appending("rooms-eval.jsonl"))
}

let folder = FilePath(CommandLine.arguments.dropFirst().first ?? "datasets")
do {
  try writeTickets(to: folder)
  try writeRooms(to: folder)
} catch {
  print("make-datasets: \(problem(of: error))")
}
