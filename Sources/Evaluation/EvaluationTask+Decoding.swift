import Basics

extension EvaluationTask {
  private static let knownKeys = [
    "task", "dataset_path", "dataset_name", "dataset_kwargs", "test_split", "validation_split", "training_split",
    "fewshot_split", "output_type", "doc_to_text", "doc_to_target", "doc_to_choice", "description", "target_delimiter",
    "fewshot_delimiter", "num_fewshot", "fewshot_config", "generation_kwargs", "metric_list", "filter_list", "repeats",
    "metadata", "tag", "should_decontaminate", "doc_to_decontamination_query",
  ]

  /// A task from the decoded YAML of its file; `file` names it in errors. All faults are found before it throws.
  package init(_ json: JSON, file: String) throws(EvaluationError) {
    guard let object = json.object else {
      throw EvaluationError("a task file must be a mapping", at: file, value: json.kindName)
    }
    var reader = TaskReader(object: object, file: file)
    reader.refuseUnknown(EvaluationTask.knownKeys)

    name = reader.text("task") ?? ""
    let typeName = reader.text("output_type") ?? ""
    let type = OutputType(rawValue: typeName)
    if type == nil, !typeName.isEmpty {
      reader.fail(
        "unknown output_type", value: typeName,
        remedy: "use one of \(OutputType.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    outputType = type ?? .multipleChoice
    dataFiles = reader.dataFiles()
    testSplit = reader.optionalText("test_split") ?? reader.optionalText("validation_split") ?? "test"
    fewshotSplit = reader.optionalText("fewshot_split") ?? reader.optionalText("training_split")
    description = reader.optionalText("description") ?? ""
    docToText = reader.text("doc_to_text", needed: type != .loglikelihoodRolling) ?? ""
    docToTarget = reader.value("doc_to_target") ?? ""
    docToChoice = reader.value("doc_to_choice")
    targetDelimiter = reader.optionalText("target_delimiter") ?? " "
    fewshotDelimiter = reader.optionalText("fewshot_delimiter") ?? "\n\n"
    numFewshot = reader.whole("num_fewshot", in: 0...64)
    generation = reader.generation()
    metrics = reader.metrics(outputType)
    filters = reader.filters()
    sampler = reader.sampler()
    if let split = fewshotSplit, !dataFiles.contains(where: { $0.split == split }) {
      reader.fail("no data file for the few-shot split '\(split)'", remedy: "name it in dataset_kwargs.data_files")
    }
    if let repeats = reader.whole("repeats", in: 1...1_000_000), repeats != 1 {
      reader.fail("repeats other than 1 are not supported", value: "\(repeats)", remedy: "remove it")
    }
    if outputType == .multipleChoice, docToChoice == nil {
      reader.fail("multiple_choice needs doc_to_choice", remedy: "add a list of choices or a template that gives one")
    }
    if case .string("") = docToTarget {
      reader.fail("doc_to_target is missing", remedy: "name the field or template of the right answer")
    }
    if !dataFiles.contains(where: { $0.split == testSplit }) {
      reader.fail(
        "no data file for the split '\(testSplit)'",
        remedy: "add dataset_kwargs: {data_files: {\(testSplit): FILE}}")
    }
    try reader.finish()
  }
}

/// Reads a task's keys and collects what is wrong with them.
private struct TaskReader {
  let object: JSON.Object
  let file: String
  private var faults: [Problem] = []

  init(object: JSON.Object, file: String) {
    self.object = object
    self.file = file
  }

  mutating func fail(_ what: String, value: String? = nil, remedy: String? = nil) {
    faults.append(Problem(what, at: file, value: value, remedy: remedy))
  }

  func finish() throws(EvaluationError) {
    guard let first = faults.first else { return }
    if faults.count == 1 { throw EvaluationError(first) }
    throw EvaluationError(Problem(faults.map(\.description).joined(separator: "\n")))
  }

  mutating func refuseUnknown(_ known: [String]) {
    for key in object.keys where !known.contains(where: { sameBytes($0, key) }) {
      if key.hasPrefix("process_") || key.hasPrefix("custom_") {
        fail("'\(key)' names a Python function, which Fettle does not run", remedy: "prepare the documents beforehand")
      } else {
        let near = Spelling.nearest(to: key, among: known)
        fail("unknown key '\(key)'", remedy: near.map { "did you mean '\($0)'?" } ?? "remove it")
      }
    }
  }

  func value(_ key: String) -> JSON? { object[key].flatMap { $0.isNull ? nil : $0 } }

  mutating func text(_ key: String, needed: Bool = true) -> String? {
    guard let value = value(key) else {
      if needed { fail("'\(key)' is missing") }
      return nil
    }
    guard let text = value.string else {
      fail("'\(key)' must be a string", value: value.kindName)
      return nil
    }
    return text
  }

  mutating func optionalText(_ key: String) -> String? { text(key, needed: false) }

  mutating func whole(_ key: String, in range: ClosedRange<Int>) -> Int? {
    guard let value = value(key) else { return nil }
    guard let number = value.int, range.contains(number) else {
      fail("'\(key)' must be a whole number from \(range.lowerBound) to \(range.upperBound)", value: value.text())
      return nil
    }
    return number
  }

  /// `dataset_path: json` with `dataset_kwargs.data_files` (a path, or split -> path), or `dataset_path: FILE`.
  mutating func dataFiles() -> [(split: String, path: String)] {
    guard let path = text("dataset_path") else { return [] }
    guard ["json", "csv", "text"].contains(path) else { return [(split: "test", path: path)] }
    guard let files = value("dataset_kwargs")?["data_files"] else {
      fail("dataset_path '\(path)' needs dataset_kwargs.data_files")
      return []
    }
    if let single = files.string { return [(split: "test", path: single)] }
    var result: [(split: String, path: String)] = []
    for member in files.object?.members ?? [] {
      if let single = member.value.string {
        result.append((split: member.key, path: single))
      } else {
        fail("data_files.\(member.key) must be one path", value: member.value.kindName)
      }
    }
    if result.isEmpty { fail("data_files names no file", value: files.text()) }
    return result
  }

  mutating func generation() -> EvaluationTask.Generation {
    var result = EvaluationTask.Generation()
    // As the harness has it: without a stop text, the text between shots is one.
    result.until = [optionalText("fewshot_delimiter") ?? "\n\n"].filter { !$0.isEmpty }
    guard let value = value("generation_kwargs") else { return result }
    guard let options = value.object else {
      fail("'generation_kwargs' must be a mapping", value: value.kindName)
      return result
    }
    for (key, value) in options.members {
      switch key {
      case "until":
        if let one = value.string {
          result.until = [one]
        } else if let many = value.array?.compactMap(\.string), many.count == value.array?.count {
          result.until = many
        } else {
          fail("generation_kwargs.until must be a string or a list of strings", value: value.text())
        }
        result.until.removeAll { $0.isEmpty }
      case "max_gen_toks", "max_new_tokens", "max_tokens", "max_length":
        if let count = value.int, (1...65536).contains(count) {
          result.maxTokens = count
        } else {
          fail("generation_kwargs.\(key) must be a whole number from 1 to 65536", value: value.text())
        }
      case "temperature":
        if let number = value.double, number >= 0 {
          result.temperature = number
        } else {
          fail("generation_kwargs.temperature must be a number from 0", value: value.text())
        }
      case "do_sample":
        if value.bool == nil { fail("generation_kwargs.do_sample must be true or false", value: value.text()) }
      default:
        fail("generation_kwargs.\(key) is not supported", remedy: "use until, max_gen_toks, temperature, do_sample")
      }
    }
    if options["do_sample"]?.bool == true, options["temperature"] == nil { result.temperature = 1 }
    if options["do_sample"]?.bool == false { result.temperature = 0 }
    return result
  }

  mutating func metrics(_ type: EvaluationTask.OutputType) -> [EvaluationTask.Metric] {
    let known = EvaluationTask.knownMetrics(type)
    func metric(_ name: String) -> EvaluationTask.Metric {
      EvaluationTask.Metric(name: name, higherIsBetter: !name.contains("perplexity") && name != "bits_per_byte")
    }
    guard let list = value("metric_list") else { return known.usual.map(metric) }
    var result: [EvaluationTask.Metric] = []
    for item in list.array ?? [] {
      guard let name = item["metric"]?.string, known.all.contains(name) else {
        fail(
          "unknown metric for \(type.rawValue)", value: item["metric"]?.text() ?? item.text(),
          remedy: "use \(known.all.joined(separator: ", "))")
        continue
      }
      var entry = metric(name)
      entry.higherIsBetter = flag("higher_is_better", of: item, name) ?? entry.higherIsBetter
      entry.ignoreCase = flag("ignore_case", of: item, name) ?? false
      entry.ignorePunctuation = flag("ignore_punctuation", of: item, name) ?? false
      if let patterns = item["regexes_to_ignore"] {
        entry.regexesToIgnore = patterns.array?.compactMap(\.string) ?? []
        if patterns.array == nil || entry.regexesToIgnore.count != patterns.array?.count {
          fail("regexes_to_ignore of metric \(name) must be a list of strings", value: patterns.text())
        }
      }
      if let way = item["aggregation"],
        !["mean", "perplexity", "weighted_perplexity", "bits_per_byte"].contains(way.string)
      {
        fail(
          "unknown aggregation of metric \(name)", value: way.text(), remedy: "leave it out: each metric has its own")
      }
      let keys = [
        "metric", "aggregation", "higher_is_better", "ignore_case", "ignore_punctuation", "regexes_to_ignore",
      ]
      for key in item.object?.keys ?? [] where !keys.contains(key) {
        fail("unknown key '\(key)' of metric \(name)", remedy: "use \(keys.joined(separator: ", "))")
      }
      result.append(entry)
    }
    if result.isEmpty { fail("'metric_list' must be a list of mappings with 'metric'", value: list.text()) }
    return result
  }

  private mutating func flag(_ key: String, of item: JSON, _ metric: String) -> Bool? {
    guard let value = item[key] else { return nil }
    if value.bool == nil { fail("\(key) of metric \(metric) must be true or false", value: value.text()) }
    return value.bool
  }

  /// Whether shots are drawn as the harness draws them, or the first ones are taken.
  mutating func sampler() -> EvaluationTask.ShotSampler {
    guard let value = value("fewshot_config") else { return .random }
    for key in value.object?.keys ?? [] where key != "sampler" {
      fail("fewshot_config.\(key) is not supported", remedy: "use sampler: default or first_n")
    }
    switch value["sampler"]?.string {
    case "first_n": return .firstN
    case "default": return .random
    default:
      fail("unknown fewshot_config", value: value.text(), remedy: "use sampler: default or first_n")
      return .random
    }
  }

  mutating func filters() -> [EvaluationTask.Filter] {
    guard let list = value("filter_list") else { return [.init(name: "none", functions: [.takeFirst])] }
    var result: [EvaluationTask.Filter] = []
    for item in list.array ?? [] {
      var functions: [EvaluationTask.Filter.Function] = []
      guard let steps = item["filter"]?.array else {
        fail("a filter needs a list 'filter' of functions", value: item.text())
        continue
      }
      for step in steps {
        switch step["function"]?.string {
        case "take_first": functions.append(.takeFirst)
        case "regex":
          if let select = step["group_select"], select.int == nil {
            fail("group_select of a regex filter must be a whole number", value: select.text())
          }
          functions.append(
            .regex(
              pattern: step["regex_pattern"]?.string ?? #"#### (\-?[0-9\.\,]+)"#,
              groupSelect: step["group_select"]?.int ?? 0, fallback: step["fallback"]?.string ?? "[invalid]"))
        case "lowercase": functions.append(.lowercase)
        case "uppercase": functions.append(.uppercase)
        case "remove_whitespace": functions.append(.removeWhitespace)
        default:
          fail(
            "unknown filter function", value: step["function"]?.text() ?? step.text(),
            remedy: "use take_first, regex, lowercase, uppercase, remove_whitespace")
        }
      }
      guard let name = item["name"]?.string else {
        fail("a filter needs a name", value: item.text())
        continue
      }
      result.append(.init(name: name, functions: functions))
    }
    if result.isEmpty { fail("'filter_list' must be a list of mappings with 'name' and 'filter'", value: list.text()) }
    return result
  }
}
