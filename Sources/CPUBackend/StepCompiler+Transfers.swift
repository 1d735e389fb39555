import Basics
import Foundation
import Tensors

/// Transfers between the arena and the page file.
extension StepCompiler {
  func fetch(_ from: TensorView, _ into: TensorView, _ transfer: Int) throws(TensorError) -> Step.Body {
    try begin(isRead: true, page: from, memory: into, transfer)
  }

  func evict(_ from: TensorView, _ into: TensorView, _ transfer: Int) throws(TensorError) -> Step.Body {
    try begin(isRead: false, page: into, memory: from, transfer)
  }

  func wait(_ transfer: Int) throws(TensorError) -> Step.Body {
    guard let queue = resolver.arena.transfers else { throw resolver.refuse("the arena has no page tier") }
    return { (_: StepScalars) throws(TensorError) in try queue.wait(for: transfer) }
  }

  private func begin(
    isRead: Bool, page: TensorView, memory: TensorView, _ transfer: Int
  ) throws(TensorError) -> Step.Body {
    guard let queue = resolver.arena.transfers else { throw resolver.refuse("the arena has no page tier") }
    let range = try resolver.pages(page)
    let window = unsafe try resolver.bytes(memory)
    let size = unsafe window.bytes
    try resolver.require(
      size == range.count, "both sides of a transfer must have one size",
      "\(size) and \(range.count) bytes")
    // Whole units: windows and pages have room behind their last byte.
    let bytes = (range.count + PageFile.unit - 1) / PageFile.unit * PageFile.unit
    let address = unsafe UInt(bitPattern: window.base)
    try resolver.require(
      range.lowerBound % PageFile.unit == 0 && address % UInt(PageFile.unit) == 0,
      "a transfer must begin at a whole page", "byte \(range.lowerBound)")
    let order = unsafe TransferQueue.Transfer(
      number: transfer, isRead: isRead, memory: window.base, offset: range.lowerBound, bytes: bytes)
    return { _ in queue.begin(order) }
  }
}
