import Basics

/// All there is to know of one success, in a file of its own: `results/aa/rest.json` by its fingerprint.
///
/// A lost database is rebuilt from receipts and objects, and results travel between caches by them. What it says is
/// checked: the fingerprint must be the one its parts make, and each output the one its digest says.
package struct ResultReceipt: Sendable {
  package struct Output: Sendable, Equatable {
    package let name: String
    package let kind: String
    package let digest: Digest
    /// Bytes of all its files together.
    package let size: Int
  }

  package let fingerprint: FingerprintRecord
  package let pipeline: String
  package let cell: String
  /// Seconds since 1970.
  package let started: Double
  package let finished: Double
  package let peakMemory: Int?
  package let metrics: JSON?
  package let outputs: [Output]

  /// Bytes that a receipt may have.
  static let limit = 64 << 20

  package init(
    fingerprint: FingerprintRecord, pipeline: String, cell: String, started: Double, finished: Double,
    peakMemory: Int?, metrics: JSON?, outputs: [Output]
  ) {
    self.fingerprint = fingerprint
    self.pipeline = pipeline
    self.cell = cell
    self.started = started
    self.finished = finished
    self.peakMemory = peakMemory
    self.metrics = metrics
    self.outputs = outputs
  }

  /// Where the receipt of a fingerprint lies below a cache folder.
  package static func place(_ fingerprint: Digest) -> FilePath {
    FilePath("results/\(fingerprint.hex.prefix(2))/\(fingerprint.hex.dropFirst(2)).json")
  }

  /// Where an object of this digest lies below a cache folder.
  package static func objectPlace(_ digest: Digest) -> FilePath {
    FilePath("objects/\(digest.hex.prefix(2))/\(digest.hex.dropFirst(2))")
  }

  /// `{"receipt":1,"kind":…,"parts":[[name,value],…],"pipeline":…,"cell":…,…,"outputs":[…]}`
  package var json: JSON {
    [
      "receipt": 1, "kind": JSON(fingerprint.kind), "fingerprint": JSON(fingerprint.digest.hex),
      "parts": .array(fingerprint.parts.map { [JSON($0.name), JSON($0.value)] }), "pipeline": JSON(pipeline),
      "cell": JSON(cell), "started": JSON(started), "finished": JSON(finished),
      "peak_memory": peakMemory.map { JSON($0) } ?? .null, "metrics": metrics ?? .null,
      "outputs": .array(
        outputs.map {
          ["name": JSON($0.name), "kind": JSON($0.kind), "digest": JSON($0.digest.hex), "size": JSON($0.size)]
        }),
    ]
  }

  package func write(to folder: CacheFolder) throws(StoreError) {
    let place = folder.path.appending(ResultReceipt.place(fingerprint.digest))
    try storing { () throws(FileError) in
      try Files.makeFolder(place.parent)
      try Files.writeAtomically(json.encoded() + [0x0A], to: place)
    }
  }

  /// Reads a receipt and checks that it is the one of this fingerprint.
  package static func read(_ path: FilePath, of fingerprint: Digest) throws(StoreError) -> ResultReceipt {
    let status = try storing { () throws(FileError) in try Files.status(path, followLinks: false) }
    guard status?.isRegular == true else { throw StoreError("a receipt is no regular file", at: path) }
    let bytes = try storing { () throws(FileError) in try Files.read(path, limit: limit) }
    guard let json = try? JSONParser.parse(bytes), let receipt = ResultReceipt(json) else {
      throw StoreError("a receipt can not be read", at: path)
    }
    guard receipt.fingerprint.digest == fingerprint else {
      throw StoreError("a receipt does not belong to its fingerprint", at: path)
    }
    return receipt
  }

  init?(_ json: JSON) {
    guard json["receipt"]?.int == 1, let kind = json["kind"]?.string, let parts = json["parts"]?.array,
      let pipeline = json["pipeline"]?.string, let cell = json["cell"]?.string, let outputs = json["outputs"]?.array,
      let started = json["started"]?.double, let finished = json["finished"]?.double
    else { return nil }
    var known: [FingerprintRecord.Part] = []
    for part in parts {
      guard let pair = part.array, pair.count == 2, let name = pair[0].string, let value = pair[1].string else {
        return nil
      }
      known.append(FingerprintRecord.Part(name: name, value: value))
    }
    var made: [Output] = []
    for output in outputs {
      guard let name = output["name"]?.string, let kind = output["kind"]?.string, let size = output["size"]?.int,
        let digest = output["digest"]?.string.flatMap({ Digest(hex: $0) }), size >= 0
      else { return nil }
      made.append(Output(name: name, kind: kind, digest: digest, size: size))
    }
    self.init(
      fingerprint: FingerprintRecord(kind: kind, parts: known), pipeline: pipeline, cell: cell, started: started,
      finished: finished, peakMemory: json["peak_memory"]?.int,
      metrics: json["metrics"].flatMap { $0.isNull ? .none : $0 }, outputs: made)
  }
}

extension Ledger {
  /// The receipt of a success; nil for another attempt, or one whose objects are gone.
  package func receipt(of id: Int) throws(StoreError) -> ResultReceipt? {
    guard let attempt = try attempt(id), attempt.status == .done,
      let fingerprint = try fingerprint(attempt.fingerprint)
    else { return nil }
    var outputs: [ResultReceipt.Output] = []
    for output in try self.outputs(of: id) {
      guard let size = try objects.size(output.digest)?.bytes else { return nil }
      outputs.append(
        ResultReceipt.Output(name: output.name, kind: output.kind, digest: output.digest, size: size))
    }
    return ResultReceipt(
      fingerprint: fingerprint, pipeline: attempt.pipeline, cell: attempt.cell, started: attempt.started,
      finished: attempt.finished ?? attempt.started, peakMemory: attempt.peakMemory, metrics: attempt.metrics,
      outputs: outputs)
  }

  /// The newest success of every fingerprint, the oldest first; of one run's cells only, where `run` is given.
  package func successes(of run: Int? = nil) throws(StoreError) -> [Int] {
    let all = "SELECT MAX(id) FROM attempts WHERE status = 'done' GROUP BY fingerprint ORDER BY 1"
    let ofRun =
      "SELECT DISTINCT attempt FROM run_cells WHERE run = ? AND status IN ('done', 'cached') AND attempt NOT NULL"
    let rows = if let run { try database.rows(ofRun, SQLValue(run)) } else { try database.rows(all) }
    var ids: [Int] = []
    for row in rows { ids.append(try row.int(0)) }
    return ids
  }

  /// Records a success that was not made here as one of `run`; its objects lie in the store already.
  package func adopt(
    _ receipt: ResultReceipt, _ publications: [ObjectStore.Publication], run: Int
  ) throws(StoreError) {
    try database.transaction { () throws(StoreError) in
      try save(receipt.fingerprint)
      let attempt = try database.insert(
        """
        INSERT INTO attempts (run, pipeline, cell, fingerprint, number, status, started, finished, exit_code,
          peak_memory, metrics)
        VALUES (?, ?, ?, ?, 1, 'done', ?, ?, 0, ?, ?)
        """,
        SQLValue(run), .text(receipt.pipeline), .text(receipt.cell), SQLValue(receipt.fingerprint.digest),
        .real(receipt.started), .real(receipt.finished), SQLValue(receipt.peakMemory),
        SQLValue(receipt.metrics?.text()))
      for (position, (output, publication)) in zip(receipt.outputs, publications).enumerated() {
        try objects.record(publication)
        try database.run(
          "INSERT INTO outputs VALUES (?, ?, ?, ?, ?)",
          SQLValue(attempt), SQLValue(position), .text(output.name), .text(output.kind), SQLValue(output.digest))
      }
    }
  }

  /// The run that stands for results which were not made here.
  package func beginForeignRun(_ origin: String, command: String) throws(StoreError) -> Int {
    let run = try beginRun(pipeline: "", file: nil, command: command, cells: [])
    try database.run(
      "UPDATE runs SET origin = ?, finished = started, exit_code = 0 WHERE id = ?", .text(origin), SQLValue(run))
    return run
  }
}
