/// A strict YAML 1.2 reader over libyaml's events.
///
/// One document of mappings with scalar keys, sequences and scalars. Duplicate keys, tabs in indentation, merge keys,
/// anchors, aliases, custom tags and further documents are refused by name. Scalars are typed by `YAMLScalarType`;
/// quoted and block scalars are always text.
package enum YAML {
  package static let maximumSize = 32 << 20
  package static let maximumScalar = 1 << 20
  package static let maximumDepth = 64
  /// Faults beyond this number are not collected.
  package static let maximumFaults = 100

  /// The document's root (nil when the text cannot be read to its end), and all faults found, in order.
  package struct Outcome: Sendable {
    package let root: YAMLNode?
    package let faults: [YAMLError]
  }

  /// Reads all of `bytes`, collecting faults.
  package static func read(_ bytes: some Collection<UInt8>) -> Outcome {
    let text: YAMLText
    do throws(YAMLError) { text = try YAMLText(bytes, maximumSize: maximumSize) } catch {
      return Outcome(root: nil, faults: [error])
    }
    var composer = YAMLComposer(text)
    var root: YAMLNode?
    do throws(YAMLError) { root = try composer.document() } catch { composer.note(error) }
    let faults = composer.faults.sorted { ($0.line, $0.column) < ($1.line, $1.column) }
    return Outcome(root: root, faults: faults)
  }

  /// The document's root, or the first fault.
  package static func parse(_ bytes: some Collection<UInt8>) throws(YAMLError) -> YAMLNode {
    let outcome = read(bytes)
    if let fault = outcome.faults.first { throw fault }
    guard let root = outcome.root else { throw YAMLError(line: 1, column: 1, "the text cannot be read") }
    return root
  }

  /// The value a single scalar would have, as on a command line: `1e-4` is a number, `"7"` and `a b` are text;
  /// flow lists and mappings work too.
  package static func parse(_ text: String) throws(YAMLError) -> YAMLNode { try parse(Array(text.utf8)) }
}
