import Basics
import Store

/// What a cell's result depends on, with its parts by name, and the files that were read to learn it.
package struct Fingerprint: Sendable {
  /// A file that a result depends on, as it was when its digest was taken.
  package struct Witness: Sendable, Equatable {
    package let path: FilePath
    package let status: Files.Status
  }

  package let record: FingerprintRecord
  package let witnesses: [Witness]
  /// What the references in `with` stood for.
  package let references: [AttemptSpec.ReferencedFiles]

  package var digest: Digest { record.digest }

  init(
    kind: String, parts: [FingerprintRecord.Part], witnesses: [Witness], references: [AttemptSpec.ReferencedFiles]
  ) {
    record = FingerprintRecord(kind: kind, parts: parts)
    self.witnesses = witnesses
    self.references = references
  }
}

/// A part of a fingerprint that differs from an older one.
package struct FingerprintChange: Sendable, Equatable {
  package let name: String
  /// Nil for a part that is new.
  package let old: String?
  /// Nil for a part that is gone.
  package let new: String?

  /// The parts that differ between two fingerprints, in the order of the new one, those gone last.
  package static func between(_ old: FingerprintRecord, _ new: FingerprintRecord) -> [FingerprintChange] {
    var before: [[UInt8]: String] = [:]
    for part in old.parts { before[Array(part.name.utf8)] = part.value }
    var changes: [FingerprintChange] = []
    for part in new.parts {
      let value = before.removeValue(forKey: Array(part.name.utf8))
      if let value, sameBytes(value, part.value) { continue }
      changes.append(FingerprintChange(name: part.name, old: value, new: part.value))
    }
    for part in old.parts where before[Array(part.name.utf8)] != nil {
      changes.append(FingerprintChange(name: part.name, old: part.value, new: nil))
    }
    return changes
  }

  /// "with.learning_rate: 0.0001 -> 0.00002"
  package var description: String {
    "\(name): \(FingerprintChange.shown(old) ?? "absent") -> \(FingerprintChange.shown(new) ?? "absent")"
  }

  /// A value for people: digests by their first twelve digits.
  static func shown(_ value: String?) -> String? {
    guard let value else { return nil }
    var text = ""
    var run = ""
    func flush() {
      text += run.utf8.count == 64 ? run.prefix(12) + "…" : run
      run = ""
    }
    for scalar in value.unicodeScalars {
      if scalar.properties.isASCIIHexDigit {
        run.unicodeScalars.append(scalar)
      } else {
        flush()
        text.unicodeScalars.append(scalar)
      }
    }
    flush()
    return Problem.shortened(text, limit: 160)
  }
}
