import Basics
import Foundation

/// Results shared through a folder: receipts and objects, laid out as in a project's own cache.
///
/// Nothing in the folder is believed: every receipt must match its fingerprint, every object its digest and the size
/// its receipt states, and links, pipes and devices are refused. What is not whole is left there and named.
package struct SharedCache {
  /// What was moved, and what could not be.
  package struct Outcome: Sendable {
    package var results = 0
    package var objects = 0
    package var bytes = 0
    /// Results that the other side had already.
    package var known = 0
    package var faults: [Problem] = []

    package init() {}

    package var json: JSON {
      [
        "results": JSON(results), "objects": JSON(objects), "bytes": JSON(bytes), "known": JSON(known),
        "faults": .array(faults.map { JSON($0.description) }),
      ]
    }
  }

  let ledger: Ledger
  /// The shared folder, or the staging copy of a remote one.
  let folder: FilePath

  package init(_ ledger: Ledger, folder: FilePath) {
    self.ledger = ledger
    self.folder = folder
  }

  // MARK: - Push

  /// Copies results into the folder: all, or those of one run. `thorough` also reads what is there already.
  ///
  /// Results with a fingerprint among `skipping` are there already.
  package func push(
    run: Int? = nil, thorough: Bool = false, skipping: Set<Digest> = []
  ) throws(StoreError) -> Outcome {
    var outcome = Outcome()
    for id in try ledger.successes(of: run) {
      guard let receipt = try ledger.receipt(of: id) else { continue }
      if skipping.contains(receipt.fingerprint.digest) {
        outcome.known += 1
        continue
      }
      let place = folder.appending(ResultReceipt.place(receipt.fingerprint.digest))
      let isThere = (try? ResultReceipt.read(place, of: receipt.fingerprint.digest)) != nil
      do throws(StoreError) {
        var copied = 0
        for output in receipt.outputs { copied += try send(output.digest, thorough: thorough, &outcome) }
        if isThere, copied == 0 {
          outcome.known += 1
          continue
        }
        try receipt.write(to: CacheFolder(folder))
        outcome.results += 1
      } catch {
        // A full or unreadable folder stops all; a damaged object only its own results.
        guard error.code == nil, error.isAboutContent else { throw error }
        outcome.faults.append(error.problem)
      }
    }
    return outcome
  }

  /// Copies one object unless it is there; gives how many were copied.
  private func send(_ digest: Digest, thorough: Bool, _ outcome: inout Outcome) throws(StoreError) -> Int {
    let target = folder.appending(ResultReceipt.objectPlace(digest))
    if let status = try storing({ () throws(FileError) in try Files.status(target, followLinks: false) }) {
      let size = try ledger.objects.size(digest)
      let looksWhole = !status.isLink && (status.isFolder || status.size == size?.bytes)
      if looksWhole, !thorough || (try? Content.read(target))?.digest == digest { return 0 }
      try storing { () throws(FileError) in try Files.removeTree(target) }
    }
    guard try ledger.objects.check(digest) == .sound else {
      throw StoreError(
        content: "a stored object is damaged and was not pushed", at: ledger.objects.path(digest),
        remedy: "'fettle fsck' marks it, and the next run makes it again")
    }
    let fresh = folder.appending("objects").appending(".incoming-\(UInt64.random(in: 0...UInt64.max))")
    defer { try? Files.removeTree(fresh) }
    try storing { () throws(FileError) in
      try Files.makeFolder(fresh.parent)
      try Publishing.copyTree(ledger.objects.path(digest), to: fresh)
    }
    let content = try Content.read(fresh)
    guard content.digest == digest else {
      throw StoreError(
        content: "a stored object is damaged and was not pushed", at: ledger.objects.path(digest),
        remedy: "'fettle fsck' marks it, and the next run makes it again")
    }
    try storing { () throws(FileError) in
      try Publishing.synchronise(fresh)
      try Files.makeFolder(target.parent)
      try Files.rename(fresh, to: target)
      try Files.synchroniseFolder(target.parent)
    }
    outcome.objects += 1
    outcome.bytes += content.size
    return 1
  }

  // MARK: - Pull

  /// The results in the folder that are not known here, as their receipts, which are checked; faults are noted.
  package func wanted(_ outcome: inout Outcome) throws(StoreError) -> [ResultReceipt] {
    var receipts: [ResultReceipt] = []
    for (fingerprint, path) in try Rebuilding.receipts(below: folder) {
      if let known = try ledger.result(fingerprint), try isWhole(known) {
        outcome.known += 1
        continue
      }
      do throws(StoreError) { receipts.append(try ResultReceipt.read(path, of: fingerprint)) } catch {
        outcome.faults.append(error.problem)
      }
    }
    return receipts.sorted { $0.finished < $1.finished }
  }

  /// The fingerprints whose receipts lie in a folder, unread.
  package static func fingerprints(in folder: FilePath) -> Set<Digest> {
    Set(((try? Rebuilding.receipts(below: folder)) ?? []).map(\.fingerprint))
  }

  /// The objects of these results that the project does not have.
  package func missing(_ receipts: [ResultReceipt]) throws(StoreError) -> [Digest] {
    var missing: [Digest] = []
    var seen: Set<Digest> = []
    for output in receipts.flatMap(\.outputs) where seen.insert(output.digest).inserted {
      if try ledger.objects.check(output.digest) != .sound { missing.append(output.digest) }
    }
    return missing
  }

  /// Takes the results of `receipts` into the project's cache; the caller holds its lock.
  package func pull(_ receipts: [ResultReceipt], from name: String, _ outcome: inout Outcome) throws(StoreError) {
    guard !receipts.isEmpty else { return }
    let run = try ledger.beginForeignRun("pulled", command: "pulled from \(name)")
    for receipt in receipts {
      do throws(StoreError) {
        var publications: [ObjectStore.Publication] = []
        for output in receipt.outputs { publications.append(try fetch(output, &outcome)) }
        try ledger.adopt(receipt, publications, run: run)
        try? receipt.write(to: ledger.folder)
        outcome.results += 1
      } catch {
        guard error.code == nil, error.isAboutContent else { throw error }
        outcome.faults.append(error.problem)
      }
    }
  }

  private func isWhole(_ result: ResultRecord) throws(StoreError) -> Bool {
    for output in result.outputs where try ledger.objects.check(output.digest) != .sound { return false }
    return true
  }

  private func fetch(
    _ output: ResultReceipt.Output, _ outcome: inout Outcome
  ) throws(StoreError) -> ObjectStore.Publication {
    if try ledger.objects.check(output.digest) == .sound, let here = try ledger.objects.found(output.digest) {
      return here
    }
    let source = folder.appending(ResultReceipt.objectPlace(output.digest))
    let fresh = ledger.folder.work.appending("pull-\(UInt64.random(in: 0...UInt64.max))")
    defer { try? Files.removeTree(fresh) }
    try StrictCopy(limit: output.size).copy(source, to: fresh)
    let content = try Content.read(fresh)
    guard content.digest == output.digest, content.size == output.size else {
      throw StoreError(
        content: "an object does not hold what its digest says, and was not taken", at: source,
        value: content.digest.hex, remedy: "remove it there, and push it again")
    }
    let publication = try ledger.objects.publish(fresh)
    CommitPoint.reached("pull.published")
    outcome.objects += 1
    outcome.bytes += content.size
    return publication
  }
}

/// Copies plain files and folders only: no link is followed, and no more is read than was announced.
struct StrictCopy {
  private var left: Int
  private var entries = 0

  /// Bytes of all files together.
  init(limit: Int) { left = limit }

  func copy(_ source: FilePath, to target: FilePath) throws(StoreError) {
    var copy = self
    try copy.step(source, target, depth: 0)
  }

  private mutating func step(_ source: FilePath, _ target: FilePath, depth: Int) throws(StoreError) {
    let status = try storing { () throws(FileError) in try Files.status(source, followLinks: false) }
    guard let status else { throw StoreError(content: "an object is missing", at: source, remedy: "push it again") }
    entries += 1
    guard depth < 128, entries <= 10_000_000 else { throw StoreError(content: "an object is too deep", at: source) }
    if status.isFolder {
      try storing { () throws(FileError) in try Files.makeFolder(target) }
      for name in try storing({ () throws(FileError) in try Files.list(source) }) {
        try step(source.appending(name), target.appending(name), depth: depth + 1)
      }
      return
    }
    guard status.isRegular else {
      throw StoreError(content: "an object holds what is neither a file nor a folder", at: source)
    }
    guard status.size <= left else {
      throw StoreError(content: "an object is larger than its receipt says", at: source, value: "\(status.size) bytes")
    }
    left -= status.size
    try storing { () throws(FileError) in
      try Publishing.copyFile(source, to: target, limit: status.size, flags: O_NOFOLLOW)
    }
  }
}
