import Basics
import Foundation

/// The one allocation that programs' tensors live in, in main memory.
@safe package final class Arena: @unchecked Sendable {
  package let bytes: Int
  package let base: UnsafeMutableRawPointer

  /// Maps `bytes` of zeroed memory; pages take no room until they are touched.
  package init(bytes: Int) throws(TensorError) {
    let size = max(bytes, 1)
    let pointer = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let pointer = unsafe pointer, unsafe pointer != MAP_FAILED else {
      throw TensorError(
        Problem(
          "cannot allocate \(Quantity.describe(bytes: size)) for the tensors",
          value: unsafe String(cString: strerror(errno)),
          remedy: "lower memory_budget or the batch"))
    }
    self.bytes = size
    unsafe base = pointer
  }

  deinit { unsafe munmap(base, bytes) }
}

/// A fault of the tensor rooms: an allocation that failed, a program that does not fit its arena.
package struct TensorError: FettleError {
  package let problem: Problem
  package init(_ problem: Problem) { self.problem = problem }
}
