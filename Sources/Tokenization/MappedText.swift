/// Text that was changed on its way to the model, with the bytes of the original that each of its bytes stands for.
struct MappedText {
  private(set) var bytes: [UInt8] = []
  /// First original byte, by byte.
  private(set) var starts: [Int32] = []
  /// Behind the last original byte, by byte.
  private(set) var ends: [Int32] = []

  init() {}

  /// The bytes of `view` as they are.
  init(_ view: TextView, _ range: Range<Int>) {
    reserve(range.count)
    append(view, range)
  }

  mutating func reserve(_ count: Int) {
    bytes.reserveCapacity(count)
    starts.reserveCapacity(count)
    ends.reserveCapacity(count)
  }

  /// Appends bytes of `view` as they are.
  mutating func append(_ view: TextView, _ range: Range<Int>) {
    unsafe bytes.append(contentsOf: UnsafeBufferPointer(rebasing: view.bytes[range]))
    for index in range {
      starts.append(Int32(truncatingIfNeeded: view.start(index)))
      ends.append(Int32(truncatingIfNeeded: view.end(index)))
    }
  }

  /// Appends `new` in place of the bytes `range` of `view`; an empty range is an insertion.
  mutating func append(_ new: some Collection<UInt8>, for range: Range<Int>, of view: TextView) {
    bytes += new
    let start: Int
    let end: Int
    if range.isEmpty {
      start = range.lowerBound < view.count ? view.start(range.lowerBound) : view.originalEnd
      end = start
    } else {
      start = view.start(range.lowerBound)
      end = view.end(range.upperBound - 1)
    }
    starts += repeatElement(Int32(truncatingIfNeeded: start), count: new.count)
    ends += repeatElement(Int32(truncatingIfNeeded: end), count: new.count)
  }

  /// Calls `body` with a view of the text.
  func withView<T, E: Error>(_ body: (TextView) throws(E) -> T) throws(E) -> T {
    let result: Result<T, E> = unsafe bytes.withUnsafeBufferPointer { bytes in
      unsafe starts.withUnsafeBufferPointer { starts in
        unsafe ends.withUnsafeBufferPointer { ends in
          Result { () throws(E) -> T in unsafe try body(TextView(bytes: bytes, starts: starts, ends: ends)) }
        }
      }
    }
    return try result.get()
  }
}

/// Bytes in a buffer, with their places in the original text; valid while the buffer is.
@safe struct TextView {
  let bytes: UnsafeBufferPointer<UInt8>
  private let starts: UnsafeBufferPointer<Int32>?
  private let ends: UnsafeBufferPointer<Int32>?

  /// A view of the original text itself.
  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    unsafe self.bytes = bytes
    unsafe starts = nil
    unsafe ends = nil
  }

  init(bytes: UnsafeBufferPointer<UInt8>, starts: UnsafeBufferPointer<Int32>, ends: UnsafeBufferPointer<Int32>) {
    unsafe self.bytes = bytes
    unsafe self.starts = starts
    unsafe self.ends = ends
  }

  var count: Int { unsafe bytes.count }

  /// The original place of the byte at `index`.
  @inline(__always)
  func start(_ index: Int) -> Int {
    if let starts = unsafe starts { return unsafe Int(starts[index]) }
    return index
  }

  /// Behind the original place of the byte at `index`.
  @inline(__always)
  func end(_ index: Int) -> Int {
    if let ends = unsafe ends { return unsafe Int(ends[index]) }
    return index + 1
  }

  /// Behind the last original byte of the view.
  var originalEnd: Int { count == 0 ? 0 : end(count - 1) }

  /// The bytes of `range` as an array.
  func array(_ range: Range<Int>) -> [UInt8] {
    unsafe Array(bytes[range])
  }
}
