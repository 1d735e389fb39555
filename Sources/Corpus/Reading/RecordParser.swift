import Basics

/// Turns raw records into rows, many at a time.
struct RecordParser: Sendable {
  let source: Int
  /// Added to every offset: the byte-order mark.
  let shift: Int
  let format: RowFormat
  let mapping: FieldMapping?
  var delimiter: UInt8 = 0
  /// The source, for errors that stop the reading.
  var name = ""
  /// The columns, once the header is read.
  private var header: [String]?
  /// Whether records are delivered as the values they are, whatever their shape.
  var keepsValues = false
  /// Whether a broken row of an array ended the reading.
  private(set) var isStopped = false

  init(source: Int, shift: Int, format: RowFormat, mapping: FieldMapping?) {
    self.source = source
    self.shift = shift
    self.format = format
    self.mapping = mapping
  }

  /// Records parsed in one piece of parallel work.
  private static let pieceSize = 256

  private enum Outcome: Sendable {
    case rows([Row])
    case value(JSON, RowPlace)
    case reject(Reject, stops: Bool)
  }

  mutating func parse(_ raw: RawBatch) throws(CorpusError) -> RowBatch {
    var records = raw.records[...]
    if format == .csv || format == .tsv, header == nil, let first = records.first {
      header = try readHeader(raw.bytes[first.range], at: first.line)
      records = records.dropFirst()
    }
    let parser = self
    let base = records.startIndex
    let list = raw.records
    let outcomes = Parallel.mapPieces(records.count, of: RecordParser.pieceSize) { range in
      range.map { parser.outcome(raw.bytes, list[base + $0]) }
    }
    var batch = RowBatch()
    scan: for outcome in outcomes.joined() {
      switch outcome {
      case .rows(let rows): batch.rows += rows
      case .value(let value, let place): batch.values.append((value, place))
      case .reject(let reject, let stops):
        batch.rejects.append(reject)
        if stops {
          isStopped = true
          break scan
        }
      }
    }
    if !isStopped {
      for fault in raw.faults {
        batch.rejects.append(
          Reject(fault.reason, fault.detail, at: place(fault.line, fault.offset), raw: fault.raw))
      }
    }
    return batch
  }

  /// Checks what can only be known at the end.
  func finish() throws(CorpusError) {
    guard format == .csv || format == .tsv, header == nil else { return }
    throw CorpusError(.source, "no header row", at: name, remedy: "the first row must name the columns")
  }

  private func place(_ line: Int, _ offset: Int) -> RowPlace {
    RowPlace(source: source, line: line, offset: offset + shift)
  }

  private func outcome(_ bytes: [UInt8], _ record: RawRecord) -> Outcome {
    let place = place(record.line, record.offset)
    let slice = bytes[record.range]
    func reject(_ reason: String, _ detail: String, stops: Bool = false) -> Outcome {
      .reject(Reject(reason, detail, at: place, raw: Reject.excerpt(slice)), stops: stops)
    }
    let value: JSON
    switch format {
    case .text:
      guard let text = String(validating: slice, as: UTF8.self) else { return undecodable(slice, reject) }
      return keepsValues ? .value(.string(text), place) : .rows([Row(.text(text), at: place)])
    case .csv, .tsv:
      guard unsafe slice.withUnsafeBytes({ unsafe UTF8Scan.isValid($0) }) else { return undecodable(slice, reject) }
      let (fields, fault) = DelimitedFields(delimiter: delimiter).split(slice)
      if let fault { return reject("bad_quote", fault) }
      let header = header ?? []
      guard fields.count == header.count else {
        return reject("ragged_row", "\(fields.count) fields where the header has \(header.count)")
      }
      value = .object(
        JSON.Object(
          zip(header, fields).map { (key: $0, value: .string(String(decoding: $1, as: UTF8.self))) }))
    case .json, .jsonLines, .jsonValues:
      do {
        value = try JSONParser.parse(slice)
      } catch {
        if unsafe !slice.withUnsafeBytes({ unsafe UTF8Scan.isValid($0) }) { return undecodable(slice, reject) }
        let detail = "\(error.what) at byte \(record.offset + shift + error.offset)"
        return reject(error.kind == .duplicateKey ? "duplicate_key" : "broken_json", detail, stops: stops(error))
      }
    }
    if keepsValues { return .value(value, place) }
    do {
      let contents = try shape(value)
      return .rows(
        contents.enumerated().map { part, content in
          var place = place
          place.part = contents.count > 1 ? part + 1 : 0
          return Row(content, at: place)
        })
    } catch {
      return reject(error.reason, error.detail)
    }
  }

  /// A broken row of an array ends the array when its own structure is broken: then no later bracket can be trusted.
  private func stops(_ error: JSONError) -> Bool { format != .jsonLines && error.kind == .syntax }

  private func undecodable(_ slice: ArraySlice<UInt8>, _ reject: (String, String, Bool) -> Outcome) -> Outcome {
    var scan = UTF8Scan()
    _ = unsafe slice.withUnsafeBytes { unsafe scan.scan($0, at: 0, isLast: true) }
    return reject("undecodable", "not valid UTF-8 at byte \(scan.firstStray ?? 0) of the row", false)
  }

  /// The rows of a record; a lone object that holds a list of rows gives those.
  private func shape(_ value: JSON) throws(ShapeFault) -> [Row.Content] {
    let shapes = RowShape(mapping: mapping)
    do {
      return try shapes.contents(of: value)
    } catch {
      guard format == .jsonValues, sameBytes(error.reason, "unknown_shape"), let list = RecordParser.list(value)
      else { throw error }
      var contents: [Row.Content] = []
      for item in list { contents += try shapes.contents(of: item) }
      return contents
    }
  }

  /// The one list of objects among the members of `value`.
  private static func list(_ value: JSON) -> [JSON]? {
    let lists = (value.object?.members ?? []).compactMap(\.value.array).filter { list in
      !list.isEmpty && list.allSatisfy { $0.object != nil }
    }
    return lists.count == 1 ? lists[0] : nil
  }

  private func readHeader(_ record: ArraySlice<UInt8>, at line: Int) throws(CorpusError) -> [String] {
    let place = "\(name):\(line)"
    let (fields, fault) = DelimitedFields(delimiter: delimiter).split(record)
    if let fault { throw CorpusError(.source, "the header has \(fault)", at: place) }
    var names: [String] = []
    for field in fields {
      guard let name = String(validating: field, as: UTF8.self) else {
        throw CorpusError(.source, "the header is not valid UTF-8", at: place)
      }
      let trimmed = RecordParser.trimmed(name)
      // Shapes know their fields in lower case; a mapping names them as they stand.
      names.append(mapping == nil ? trimmed.lowercased() : trimmed)
    }
    for (index, name) in names.enumerated() where names[..<index].contains(where: { sameBytes($0, name) }) {
      throw CorpusError(.source, "the header names the column '\(name)' twice", at: place)
    }
    return names
  }

  private static func trimmed(_ name: String) -> String {
    var bytes = Array(name.utf8)[...]
    while bytes.first == 0x20 { bytes.removeFirst() }
    while bytes.last == 0x20 { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
}
