import Basics
import CCUDA
import Foundation
import Synchronization
import Tensors

/// One card: its context, streams, compiled kernels and workspaces. What the programs of one backend share.
@safe final class CUDADevice: @unchecked Sendable {
  let libraries: CUDALibraries
  let number: Int
  let name: String
  /// Compute capability, as 90 for 9.0.
  let architecture: Int
  let multiprocessors: Int
  /// Most bytes of shared memory that a block may ask for.
  let sharedLimit: Int
  private let context: cc_handle
  let compute: cc_handle
  let copiesIn: cc_handle
  let copiesOut: cc_handle
  let products: cc_handle
  /// For products, of `workspaceBytes`.
  let workspace: cc_address
  /// The first faulty index of a run: instruction and row, all ones when there is none.
  let faults: cc_address
  /// Counts the blocks of a reduction that have ended; 0 between instructions.
  var endedBlocks: cc_address { faults + 64 }
  let kernels: KernelLibrary
  let choices: ProductChoices
  let profile = Mutex<[String: (seconds: Double, count: Int)]?>(nil)
  let peakTaken = Mutex(0)
  /// One program runs at a time.
  let running = Mutex(())
  /// Partial sums of one instruction, grown by `reserveScratch`.
  private(set) var scratch: cc_address = 0
  private(set) var scratchBytes = 0

  static let workspaceBytes = 64 << 20

  init(_ libraries: CUDALibraries, number: Int) throws(TensorError) {
    self.libraries = libraries
    self.number = number
    let driver = unsafe libraries.driver
    func check(_ result: Int32, _ what: String) throws(TensorError) {
      guard result == 0 else {
        throw TensorError(Problem("the card fails to \(what)", value: unsafe CUDALibraries.words(driver, result)))
      }
    }
    var handle: cc_handle?
    unsafe try check(cc_context_retain(driver, Int32(number), &handle), "start")
    guard let context = unsafe handle else { throw TensorError(Problem("the card fails to start")) }
    unsafe self.context = context
    unsafe try check(cc_context_use(driver, context), "start")
    name = unsafe CUDADevice.name(driver, number)
    func attribute(_ key: Int) throws(TensorError) -> Int {
      var value: Int32 = 0
      unsafe try check(cc_device_attribute(driver, Int32(number), Int32(key), &value), "say what it can")
      return Int(value)
    }
    architecture = try attribute(CC_COMPUTE_MAJOR) * 10 + attribute(CC_COMPUTE_MINOR)
    multiprocessors = try attribute(CC_MULTIPROCESSORS)
    sharedLimit = try attribute(CC_SHARED_PER_BLOCK)
    func stream() throws(TensorError) -> cc_handle {
      var stream: cc_handle?
      unsafe try check(cc_stream_make(driver, &stream), "make a stream")
      guard let made = unsafe stream else { throw TensorError(Problem("the card fails to make a stream")) }
      return unsafe made
    }
    unsafe compute = try stream()
    unsafe copiesIn = try stream()
    unsafe copiesOut = try stream()
    var products: cc_handle?
    unsafe try check(cc_products_start(libraries.products, &products), "start cuBLASLt")
    guard let products = unsafe products else { throw TensorError(Problem("cuBLASLt does not start")) }
    unsafe self.products = products
    var address: cc_address = 0
    unsafe try check(cc_allocate(driver, &address, CUDADevice.workspaceBytes), "give room for products")
    workspace = address
    unsafe try check(cc_allocate(driver, &address, 256), "give room for messages")
    faults = address
    unsafe try check(cc_fill(driver, faults, 0, 256, compute), "clear memory")
    kernels = KernelLibrary(libraries, architecture: architecture)
    choices = ProductChoices(card: name, libraries: libraries)
  }

  deinit {
    let driver = unsafe libraries.driver
    unsafe cc_context_use(driver, context)
    kernels.unload()
    unsafe cc_products_end(libraries.products, products)
    for address in [workspace, faults, scratch] + retired where address != 0 { unsafe cc_free(driver, address) }
    unsafe cc_stream_end(driver, compute)
    unsafe cc_stream_end(driver, copiesIn)
    unsafe cc_stream_end(driver, copiesOut)
    unsafe cc_context_release(driver, Int32(number))
  }

  /// Makes the card's context this thread's: before every other call.
  func use() { unsafe _ = cc_context_use(libraries.driver, context) }

  func check(_ result: Int32, _ what: @autoclosure () -> String, at place: String? = nil) throws(TensorError) {
    guard result != 0 else { return }
    throw TensorError(
      Problem("the card fails to \(what())", at: place, value: libraries.words(result)))
  }

  /// Free and all bytes of the card's memory.
  func memory() throws(TensorError) -> (free: Int, total: Int) {
    use()
    var free = 0
    var total = 0
    unsafe try check(cc_memory_info(libraries.driver, &free, &total), "say how much memory it has")
    return (free, total)
  }

  /// Memory of the card, with an error that says by how much it is too little.
  func allocate(_ bytes: Int, for what: String) throws(TensorError) -> cc_address {
    use()
    let room = try memory()
    guard bytes <= room.free else {
      throw TensorError(
        Problem(
          "the card has too little memory free for \(what): \(Quantity.describe(bytes: bytes - room.free)) are missing",
          value: "\(Quantity.describe(bytes: room.free)) of \(Quantity.describe(bytes: room.total)) free, "
            + "\(Quantity.describe(bytes: bytes)) needed",
          remedy: "end other programs on the card, or lower memory_budget or the batch"))
    }
    var address: cc_address = 0
    unsafe try check(
      cc_allocate(libraries.driver, &address, max(bytes, 256)), "give \(Quantity.describe(bytes: bytes)) for \(what)")
    return address
  }

  func free(_ address: cc_address) {
    use()
    unsafe _ = cc_free(libraries.driver, address)
  }

  /// Room for partial sums of at least `bytes`. Programs that were loaded before keep theirs: it ends with the device.
  func reserveScratch(_ bytes: Int) throws(TensorError) -> cc_address {
    try running.withLock { _ throws(TensorError) in
      if bytes > scratchBytes {
        if scratch != 0 { retired.append(scratch) }
        scratch = try allocate(bytes, for: "partial sums")
        scratchBytes = bytes
        unsafe try check(cc_fill(libraries.driver, scratch, 0, bytes, compute), "clear memory")
        unsafe try check(cc_stream_synchronize(libraries.driver, compute), "clear memory")
      }
      return scratch
    }
  }

  private var retired: [cc_address] = []

  static func name(_ driver: OpaquePointer, _ number: Int) -> String {
    var text = [CChar](repeating: 0, count: 256)
    _ = unsafe cc_device_name(driver, Int32(number), &text, 256)
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
