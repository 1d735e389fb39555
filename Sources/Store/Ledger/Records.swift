import Basics

/// One call of `fettle run`.
package struct RunRecord: Sendable {
  package let id: Int
  package let pipeline: String
  /// The pipeline file as it was named.
  package let file: FilePath?
  package let command: String
  package let pid: Int
  /// Seconds since 1970.
  package let started: Double
  /// Nil while it runs, and for one that was killed.
  package let finished: Double?
  package let exitCode: Int?
  /// What people call it, if they gave it a name; a named run's results are never collected as garbage.
  package let name: String?
  /// Where its results came from, for one that ran elsewhere: "pulled" or "rebuilt".
  package let origin: String?
}

/// How a cell of the pipeline fared in one run.
package enum CellStatus: String, Sendable, CaseIterable {
  case pending, running, cached, done, failed, refused, skipped, interrupted

  /// The word in JSON and tables: what was interrupted counts as failed.
  package var word: String { self == .interrupted ? CellStatus.failed.rawValue : rawValue }
}

/// A cell of one run.
package struct CellRecord: Sendable {
  package var position: Int
  package var cell: String
  package var stage: String
  package var kind: String
  package var status: CellStatus
  /// Why it ran, or did not.
  package var reason: String?
  package var seconds: Double?
  package var fingerprint: Digest?
  /// The attempt whose result stands for the cell, or that failed.
  package var attempt: Int?
  package var error: String?

  package init(
    position: Int, cell: String, stage: String, kind: String, status: CellStatus = .pending, reason: String? = nil,
    seconds: Double? = nil, fingerprint: Digest? = nil, attempt: Int? = nil, error: String? = nil
  ) {
    self.position = position
    self.cell = cell
    self.stage = stage
    self.kind = kind
    self.status = status
    self.reason = reason
    self.seconds = seconds
    self.fingerprint = fingerprint
    self.attempt = attempt
    self.error = error
  }
}

/// A fingerprint with the parts it was made of, in order.
package struct FingerprintRecord: Sendable, Equatable {
  package struct Part: Sendable, Equatable {
    /// "stage version", "with.learning_rate", "input rows".
    package let name: String
    /// The digest or the JSON text that counts.
    package let value: String

    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }

    package static func == (a: Part, b: Part) -> Bool { sameBytes(a.name, b.name) && sameBytes(a.value, b.value) }
  }

  package let digest: Digest
  package let kind: String
  package let parts: [Part]

  package init(digest: Digest, kind: String, parts: [Part]) {
    self.digest = digest
    self.kind = kind
    self.parts = parts
  }

  /// The fingerprint that these parts make.
  package init(kind: String, parts: [Part]) {
    var hasher = SHA256()
    hasher.update(Array("fettle fingerprint 1\n".utf8))
    for part in parts {
      for text in [part.name, part.value] { hasher.update(Array("\(text.utf8.count) \(text)\n".utf8)) }
    }
    self.init(digest: hasher.finish(), kind: kind, parts: parts)
  }
}

/// How an attempt ended. Only `done` is ever reused.
package enum AttemptStatus: String, Sendable {
  case running, done, failed, refused, interrupted
  /// It ended well, but what it read changed meanwhile.
  case discarded
}

/// One execution of a stage in a process of its own.
package struct AttemptRecord: Sendable {
  package let id: Int
  package let run: Int
  package let pipeline: String
  package let cell: String
  package let fingerprint: Digest
  /// From 1 within its run and cell.
  package let number: Int
  package let status: AttemptStatus
  package let started: Double
  package let finished: Double?
  package let pid: Int?
  /// The kernel's start time of the process, which tells it from a later one with its number.
  package let processStart: Int?
  package let exitCode: Int?
  package let signal: Int?
  package let error: String?
  /// Bytes, of the whole process tree.
  package let peakMemory: Int?
  /// Relative to the cache folder.
  package let log: FilePath?
  package let events: FilePath?
  package let metrics: JSON?

  package var seconds: Double? { finished.map { $0 - started } }
}

/// One output of a successful attempt.
package struct OutputRecord: Sendable, Equatable {
  package let name: String
  package let kind: String
  package let digest: Digest

  package init(name: String, kind: String, digest: Digest) {
    self.name = name
    self.kind = kind
    self.digest = digest
  }
}

/// A result that may be reused: the attempt that made it, and what it made.
package struct ResultRecord: Sendable {
  package let attempt: Int
  package let outputs: [OutputRecord]
}
