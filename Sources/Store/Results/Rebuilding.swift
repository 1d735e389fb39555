import Basics

/// Fills an empty database from the receipts and objects on disk: what is whole counts again.
package struct Rebuilding {
  package struct Outcome: Sendable, Equatable {
    /// Results that count again.
    package var results = 0
    /// Results whose receipt or objects are not whole.
    package var lost = 0

    package init(results: Int = 0, lost: Int = 0) {
      self.results = results
      self.lost = lost
    }
  }

  private let ledger: Ledger

  init(_ ledger: Ledger) { self.ledger = ledger }

  func adoptAll() throws(StoreError) -> Outcome {
    var outcome = Outcome()
    var receipts: [ResultReceipt] = []
    for (fingerprint, path) in try Rebuilding.receipts(below: ledger.folder.path) {
      guard let receipt = try? ResultReceipt.read(path, of: fingerprint) else {
        outcome.lost += 1
        continue
      }
      receipts.append(receipt)
    }
    guard !receipts.isEmpty else { return outcome }
    // The order of their making, so that the newest result of a cell stays the newest.
    receipts.sort { $0.finished < $1.finished }
    return try ledger.database.transaction { () throws(StoreError) in try adopt(receipts, &outcome) }
  }

  private func adopt(_ receipts: [ResultReceipt], _ outcome: inout Outcome) throws(StoreError) -> Outcome {
    let run = try ledger.beginForeignRun("rebuilt", command: "rebuilt from the stored results")
    var seen: [Digest: ObjectStore.Publication] = [:]
    for receipt in receipts {
      var publications: [ObjectStore.Publication] = []
      for output in receipt.outputs {
        var whole = seen[output.digest]
        if whole == nil { whole = try ledger.objects.found(output.digest) }
        guard let whole else { break }
        seen[output.digest] = whole
        publications.append(whole)
      }
      guard publications.count == receipt.outputs.count else {
        outcome.lost += 1
        continue
      }
      try ledger.adopt(receipt, publications, run: run)
      outcome.results += 1
    }
    return outcome
  }

  /// The receipts below a cache folder by their fingerprints; other files are left alone.
  static func receipts(below folder: FilePath) throws(StoreError) -> [(fingerprint: Digest, path: FilePath)] {
    try named(folder.appending("results"), ending: ".json")
  }

  /// The objects below a cache folder by their digests; other files are left alone.
  static func objects(below folder: FilePath) throws(StoreError) -> [(digest: Digest, path: FilePath)] {
    try named(folder.appending("objects"), ending: "").map { (digest: $0.fingerprint, path: $0.path) }
  }

  private static func named(
    _ folder: FilePath, ending: String
  ) throws(StoreError) -> [(fingerprint: Digest, path: FilePath)] {
    var found: [(fingerprint: Digest, path: FilePath)] = []
    guard Files.exists(folder) else { return found }
    for half in try storing({ () throws(FileError) in try Files.list(folder) }) where half.bytes.count == 2 {
      let inner = folder.appending(half)
      guard try storing({ () throws(FileError) in try Files.status(inner) })?.isFolder == true else { continue }
      for name in try storing({ () throws(FileError) in try Files.list(inner) }) {
        guard name.bytes.count == 62 + ending.utf8.count,
          name.bytes.suffix(ending.utf8.count).elementsEqual(ending.utf8),
          let digest = Digest(hex: half.display + String(decoding: name.bytes.prefix(62), as: UTF8.self))
        else { continue }
        found.append((fingerprint: digest, path: inner.appending(name)))
      }
    }
    return found
  }
}
