import CCUDA
import Tensors

/// The transfers of a program, with the events that say when each is done.
@safe final class TransferEvents {
  private let device: CUDADevice
  let ready: cc_handle
  let done: cc_handle

  init(_ device: CUDADevice) throws(TensorError) {
    self.device = device
    func event() throws(TensorError) -> cc_handle {
      var event: cc_handle?
      unsafe try device.check(cc_event_make(device.libraries.driver, 0, &event), "make an event")
      guard let made = unsafe event else { throw TensorError(.init("the card fails to make an event")) }
      return unsafe made
    }
    unsafe ready = try event()
    unsafe done = try event()
  }

  deinit {
    unsafe _ = cc_event_end(device.libraries.driver, ready)
    unsafe _ = cc_event_end(device.libraries.driver, done)
  }
}

/// What is known of the transfers compiled so far.
struct TransferPlan {
  /// The newest transfer of each number, and the part of the page tier that each touched.
  fileprivate var newest: [Int: TransferEvents] = [:]
  fileprivate var touched: [(pages: Range<Int>, isWrite: Bool, isFetch: Bool, events: TransferEvents)] = []
}

/// Transfers between the card's memory and pinned main memory, on streams of their own.
extension LaunchCompiler {
  mutating func fetch(_ from: TensorView, _ into: TensorView, _ transfer: Int) throws(TensorError) -> [Launch] {
    try transferring(page: from, memory: into, isFetch: true, transfer)
  }

  mutating func evict(_ from: TensorView, _ into: TensorView, _ transfer: Int) throws(TensorError) -> [Launch] {
    try transferring(page: into, memory: from, isFetch: false, transfer)
  }

  private mutating func transferring(
    page: TensorView, memory: TensorView, isFetch: Bool, _ transfer: Int
  ) throws(TensorError) -> [Launch] {
    let pages = try resolver.span(page, "the page side", tier: .page)
    let place = try resolver.span(memory, "the side in memory", tier: .memory)
    try resolver.require(
      pages.count == place.count, "both sides of a transfer must have one size",
      "\(pages.count) and \(place.count) bytes")
    guard let base = unsafe arena.pages else { throw resolver.refuse("the arena has no page tier") }
    let events = try TransferEvents(device)
    // The same stream keeps its order; the other stream's transfers of the same pages are waited for.
    let before = transfers.touched.filter {
      $0.isFetch != isFetch && $0.pages.overlaps(pages) && ($0.isWrite || !isFetch)
    }.map(\.events)
    transfers.newest[transfer] = events
    transfers.touched.append((pages, !isFetch, isFetch, events))
    let (host, address, count) = (pages.lowerBound, arena.address + UInt64(place.lowerBound), pages.count)
    let name = resolver.place
    let launch: Launch = { [device] () throws(TensorError) in
      let driver = unsafe device.libraries.driver
      let stream = unsafe isFetch ? device.copiesIn : device.copiesOut
      func check(_ result: Int32) throws(TensorError) { try device.check(result, "copy", at: name) }
      unsafe try check(cc_event_record(driver, events.ready, device.compute))
      unsafe try check(cc_stream_wait(driver, stream, events.ready))
      for other in before { unsafe try check(cc_stream_wait(driver, stream, other.done)) }
      if isFetch {
        unsafe try check(cc_copy_in(driver, address, base + host, count, stream))
      } else {
        unsafe try check(cc_copy_out(driver, base + host, address, count, stream))
      }
      unsafe try check(cc_event_record(driver, events.done, stream))
    }
    return [launch]
  }

  func wait(_ transfer: Int) throws(TensorError) -> [Launch] {
    guard let events = transfers.newest[transfer] else {
      throw resolver.refuse("there is no such transfer before", "\(transfer)")
    }
    let name = resolver.place
    let launch: Launch = { [device] () throws(TensorError) in
      let result = unsafe cc_stream_wait(device.libraries.driver, device.compute, events.done)
      try device.check(result, "wait for a copy", at: name)
    }
    return [launch]
  }
}
