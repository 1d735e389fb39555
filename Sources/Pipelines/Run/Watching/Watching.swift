import Basics
import Foundation
import Store

/// Runs a pipeline whenever an edit of its file or of what its stages read makes a stage run; sleeps in between.
package final class Watching {
  package enum Event: Sendable {
    /// The file can not be read as a pipeline; it is tried again when it changes.
    case unreadable(Problem)
    /// Everything is up to date, or failed as it would again; so many folders are watched.
    case waiting(folders: Int)
    /// A folder that the system does not let be watched.
    case unwatched(FilePath)
    case ended(RunSummary)
  }

  private let file: FilePath
  private let project: Project
  private let load: () throws -> Pipeline
  private let makeRunner: (Pipeline) -> Runner
  private let report: (Event) -> Void
  private let stop: StopRequests
  private let watch: FolderWatch
  /// What failed in the last run: it is not tried again before something changes.
  private var failed: Set<Digest> = []
  /// What the last run's cells were; an edit back to an older state needs no stage, but its results to be put in place.
  private var shown: Set<Digest> = []
  /// The known results that the last run was begun with: the same ones are never reason enough for a second run.
  private var known: Set<Digest> = []
  /// What was said to be missing or unreadable.
  private var missing: [Problem] = []
  /// What is wrong with the file, as last told.
  private var fault: Problem?

  /// `load` reads the pipeline anew, `makeRunner` prepares one run of it.
  package init(
    file: FilePath, project: Project, stop: StopRequests = .signals, load: @escaping () throws -> Pipeline,
    makeRunner: @escaping (Pipeline) -> Runner, report: @escaping (Event) -> Void
  ) throws(RunError) {
    self.file = file
    self.project = project
    self.stop = stop
    self.load = load
    self.makeRunner = makeRunner
    self.report = report
    watch = try FolderWatch()
  }

  /// Goes on until it is stopped.
  package func go() throws(RunError) {
    if stop === StopRequests.signals { StopRequests.listenToSignals() }
    while stop.count == 0 {
      let wantsRun = try look()
      if let pipeline = wantsRun {
        let summary = try makeRunner(pipeline).run()
        report(.ended(summary))
        failed = Set(summary.cells.filter { $0.status == .failed || $0.status == .refused }.compactMap(\.fingerprint))
        shown = Set(summary.cells.compactMap(\.fingerprint))
        isFirst = false
        continue
      }
      if !hasTold { report(.waiting(folders: folderCount)) }
      hasTold = true
      guard watch.wait(stop: stop.descriptor) else { return }
    }
  }

  private var isFirst = true
  private var hasTold = false
  private var folderCount = 0

  /// The pipeline if a run has something to do.
  private func look() throws(RunError) -> Pipeline? {
    while true {
      let pipeline: Pipeline
      do { pipeline = try load() } catch {
        let found = problem(of: error)
        if found != fault {
          report(.unreadable(found))
          fault = found
          hasTold = false
        }
        _ = follow(WatchedFolders(file: place, project: project).folders)
        return nil
      }
      let plan = try makeRunner(pipeline).plan()
      // What changed before a folder was watched is seen by looking once more.
      if follow(WatchedFolders(file: place, project: project, plan: plan).folders) { continue }
      let hasWork = plan.entries.contains { entry in
        guard case .run = entry.decision else { return false }
        return entry.fingerprint.map { !failed.contains($0.digest) } ?? true
      }
      var known: Set<Digest> = []
      var missing: [Problem] = []
      for entry in plan.entries {
        switch entry.decision {
        case .cached: if let fingerprint = entry.fingerprint { known.insert(fingerprint.digest) }
        case .impossible(let problem): missing.append(problem)
        default: break
        }
      }
      let isBack = known != self.known && !known.isSubset(of: shown)
      let isNewlyMissing = !missing.isEmpty && missing != self.missing
      self.missing = missing
      if fault != nil {
        fault = nil
        hasTold = false
      }
      guard hasWork || isBack || isNewlyMissing || isFirst else { return nil }
      self.known = known
      hasTold = false
      return pipeline
    }
  }

  private var place: FilePath { file.isAbsolute ? file : ((try? Project.workingFolder()) ?? ".").appending(file) }

  private func follow(_ folders: Set<FilePath>) -> Bool {
    let (isNew, unwatched) = watch.set(folders)
    for folder in unwatched where told.insert(folder).inserted { report(.unwatched(folder)) }
    folderCount = folders.count
    return isNew
  }

  private var told: Set<FilePath> = []
}
