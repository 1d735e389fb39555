/// A kernel's parameters, laid out as a C structure has them.
struct Arguments {
  private(set) var bytes: [UInt8] = []

  mutating func add<T: BitwiseCopyable>(_ value: T) {
    let unit = MemoryLayout<T>.alignment
    while bytes.count % unit != 0 { bytes.append(0) }
    unsafe withUnsafeBytes(of: value) { unsafe bytes.append(contentsOf: $0) }
  }

  /// A matrix's address and stride.
  mutating func add(_ matrix: DeviceMatrix) {
    add(matrix.address)
    add(Int64(matrix.stride))
  }

  /// A matrix that may be missing: a null address.
  mutating func add(_ matrix: DeviceMatrix?) {
    add(matrix?.address ?? 0)
    add(Int64(matrix?.stride ?? 0))
  }
}
