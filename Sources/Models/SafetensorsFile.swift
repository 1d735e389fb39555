import Basics

/// The header of one safetensors file: its table of tensors, checked against the file's size.
package final class SafetensorsFile: Sendable {
  package struct Tensor: Sendable {
    package let name: String
    /// As the file spells it: "F32", "F16", "BF16" and others.
    package let dtype: String
    package let shape: [Int]
    /// First byte in the file.
    package let offset: Int
    package let byteCount: Int
  }

  package let path: FilePath
  package let tensors: [Tensor]
  /// The free text of `__metadata__`.
  package let metadata: JSON.Object
  let file: File

  /// The format's own limit on the header.
  private static let headerLimit = 100_000_000
  private static let tensorLimit = 1 << 18

  package init(_ path: FilePath) throws(ModelError) {
    self.path = path
    do {
      guard let status = try Files.status(path) else { throw FileError("open the file", path, code: 2) }
      guard status.isRegular else { throw ModelError("is not a regular file", at: path.display) }
      file = try File(reading: path)
      let size = try file.size()
      let (header, start) = try Self.header(file, size: size)
      (metadata, tensors) = try Self.table(header, path: path, dataStart: start, size: size)
    } catch let error as ModelError { throw error } catch let error as FileError {
      throw ModelError(error.problem)
    } catch { throw ModelError("\(error)") }
  }

  private static func header(_ file: File, size: Int) throws(ModelError) -> (JSON, dataStart: Int) {
    let place = file.path.display
    let remedy = "the file is damaged or not a safetensors file; fetch it again"
    guard size >= 8 else {
      throw ModelError("the file is truncated: a header needs 8 bytes", at: place, value: "\(size)", remedy: remedy)
    }
    let length = try bytes(file, at: 0, count: 8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= headerLimit else {
      throw ModelError(
        "the header's length is absurd: at most \(headerLimit) is allowed", at: place, value: "\(length)",
        remedy: remedy)
    }
    guard Int(length) <= size - 8 else {
      throw ModelError(
        "the file is truncated: its header alone needs \(Int(length) + 8) bytes", at: place, value: "\(size)",
        remedy: remedy)
    }
    let text = try bytes(file, at: 8, count: Int(length))
    do { return (try JSONParser.parse(text, maximumDepth: 8), Int(length) + 8) } catch {
      throw ModelError(
        "the header is not valid: \(error.what)", at: "\(place), header byte \(error.offset)", remedy: remedy)
    }
  }

  private static func bytes(_ file: File, at offset: Int, count: Int) throws(ModelError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let result: Result<Void, ModelError> = unsafe bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(ModelError) -> Void in
        unsafe try WeightReading.fill(file, at: offset, buffer, name: "header")
      }
    }
    try result.get()
    return bytes
  }

  private static func table(
    _ header: JSON, path: FilePath, dataStart: Int, size: Int
  ) throws(ModelError) -> (JSON.Object, [Tensor]) {
    guard let object = header.object else {
      throw ModelError("the header must be an object", at: path.display, value: header.kindName)
    }
    guard object.count <= tensorLimit else {
      throw ModelError("more than \(tensorLimit) tensors", at: path.display, value: "\(object.count)")
    }
    var metadata = JSON.Object()
    var tensors: [Tensor] = []
    for (name, value) in object.members {
      if sameBytes(name, "__metadata__") {
        guard let entries = value.object, entries.members.allSatisfy({ $0.value.string != nil }) else {
          throw ModelError("__metadata__ must be an object of strings", at: path.display)
        }
        metadata = entries
      } else {
        tensors.append(try tensor(name, value, path: path, dataStart: dataStart))
      }
    }
    tensors.sort { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }
    try checkPlaces(tensors, path: path, dataStart: dataStart, size: size)
    return (metadata, tensors)
  }

  private static func tensor(
    _ name: String, _ value: JSON, path: FilePath, dataStart: Int
  ) throws(ModelError) -> Tensor {
    let place = "\(path.display), tensor \"\(Problem.shortened(name))\""
    guard let entry = value.object, entry.count == 3, let dtype = entry["dtype"]?.string,
      let extents = entry["shape"]?.array, let offsets = entry["data_offsets"]?.array
    else {
      throw ModelError("a tensor needs dtype, shape and data_offsets, and nothing else", at: place, value: value.text())
    }
    guard extents.count <= 8 else { throw ModelError("more than 8 dimensions", at: place, value: "\(extents.count)") }
    var shape: [Int] = []
    var elements = 1
    for extent in extents {
      let (product, overflow) = elements.multipliedReportingOverflow(by: extent.int ?? -1)
      guard let extent = extent.int, extent >= 0, !overflow, product < 1 << 56 else {
        throw ModelError("an absurd dimension", at: place, value: value["shape"]?.text())
      }
      shape.append(extent)
      elements = product
    }
    guard offsets.count == 2, let begin = offsets[0].int, let end = offsets[1].int, begin >= 0, end >= begin,
      end < 1 << 60
    else { throw ModelError("data_offsets must be [begin, end]", at: place, value: value["data_offsets"]?.text()) }
    if let width = width(dtype), end - begin != elements * width {
      throw ModelError(
        "\(dtype) of shape \(shape) takes \(elements * width) bytes, but data_offsets give \(end - begin)", at: place)
    }
    return Tensor(name: name, dtype: dtype, shape: shape, offset: dataStart + begin, byteCount: end - begin)
  }

  /// Bytes of one number of the types whose width is a whole number of bytes.
  private static func width(_ dtype: String) -> Int? {
    switch dtype {
    case "F64", "I64", "U64": 8
    case "F32", "I32", "U32": 4
    case "F16", "BF16", "I16", "U16": 2
    case "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2": 1
    default: nil
    }
  }

  /// The format allows no gaps, no overlaps and no bytes behind the last tensor.
  private static func checkPlaces(_ tensors: [Tensor], path: FilePath, dataStart: Int, size: Int) throws(ModelError) {
    var end = dataStart
    for tensor in tensors {
      guard tensor.offset == end else {
        throw ModelError(
          tensor.offset < end ? "tensors overlap" : "there is a gap before a tensor",
          at: "\(path.display), tensor \"\(Problem.shortened(tensor.name))\"",
          value: "it begins at \(tensor.offset - dataStart), the one before ends at \(end - dataStart)")
      }
      end += tensor.byteCount
    }
    guard end <= size else {
      throw ModelError(
        "the file is truncated: its header asks for \(end) bytes", at: path.display, value: "\(size)",
        remedy: "fetch the file again")
    }
    guard end == size else {
      throw ModelError(
        "the file is longer than its header says (\(end) bytes)", at: path.display, value: "\(size)",
        remedy: "fetch the file again")
    }
  }
}
