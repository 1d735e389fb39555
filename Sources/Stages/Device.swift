import Basics
import CPUBackend
import CUDABackend
import Tensors

/// The machines that stages compute on.
package enum Device: String, Sendable, CaseIterable {
  /// The card where there is one that can be used, else the processor.
  case auto
  case cpu
  case cuda

  /// The CPU with so many threads; nil: all cores this process may use.
  package static func cpu(_ threads: Int?) -> CPUBackend {
    if let threads { return CPUBackend(threads: threads) }
    return CPUBackend()
  }

  /// The libraries of a card, or why there is none; looked for once.
  package static let card: Result<CUDALibraries, CUDAUnavailable> = {
    do throws(CUDAUnavailable) { return .success(try CUDALibraries.open()) } catch { return .failure(error) }
  }()

  /// What `auto` comes to on this machine: `cpu` or `cuda`, part of what a stage's result depends on.
  package var kind: String {
    switch self {
    case .cpu: "cpu"
    case .cuda: "cuda"
    case .auto: if case .success = Device.card { "cuda" } else { "cpu" }
    }
  }

  /// The backend; an error where a card is asked for that can not be used.
  package func backend(threads: Int? = nil) throws -> any Backend {
    switch self {
    case .cpu: return Device.cpu(threads)
    case .cuda: return try CUDABackend(try Device.card.get())
    case .auto:
      guard case .success(let libraries) = Device.card else { return Device.cpu(threads) }
      return try CUDABackend(libraries)
    }
  }

  /// The device that a stage's keys name.
  package init(_ with: JSON.Object) { self = with["device"]?.string.flatMap { Device(rawValue: $0) } ?? .auto }

  /// The backend that a stage's `device` and `threads` ask for.
  static func backend(_ with: JSON.Object) throws -> any Backend {
    try Device(with).backend(threads: with["threads"]?.int)
  }
}
