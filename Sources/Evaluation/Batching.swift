/// Sizes of programs, so that few of them exist.
enum Bucket {
  /// The smallest of 16, 32, 64, 128, then multiples of 128 that holds `count`.
  static func size(_ count: Int) -> Int {
    for size in [16, 32, 64, 128] where count <= size { return size }
    return (count + 127) / 128 * 128
  }
}
