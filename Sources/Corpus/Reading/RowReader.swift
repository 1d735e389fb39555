import Basics

/// A file, or a member of an archive, with what was found out about it.
package struct SourceReport: Sendable {
  /// The path as it was given or matched; a member follows after a colon.
  package let name: String
  package internal(set) var format: RowFormat
  package internal(set) var encoding: TextEncoding
  package internal(set) var rows = 0
  package internal(set) var rejected = 0

  package var json: JSON {
    [
      "file": .string(name), "format": .string(format.name), "encoding": .string(encoding.name),
      "encoding_assumed": .bool(encoding.assumed), "rows": JSON(rows), "rejected": JSON(rejected),
    ]
  }
}

/// Rows and rejects of one stretch of a source, both in the order of the file.
package struct RowBatch: Sendable {
  package var rows: [Row] = []
  package var rejects: [Reject] = []
  /// Records as they are, where they were asked for instead of rows.
  var values: [(value: JSON, place: RowPlace)] = []
  /// Bytes of this source read so far, and in all.
  package var done = 0
  package var total = 0
}

/// Reads rows from files of any supported form.
package final class RowReader {
  private let root: FilePath
  private let limits: ArchiveLimits
  private let rowLimit: Int
  private let keepsValues: Bool
  /// The sources read so far; a row's place points into it.
  package private(set) var sources: [SourceReport] = []

  /// A record longer than this is refused.
  package static let rowLimit = 64 << 20

  /// Paths are relative to `root`; "" is the working folder.
  package init(
    root: FilePath = "", limits: ArchiveLimits = ArchiveLimits(), rowLimit: Int = RowReader.rowLimit
  ) {
    self.root = root
    self.limits = limits
    self.rowLimit = rowLimit
    keepsValues = false
  }

  /// A reader that delivers records as they are, whatever their shape.
  init(valuesBelow root: FilePath) {
    self.root = root
    limits = ArchiveLimits()
    rowLimit = RowReader.rowLimit
    keepsValues = true
  }

  /// The files of `spec`: each path or glob in the order given, a glob's matches sorted by bytes.
  package func files(_ spec: SourceSpec) throws(CorpusError) -> [FilePath] {
    var files: [FilePath] = []
    for path in spec.paths { files += try SourceFiles.matching(path, in: root) }
    return files
  }

  /// The files of `spec` in an order that names do not decide: a glob's matches by the digests of their contents.
  ///
  /// Renaming files so changes no result.
  func filesByContent(_ spec: SourceSpec) throws(CorpusError) -> [FilePath] {
    var files: [FilePath] = []
    for path in spec.paths {
      let matches = try SourceFiles.matching(path, in: root)
      if matches.count < 2 {
        files += matches
        continue
      }
      let root = self.root
      let digests = Parallel.map(matches.count) { index -> Result<Digest, FileError> in
        Result { () throws(FileError) -> Digest in try Files.digest(root.appending(matches[index])) }
      }
      var keyed: [(digest: String, path: FilePath)] = []
      for (path, result) in zip(matches, digests) {
        let digest = try filed { () throws(FileError) -> Digest in try result.get() }
        keyed.append((digest.hex, path))
      }
      files += keyed.sorted { $0.digest < $1.digest }.map(\.path)
    }
    return files
  }

  /// Reads `files` as `spec` says, batch by batch.
  package func read(
    _ files: [FilePath], _ spec: SourceSpec, _ body: (RowBatch) throws(CorpusError) -> Void
  ) throws(CorpusError) {
    for file in files {
      let bytes = try FileBytes(root.appending(file))
      try read(bytes, name: file.display, hint: file.fileExtension, depth: 0, spec, body)
    }
  }

  private func read(
    _ source: any ByteSource, name: String, hint: String, depth: Int, _ spec: SourceSpec,
    _ body: (RowBatch) throws(CorpusError) -> Void
  ) throws(CorpusError) {
    let head = try source.bytes(at: 0, count: 512)
    guard let packing = Archive.packing(head) else {
      return try readText(source, name: name, hint: hint, spec, body)
    }
    guard depth < limits.depth else {
      throw CorpusError(.source, "archives nested deeper than \(limits.depth) levels", at: name)
    }
    try Archive(place: name, limits: limits).members(of: source, packing) { member throws(CorpusError) in
      let inner = member.name.isEmpty ? RowReader.withoutExtension(name) : member.name
      let hint = FilePath(inner).fileExtension
      let full = member.name.isEmpty ? name : "\(name):\(member.name)"
      try read(member.bytes, name: full, hint: hint, depth: depth + 1, spec, body)
    }
  }

  private static func withoutExtension(_ name: String) -> String {
    guard let dot = name.lastIndex(of: ".") else { return name }
    return String(name[..<dot])
  }

  private func readText(
    _ source: any ByteSource, name: String, hint: String, _ spec: SourceSpec,
    _ body: (RowBatch) throws(CorpusError) -> Void
  ) throws(CorpusError) {
    let raw = try source.bytes(at: 0, count: 4096)
    let encoding: TextEncoding
    if let given = spec.encoding {
      encoding = TextEncoding(given.uppercased())
    } else {
      encoding = try TextEncoding.detect(source)
    }
    let start = spec.encoding == nil ? encoding.mark : TextEncoding.mark(of: encoding.name, raw)
    var text: any ByteSource = source
    if !encoding.isUTF8 {
      if let kind = RowFormat.magicName(raw) { throw binary(kind, name) }
      text = try Converter.convert(source, from: TextEncoding(encoding.name, mark: start), at: name)
    } else if start > 0 {
      text = PartBytes(source, from: start)
    }
    let head = try text.bytes(at: 0, count: 1 << 20)
    if let kind = RowFormat.binaryName(head) { throw binary(kind, name) }
    let format = spec.format ?? RowFormat.detect(head, isWhole: head.count == text.count, hint: hint)
    sources.append(SourceReport(name: name, format: format, encoding: encoding))
    let index = sources.count - 1
    // Offsets of plain UTF-8 count from the file's first byte, its mark included.
    let shift = encoding.isUTF8 ? start : 0
    var parser = RecordParser(source: index, shift: shift, format: format, mapping: spec.fields)
    parser.keepsValues = keepsValues
    func deliver(_ batch: RowBatch) throws(CorpusError) {
      sources[index].rows += batch.rows.count
      sources[index].rejected += batch.rejects.count
      try body(batch)
    }
    switch format {
    case .json: try run(JSONSplitter(text, .array, limit: rowLimit), &parser, text.count, deliver)
    case .jsonValues: try run(JSONSplitter(text, .sequence, limit: rowLimit), &parser, text.count, deliver)
    case .jsonLines: try run(LineSplitter(text, limit: rowLimit), &parser, text.count, deliver)
    case .csv, .tsv:
      let delimiter = format == .tsv ? UInt8(ascii: "\t") : RowFormat.delimiter(head)
      parser.delimiter = delimiter
      parser.name = name
      try run(DelimitedSplitter(text, delimiter: delimiter, at: name, limit: rowLimit), &parser, text.count, deliver)
    case .text:
      switch spec.textRows {
      case .file: try run(WholeSplitter(text, limit: rowLimit), &parser, text.count, deliver)
      case .line: try run(LineSplitter(text, limit: rowLimit), &parser, text.count, deliver)
      case .paragraph: try run(LineSplitter(text, paragraphs: true, limit: rowLimit), &parser, text.count, deliver)
      case .auto:
        let paragraphs = RowReader.hasBlankLines(head)
        try run(LineSplitter(text, paragraphs: paragraphs, limit: rowLimit), &parser, text.count, deliver)
      }
    }
  }

  private func binary(_ kind: String, _ name: String) -> CorpusError {
    CorpusError(
      .source, "\(kind), which is no supported input", at: name,
      remedy: "give JSON, JSON Lines, CSV, TSV or plain text, packed or not")
  }

  /// Whether a blank line stands between two that are not.
  private static func hasBlankLines(_ head: [UInt8]) -> Bool {
    var seenText = false
    var blank = false
    for line in head.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
        blank = seenText
      } else {
        if blank { return true }
        seenText = true
      }
    }
    return false
  }

  private func run(
    _ splitter: some RecordSplitter, _ parser: inout RecordParser, _ total: Int,
    _ deliver: (RowBatch) throws(CorpusError) -> Void
  ) throws(CorpusError) {
    var splitter = splitter
    while let raw = try splitter.next() {
      var batch = try parser.parse(raw)
      batch.done = raw.done
      batch.total = total
      try deliver(batch)
      if parser.isStopped { return }
    }
    try parser.finish()
  }
}
