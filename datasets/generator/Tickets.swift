import Basics

/// Support tickets and the line that routes them: `queue=…; priority=…; product=…`.
struct TicketWriter {
  var random: SeededGenerator

  static let products = [
    "Harbor", "Lantern", "Meadow", "Pebble", "Quarry", "Saddle", "Thicket", "Walnut", "Ember", "Juniper", "Mosaic",
    "Nimbus",
  ]

  static let problems: [(queue: String, phrases: [String])] = [
    (
      "billing",
      [
        "I was charged twice for {p} this month", "the invoice for {p} shows the wrong amount",
        "my refund for {p} has not arrived", "the discount was not applied to our {p} bill",
        "we still pay for {p} seats that we removed", "the {p} receipt lacks our tax number",
        "my card was declined when renewing {p}", "the {p} price went up without a notice",
      ]
    ),
    (
      "access",
      [
        "I cannot sign in to {p} any more", "the {p} password reset mail never comes",
        "{p} says my account is locked", "the login code for {p} is always rejected",
        "a new colleague cannot log in to {p}", "single sign-on to {p} ends on a blank page",
        "I lost the phone that I sign in to {p} with", "{p} logs me out every few minutes",
      ]
    ),
    (
      "delivery",
      [
        "the {p} parcel has not been delivered", "my {p} box came with a broken seal",
        "the courier left the {p} package at a wrong house", "tracking for the {p} order has stood still",
        "we received only half of the {p} shipment", "the {p} delivery came to our old address",
        "customs holds back our {p} parcel", "the courier never rang for the {p} package",
      ]
    ),
    (
      "defect",
      [
        "{p} crashes when I open a report", "the save button of {p} does nothing",
        "{p} shows an error after the update", "the {p} export writes an empty file",
        "dates in {p} jump back by one day", "the {p} search crashes with a stack trace",
        "{p} freezes when I paste a table", "the print preview of {p} throws an error",
      ]
    ),
    (
      "speed",
      [
        "{p} takes minutes to load a page", "everything in {p} has become very slow",
        "the {p} dashboard is sluggish since noon", "typing in {p} lags behind my keys",
        "{p} reports run slower than last week", "uploads to {p} crawl along",
        "the {p} start screen loads so slowly", "scrolling in {p} stutters and lags",
      ]
    ),
    (
      "advice",
      [
        "how do I add a second team in {p}", "where can I find the {p} manual",
        "is there a way to rename a folder in {p}", "can {p} be used with two screens",
        "how can I change the language of {p}", "which {p} plan would fit five people",
        "where do I switch on dark mode in {p}", "how do I invite a guest to {p}",
      ]
    ),
  ]

  static let urgencies: [(priority: String, phrases: [String])] = [
    (
      "high",
      [
        "Nobody here can work until this is solved.", "This is an emergency for us.", "We lose money every hour.",
        "Please act right now, we are at a standstill.", "Our whole office has stopped because of it.",
        "It is urgent, the board meets today.", "Everything is down on our side.",
      ]
    ),
    (
      "normal",
      [
        "Please have a look this week.", "An answer in the next days would be fine.", "It bothers us a little.",
        "Could someone check it soon?", "We found a way around for the moment.",
        "I would like to have it settled soon.",
        "Please tell me what you need from me.",
      ]
    ),
    (
      "low",
      [
        "There is no hurry at all.", "Whenever you have time is fine.", "It can wait until next month.",
        "Just so you know, it is not pressing.", "Take your time with it.", "This is only a small wish of mine.",
        "Nothing depends on it.",
      ]
    ),
  ]

  static let openers = [
    "Hello, {n} here.", "Good morning!", "Hi team,", "Dear support,", "This is {n} from the {t} team.", "Hey there,",
    "{n} again.", "Greetings from {c}.", "I write for the {t} team in {c}.", "Hello from {c},", "Good day,",
    "{n} of the {t} desk.",
  ]

  static let names = [
    "Ana", "Boris", "Chen", "Dara", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Luca",
  ]
  static let accentedNames = [
    "Zoë", "José", "François", "Jürgen", "Søren", "Chloé", "Ângela", "Björn", "Renée", "Íñigo",
  ]
  static let teams = ["sales", "finance", "harvest", "design", "night", "field", "repair", "travel"]
  static let cities = ["Lisbon", "Graz", "Oslo", "Leeds", "Turin", "Gdansk", "Ghent", "Split"]

  /// One ticket with its answer.
  mutating func ticket(names: [String] = TicketWriter.names) -> (question: String, answer: String) {
    let problem = pick(TicketWriter.problems)
    let urgency = pick(TicketWriter.urgencies)
    let product = pick(TicketWriter.products)
    let opener = fill(
      pick(TicketWriter.openers), ["n": pick(names), "t": pick(TicketWriter.teams), "c": pick(TicketWriter.cities)])
    var complaint = fill(pick(problem.phrases), ["p": product])
    if opener.last != "," { complaint = complaint.prefix(1).uppercased() + complaint.dropFirst() }
    let mark = problem.queue == "advice" ? "?" : "."
    return (
      "\(opener) \(complaint)\(mark) \(pick(urgency.phrases))",
      "queue=\(problem.queue); priority=\(urgency.priority); product=\(product)"
    )
  }

  mutating func pick<T>(_ items: [T]) -> T { items[random.below(items.count)] }
}
