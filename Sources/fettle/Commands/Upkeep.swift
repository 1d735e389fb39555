import Basics
import Foundation
import Pipelines
import Store

extension Command {
  static let gc = Command(
    name: "gc", abstract: "Removes what the cache holds without need; says what it would do unless --yes",
    positionals: [],
    options: [
      .value("older-than", "AGE", "also results last used longer ago than this: 30d, 12h"),
      .value("max-size", "SIZE", "also the least recently used results, until the objects take no more than this"),
      .flag("yes", "remove it"),
      .flag("delete", "the same as --yes"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let project = try Project(invocation)
      _ = try RunHistory.existing(project)
      let removes = invocation.has("yes") || invocation.has("delete")
      let lock = removes ? try hold(project) : nil
      defer { withExtendedLifetime(lock) {} }
      let ledger = try Ledger(project.cache)
      var criteria = GarbageCollection.Criteria()
      criteria.before = try invocation.duration("older-than").map { Ledger.now() - $0 }
      criteria.maximumSize = try invocation.size("max-size")
      let collection = GarbageCollection(ledger, criteria)
      let survey = try collection.survey()
      if removes { try collection.remove(survey) }
      if terminal.wantsJSON {
        terminal.print(json(survey, removed: removes, project))
        return .done
      }
      if !survey.items.isEmpty { terminal.print(table(survey, project)) }
      let size = Quantity.describe(bytes: survey.bytes)
      let kept = "\(Quantity.describe(bytes: survey.kept)) of objects stay"
      if survey.items.isEmpty {
        terminal.print("nothing to remove; \(kept)")
      } else if removes {
        terminal.print("removed \(survey.items.count) items, \(size); \(kept)")
      } else {
        terminal.print("would remove \(survey.items.count) items, \(size); \(kept). 'fettle gc … --yes' removes them")
      }
      if let most = criteria.maximumSize, survey.kept > most {
        terminal.say(
          "what stays is larger than \(Quantity.describe(bytes: most)): the newest results and named runs need it")
      }
      return .done
    })

  private static func table(_ survey: GarbageCollection.Survey, _ project: Project) -> String {
    var table = TextTable(["what", "size", "why", "path"])
    for item in survey.items {
      table.add([
        item.kind.rawValue, Quantity.describe(bytes: item.bytes), item.reason, project.relative(item.path).display,
      ])
    }
    return table.text
  }

  private static func json(_ survey: GarbageCollection.Survey, removed: Bool, _ project: Project) -> JSON {
    [
      "removed": .bool(removed), "bytes": JSON(survey.bytes), "kept": JSON(survey.kept), "total": JSON(survey.total),
      "items": .array(
        survey.items.map {
          [
            "kind": JSON($0.kind.rawValue), "path": JSON(project.relative($0.path).display), "bytes": JSON($0.bytes),
            "reason": JSON($0.reason),
          ]
        }),
    ]
  }

  /// The project's lock, or the error that names who has it.
  static func hold(_ project: Project) throws -> RunLock {
    guard let lock = try RunLock.take(project.cache.lock, command: commandLine) else {
      throw RunLock.busy(project.cache.lock)
    }
    return lock
  }

  static let fsck = Command(
    name: "fsck", abstract: "Verifies every stored object; what is damaged is marked, and the next run makes it again",
    positionals: [], options: [.flag("check", "only look: repair and mark nothing")],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let project = try Project(invocation)
      guard Files.exists(project.cache.path) else {
        throw UsageError("there is no cache here", value: project.root.display, remedy: "begin with 'fettle run'")
      }
      let lock = try hold(project)
      defer { withExtendedLifetime(lock) {} }
      let outcome = try Examined(project, repairs: !invocation.has("check"), terminal)
      terminal.redraw("")
      terminal.wantsJSON ? terminal.print(outcome.json) : terminal.print(outcome.text)
      return outcome.isSound ? .done : .failed
    })
}

/// A check of the store, and of a database that had to be rebuilt first.
private struct Examined {
  private var report: StoreCheck.Report
  /// What was wrong with the database, and where it lies now.
  private var damage: String?
  private var aside: FilePath?
  private var rebuilt = Rebuilding.Outcome()
  private let repairs: Bool

  init(_ project: Project, repairs: Bool, _ terminal: Terminal) throws {
    self.repairs = repairs
    let look = { (ledger: Ledger) throws in
      try StoreCheck(ledger).run(repairs: repairs) { done, total in
        terminal.redraw(ProgressLine(ProgressEvent(unit: "object", done: done, total: total)).text(width: 24))
      }
    }
    do {
      let ledger = try Ledger(project.cache)
      rebuilt = ledger.rebuilt
      report = try look(ledger)
      guard !report.database.isEmpty, repairs else { return }
      damage = report.database.joined(separator: "; ")
      ledger.database.close()
    } catch let error as StoreError where error.isDamage && repairs {
      damage = error.problem.what
    }
    aside = try Ledger.setAside(project.cache)
    let ledger = try Ledger(project.cache)
    rebuilt = ledger.rebuilt
    report = try look(ledger)
  }

  var isSound: Bool { report.isSound && damage == nil }

  var json: JSON {
    [
      "sound": .bool(isSound), "objects": JSON(report.objects), "bytes": JSON(report.bytes),
      "findings": .array(
        report.findings.map {
          [
            "digest": JSON($0.digest.hex), "fault": JSON($0.fault), "action": JSON(action($0)),
            "stages": .array($0.producers.map { JSON($0) }),
          ]
        }),
      "strangers": .array(report.strangers.map { JSON($0.display) }),
      "database": damage.map { JSON($0) } ?? .array(report.database.map { JSON($0) }),
      "set_aside": aside.map { JSON($0.display) } ?? .null, "rebuilt": JSON(rebuilt.results),
      "lost": JSON(rebuilt.lost),
    ]
  }

  private func action(_ finding: StoreCheck.Finding) -> String {
    finding.isRestored ? "restored" : repairs ? "marked for rerun" : "damaged"
  }

  var text: String {
    var lines: [String] = []
    if let damage, let aside {
      lines.append("the database was damaged (\(damage)) and lies in \(aside.display) now")
    }
    for fault in report.database where damage == nil { lines.append("database: \(fault)") }
    if rebuilt.results > 0 || rebuilt.lost > 0 {
      lines.append(
        "rebuilt \(rebuilt.results) results from the stored objects"
          + (rebuilt.lost > 0 ? "; \(rebuilt.lost) are not whole and will run again" : ""))
    }
    for finding in report.findings {
      let stages = finding.producers.isEmpty ? "" : " (\(finding.producers.joined(separator: ", ")))"
      lines.append("\(action(finding)): \(finding.fault)\(stages)")
    }
    if !report.strangers.isEmpty {
      lines.append("\(report.strangers.count) files in the store belong to no result; 'fettle gc' removes them")
    }
    let size = "\(report.objects) objects, \(Quantity.describe(bytes: report.bytes))"
    lines.append(
      report.findings.isEmpty ? "\(size): all sound" : "\(size): \(report.findings.count) were not as recorded")
    return lines.joined(separator: "\n")
  }
}
