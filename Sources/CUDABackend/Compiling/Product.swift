import Basics
import CCUDA
import Foundation
import Synchronization
import Tensors

/// A product with its chosen algorithm.
@safe final class Product {
  private let device: CUDADevice
  private let product: OpaquePointer

  init(_ shape: cc_product_shape, device: CUDADevice, at place: String) throws(TensorError) {
    self.device = device
    var made: OpaquePointer?
    var shape = shape
    let result = unsafe cc_product_make(device.libraries.products, device.products, &shape, &made)
    guard result == 0, let product = unsafe made else {
      throw TensorError(
        Problem(
          "cuBLASLt has no algorithm for a product of \(shape.n) x \(shape.m) x \(shape.k)", at: place,
          value: "status \(result)"))
    }
    unsafe self.product = product
    let index = device.choices.index(for: shape) { measured(shape) }
    unsafe cc_product_choose(product, Int32(index))
  }

  deinit { unsafe cc_product_end(device.libraries.products, product) }

  func run(_ a: cc_address, _ b: cc_address, _ c: cc_address, alpha: Float, beta: Float) -> Int32 {
    unsafe cc_product_run(
      device.libraries.products, device.products, product, alpha, beta, a, b, c, device.workspace,
      CUDADevice.workspaceBytes, device.compute)
  }

  /// The fastest of the algorithms, measured on memory of its own; the first where there is no room or little to gain.
  private func measured(_ shape: cc_product_shape) -> Int {
    let sizes = [
      Int(shape.lead_a) * Int(shape.transpose_a != 0 ? shape.m : shape.k),
      Int(shape.lead_b) * Int(shape.transpose_b != 0 ? shape.k : shape.n), Int(shape.lead_c) * Int(shape.n),
    ].map { ($0 * 4 + 255) / 256 * 256 }
    let total = sizes.reduce(0, +)
    guard let room = try? device.memory(), room.free > total + 256 << 20,
      let base = try? device.allocate(total, for: "choosing algorithms")
    else { return 0 }
    defer { device.free(base) }
    let driver = unsafe device.libraries.driver
    unsafe _ = cc_fill(driver, base, 0x3D, total, device.compute)
    let (b, c) = (base + UInt64(sizes[0]), base + UInt64(sizes[0] + sizes[1]))
    let times = (0..<Int(unsafe cc_product_choices(product))).map { index in
      unsafe cc_product_choose(product, Int32(index))
      return (0..<5).map { _ in seconds { run(base, b, c, alpha: 1, beta: 0) } }.min() ?? .infinity
    }
    guard let first = times.first, let best = times.enumerated().min(by: { $0.element < $1.element }) else { return 0 }
    // Less is noise, and the first is what the library trusts.
    return best.element < 0.98 * first ? best.offset : 0
  }

  /// Time of one submission on the card.
  private func seconds(_ submit: () -> Int32) -> Float {
    let driver = unsafe device.libraries.driver
    var start: cc_handle?
    var end: cc_handle?
    defer {
      if let start = unsafe start { unsafe _ = cc_event_end(driver, start) }
      if let end = unsafe end { unsafe _ = cc_event_end(driver, end) }
    }
    var milliseconds = Float.infinity
    guard unsafe cc_event_make(driver, 1, &start) == 0, unsafe cc_event_make(driver, 1, &end) == 0,
      unsafe cc_event_record(driver, start, device.compute) == 0, submit() == 0,
      unsafe cc_event_record(driver, end, device.compute) == 0, unsafe cc_event_synchronize(driver, end) == 0,
      unsafe cc_event_elapsed(driver, &milliseconds, start, end) == 0
    else { return .infinity }
    return milliseconds
  }
}

/// Which of the library's algorithms products of each shape take: measured once on a card and kept in the user's cache
/// folder, so that a training that goes on later has the same bits.
final class ProductChoices: Sendable {
  private let file: FilePath
  private let known: Mutex<[String: Int]>

  /// Work below which choosing is not worth the while.
  private static let least = 1 << 31

  /// Choices hold for one kind of card and the libraries' versions.
  init(card: String, libraries: CUDALibraries) {
    let identity = ([card, libraries.driverVersion] + libraries.versions).joined(separator: "\u{0}")
    file = KernelLibrary.folder.appending(Digest(of: identity).hex + ".products")
    var read: [String: Int] = [:]
    for line in String(decoding: (try? Files.read(file, limit: 1 << 24)) ?? [], as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, let index = Int(words[1]) { read[String(words[0])] = index }
    }
    known = Mutex(read)
  }

  func index(for shape: cc_product_shape, _ measure: () -> Int) -> Int {
    let work = shape.m.multipliedReportingOverflow(by: shape.n)
    guard work.overflow || work.partialValue.multipliedReportingOverflow(by: shape.k).partialValue >= Self.least else {
      return 0
    }
    let numbers: [UInt64] = [
      UInt64(shape.type_a), UInt64(shape.type_b), UInt64(shape.type_c), UInt64(shape.transpose_a),
      UInt64(shape.transpose_b), shape.m, shape.n, shape.k, UInt64(shape.lead_a), UInt64(shape.lead_b),
      UInt64(shape.lead_c), UInt64(shape.align_a), UInt64(shape.align_b), UInt64(shape.align_c),
      shape.bias == 0 ? 0 : 1,
    ]
    let key = numbers.map(String.init).joined(separator: ",")
    return known.withLock { known in
      if let index = known[key] { return index }
      let index = measure()
      known[key] = index
      let text = known.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined()
      try? Files.makeFolder(KernelLibrary.folder)
      try? Files.writeAtomically(Array(text.utf8), to: file)
      return index
    }
  }
}
