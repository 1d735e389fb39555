import Basics

/// The container of a GGUF file (versions 2 and 3, little-endian): metadata and the table of tensors, no tensor data.
///
/// Opening reads the head of the file only. Hostile counts and lengths are refused before they cost memory or time.
package final class GGUFFile: Sendable {
  package struct Tensor: Sendable {
    package let name: String
    package let type: GGUFTensorType
    /// As Hugging Face writes shapes: rows first (GGUF stores the fastest dimension first).
    package let shape: [Int]
    /// First byte in the file.
    package let offset: Int
    /// Bytes in the file; nil where the type is not supported.
    package let byteCount: Int?
  }

  package let path: FilePath
  /// Every key of the file, such as "general.architecture" or "tokenizer.ggml.tokens", in the file's order.
  package let metadata: JSON.Object
  package let tensors: [Tensor]
  let file: File
  private let places: [String: Int]

  /// Limits no real file comes near.
  private enum Limit {
    static let tensors = 1 << 18
    static let keys = 1 << 16
    static let name = 1 << 16
    static let string = 1 << 26
    /// Values in all arrays together.
    static let elements = 1 << 23
    static let arrayDepth = 4
  }

  package init(_ path: FilePath) throws(ModelError) {
    do {
      guard let status = try Files.status(path) else { throw FileError("open the file", path, code: 2) }
      guard status.isRegular else { throw ModelError("is not a regular file", at: path.display) }
      file = try File(reading: path)
      var reader = GGUFCursor(file, size: try file.size())
      (metadata, tensors) = try Self.read(&reader)
    } catch let error as ModelError { throw error } catch let error as FileError {
      throw ModelError(error.problem)
    } catch { throw ModelError("\(error)") }
    self.path = path
    places = Dictionary(tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
  }

  package func tensor(_ name: String) -> Tensor? { places[name].map { tensors[$0] } }

  private static func read(_ reader: inout GGUFCursor) throws(ModelError) -> (JSON.Object, [Tensor]) {
    guard try reader.integer(UInt32.self, "the magic number") == 0x4655_4747 else {
      throw reader.error("the file does not begin with \"GGUF\"")
    }
    let version = try reader.integer(UInt32.self, "the version")
    guard version == 2 || version == 3 else {
      let what =
        version.byteSwapped == 3 ? "big-endian GGUF files are not supported" : "this GGUF version is not supported"
      throw ModelError(
        what, at: "\(reader.description)", value: "\(version)", remedy: "supported: 2 and 3, little-endian")
    }
    // The smallest tensor entry has 32 bytes, the smallest key 13.
    let tensorCount = try reader.count(limit: min(Limit.tensors, reader.remaining / 32), "the tensor count")
    let keyCount = try reader.count(limit: min(Limit.keys, reader.remaining / 13), "the metadata count")
    let metadata = try readMetadata(&reader, count: keyCount)
    var alignment = 32
    if let value = metadata["general.alignment"] {
      guard let given = value.int, given >= 1, given <= 1 << 20, given & (given - 1) == 0 else {
        throw reader.error("general.alignment must be a power of two up to 1048576", value: value.text())
      }
      alignment = given
    }
    return (metadata, try readTensors(&reader, count: tensorCount, alignment: alignment))
  }

  // MARK: Metadata

  private static func readMetadata(_ reader: inout GGUFCursor, count: Int) throws(ModelError) -> JSON.Object {
    var members: [(key: String, value: JSON)] = []
    var seen: Set<[UInt8]> = []
    var budget = Limit.elements
    for index in 0..<count {
      let key = try reader.string(limit: Limit.name, "metadata key \(index)")
      guard seen.insert(Array(key.utf8)).inserted else {
        throw reader.error("metadata key \"\(Problem.shortened(key))\" occurs twice")
      }
      let type = try reader.integer(UInt32.self, "the type of \(Problem.shortened(key))")
      members.append((key, try value(&reader, type: type, key: key, depth: 0, budget: &budget)))
    }
    return JSON.Object(members)
  }

  private static func value(
    _ reader: inout GGUFCursor, type: UInt32, key: String, depth: Int, budget: inout Int
  ) throws(ModelError) -> JSON {
    switch type {
    case 0: return JSON(Int(try reader.integer(UInt8.self, key)))
    case 1: return JSON(Int(try reader.integer(Int8.self, key)))
    case 2: return JSON(Int(try reader.integer(UInt16.self, key)))
    case 3: return JSON(Int(try reader.integer(Int16.self, key)))
    case 4: return JSON(Int(try reader.integer(UInt32.self, key)))
    case 5: return JSON(Int(try reader.integer(Int32.self, key)))
    case 6: return number(Float(bitPattern: try reader.integer(UInt32.self, key)))
    case 7:
      let byte = try reader.integer(UInt8.self, key)
      guard byte <= 1 else { throw reader.error("\(Problem.shortened(key)) must be 0 or 1", value: "\(byte)") }
      return JSON(byte == 1)
    case 8: return JSON(try reader.string(limit: Limit.string, "the value of \(Problem.shortened(key))"))
    case 9: return try array(&reader, key: key, depth: depth, budget: &budget)
    case 10: return .number(JSON.Number(literal: String(try reader.integer(UInt64.self, key))))
    case 11: return JSON(Int(try reader.integer(Int64.self, key)))
    case 12: return JSON(Double(bitPattern: try reader.integer(UInt64.self, key)))
    default: throw reader.error("\(Problem.shortened(key)) has an unknown type", value: "\(type)")
    }
  }

  private static func array(
    _ reader: inout GGUFCursor, key: String, depth: Int, budget: inout Int
  ) throws(ModelError) -> JSON {
    guard depth < Limit.arrayDepth else {
      throw reader.error("\(Problem.shortened(key)) nests arrays deeper than \(Limit.arrayDepth)")
    }
    let type = try reader.integer(UInt32.self, "the element type of \(Problem.shortened(key))")
    let widths = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8]
    guard type < widths.count else {
      throw reader.error("\(Problem.shortened(key)) has elements of an unknown type", value: "\(type)")
    }
    let fitting = max(reader.remaining - 8, 0) / widths[Int(type)]
    let count = try reader.count(limit: min(fitting, budget), "the length of array \(Problem.shortened(key))")
    budget -= count
    var items: [JSON] = []
    items.reserveCapacity(count)
    for _ in 0..<count {
      items.append(try value(&reader, type: type, key: key, depth: depth + 1, budget: &budget))
    }
    return .array(items)
  }

  /// The shortest decimal that names the float; JSON has no infinities, they become null.
  private static func number(_ value: Float) -> JSON {
    value.isFinite ? .number(JSON.Number(literal: "\(value)")) : .null
  }

  // MARK: Tensors

  private static func readTensors(
    _ reader: inout GGUFCursor, count: Int, alignment: Int
  ) throws(ModelError) -> [Tensor] {
    var entries: [(name: String, shape: [Int], elements: Int, type: GGUFTensorType, offset: Int)] = []
    var seen: Set<[UInt8]> = []
    for index in 0..<count {
      let name = try reader.string(limit: Limit.name, "the name of tensor \(index)")
      let shown = "tensor \"\(Problem.shortened(name))\""
      guard seen.insert(Array(name.utf8)).inserted else { throw reader.error("\(shown) occurs twice") }
      let rank = try reader.integer(UInt32.self, "the rank of \(shown)")
      guard rank >= 1, rank <= 4 else { throw reader.error("\(shown) must have 1 to 4 dimensions", value: "\(rank)") }
      var shape: [Int] = []
      var elements = 1
      for _ in 0..<rank {
        let extent = try reader.integer(UInt64.self, "the shape of \(shown)")
        let (product, overflow) = elements.multipliedReportingOverflow(by: Int(clamping: extent))
        guard extent >= 1, !overflow, product < 1 << 48 else {
          throw reader.error("\(shown) has an absurd dimension", value: "\(extent)")
        }
        elements = product
        shape.insert(Int(extent), at: 0)
      }
      let type = GGUFTensorType(id: try reader.integer(UInt32.self, "the type of \(shown)"))
      let offset = try reader.integer(UInt64.self, "the offset of \(shown)")
      guard offset < 1 << 60, offset % UInt64(alignment) == 0 else {
        throw reader.error("the offset of \(shown) must be a multiple of \(alignment)", value: "\(offset)")
      }
      entries.append((name, shape, elements, type, Int(offset)))
    }
    let dataStart = (reader.position + alignment - 1) / alignment * alignment
    var tensors: [Tensor] = []
    for entry in entries {
      tensors.append(
        Tensor(
          name: entry.name, type: entry.type, shape: entry.shape, offset: dataStart + entry.offset,
          byteCount: try byteCount(entry.type, entry.shape, entry.elements, name: entry.name, reader)))
    }
    try checkPlaces(tensors, reader)
    return tensors
  }

  private static func byteCount(
    _ type: GGUFTensorType, _ shape: [Int], _ elements: Int, name: String, _ reader: GGUFCursor
  ) throws(ModelError) -> Int? {
    guard let block = type.block else { return nil }
    guard let columns = shape.last, columns % block.elements == 0 else {
      throw reader.error(
        "tensor \"\(Problem.shortened(name))\" (\(type.name)) must have rows of a multiple of \(block.elements) elements",
        value: "\(shape)")
    }
    return elements / block.elements * block.bytes
  }

  private static func checkPlaces(_ tensors: [Tensor], _ reader: GGUFCursor) throws(ModelError) {
    var end = 0
    var previous = ""
    for tensor in tensors.sorted(by: { $0.offset < $1.offset }) {
      let shown = "\"\(Problem.shortened(tensor.name))\""
      guard tensor.offset >= end else {
        throw reader.error("tensors \"\(Problem.shortened(previous))\" and \(shown) overlap")
      }
      end = tensor.offset + (tensor.byteCount ?? 1)
      previous = tensor.name
    }
    guard end <= reader.fileSize else {
      throw ModelError(
        "the file is truncated: its tensors need \(end) bytes", at: reader.description,
        value: "\(reader.fileSize) bytes, tensor \"\(Problem.shortened(previous))\" ends outside",
        remedy: "fetch the file again")
    }
  }
}
