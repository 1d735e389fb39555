import Basics
import Foundation
import Pipelines

extension Command {
  static let initialise = Command(
    name: "init", abstract: "Writes a pipeline to begin with; asks a few questions on a terminal",
    positionals: ["[FOLDER]"],
    options: [
      .value("template", Template.allCases.map(\.rawValue).joined(separator: "|"), "which pipeline (default: starter)"),
      .value("name", "NAME", "the pipeline's name (default: the template's)"),
      .value("model", "M", "the base model: a folder, a .gguf file, hf:…, pypi:… or preset:NAME"),
      .value("data", "FILE", "your rows, instead of an example's; a path as seen from FOLDER"),
      .flag("yes", "ask nothing"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let folder = invocation.paths.first ?? "."
      let asks =
        !invocation.has("yes") && !terminal.wantsJSON && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1
      let answers = try Answers(invocation, asks: asks && !invocation.has("template"))
      let files = try answers.template.files(answers)
      for file in files where Files.exists(folder.appending(file.name)) {
        throw UsageError(
          "\(folder.appending(file.name).display) is there already",
          remedy: "give another folder, or move the file away")
      }
      for file in files {
        let path = folder.appending(file.name)
        try Files.makeFolder(path.parent)
        try Files.writeAtomically(Array(file.contents.utf8), to: path)
      }
      try Files.makeFolder(folder.appending(".fettle"))
      if terminal.wantsJSON {
        terminal.print([
          "template": .string(answers.template.rawValue),
          "files": .array(files.map { .string(folder.appending($0.name).display) }),
        ])
      } else {
        terminal.print(files.map { "wrote \(folder.appending($0.name).display)" }.joined(separator: "\n"))
        let enter = invocation.paths.first.map { "cd \($0.display) && " } ?? ""
        terminal.say("now: \(enter)fettle run")
      }
      return .done
    })
}

/// What a new pipeline is made of: from the options, and from a few questions where these are welcome.
struct Answers {
  let template: Template
  let name: String
  let model: String
  /// The user's own rows; nil for the example's.
  let data: String?

  init(_ invocation: Invocation, asks: Bool) throws {
    let names = Template.allCases.map(\.rawValue)
    if asks { for template in Template.allCases { Answers.say("  \(template.rawValue): \(template.about)") } }
    let given = invocation.value("template")
    let chosen = given ?? (asks ? Answers.ask("template", "starter") : "starter")
    guard let template = Template(rawValue: chosen) else {
      let near = Spelling.nearest(to: chosen, among: names)
      throw UsageError(
        "there is no such template", value: chosen,
        remedy: near.map { "did you mean '\($0)'?" } ?? "use \(names.joined(separator: ", "))")
    }
    self.template = template
    func answer(_ option: String, _ question: String, _ usual: String) -> String {
      invocation.value(option) ?? (asks ? Answers.ask(question, usual) : usual)
    }
    name = answer("name", "name of the pipeline", template.rawValue)
    model = template.usualModel.map { answer("model", "base model", $0) } ?? ""
    let rows = template.takesData ? answer("data", "your rows (empty for an example)", "") : ""
    data = rows.isEmpty ? nil : rows
  }

  private static func say(_ text: String) { Terminal.write(text + "\n", to: STDERR_FILENO) }

  private static func ask(_ question: String, _ usual: String) -> String {
    Terminal.write("\(question)\(usual.isEmpty ? "" : " [\(usual)]"): ", to: STDERR_FILENO)
    let line = (readLine() ?? "").trimmingCharacters(in: .whitespaces)
    return line.isEmpty ? usual : line
  }
}
