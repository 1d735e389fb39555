import CKernels
import COpenBLAS
import Foundation

/// Which of OpenBLAS's kernels this process uses.
///
/// An OpenBLAS that is older than the processor does not know it and falls back to kernels for processors without AVX
/// (0.3.21 on Emerald Rapids takes "Prescott", a fifth of the speed). Then the kernels that fit are asked for by name,
/// as `OPENBLAS_CORETYPE` would, and a product is checked before they are trusted. A user's own `OPENBLAS_CORETYPE`
/// is left alone.
struct BLASKernels: Sendable {
  let name: String

  /// Decided once, before the first product.
  static let chosen: BLASKernels = {
    openblas_set_num_threads(1)
    let detected = currentName()
    guard unsafe getenv("OPENBLAS_CORETYPE") == nil, let reselect = Reselection() else {
      return BLASKernels(name: detected)
    }
    for candidate in candidates(detected) {
      unsafe setenv("OPENBLAS_CORETYPE", candidate, 1)
      reselect.apply()
      if productIsRight() { break }
    }
    unsafe unsetenv("OPENBLAS_CORETYPE")
    openblas_set_num_threads(1)
    return BLASKernels(name: currentName())
  }()

  /// What to try instead of the kernels that were detected, best first; the detected ones last.
  private static func candidates(_ detected: String) -> [String] {
    let level = ck_processor_level()
    let fits = level >= 4 ? ["SkylakeX", "Haswell"] : level >= 3 ? ["Haswell"] : []
    if fallbacks.contains(detected) { return fits.isEmpty ? [] : fits + [detected] }
    return productIsRight() ? [] : fits.filter { $0 != detected } + ["Prescott"]
  }

  /// Kernels without AVX.
  private static let fallbacks: Set<String> = [
    "Prescott", "Katmai", "Coppermine", "Northwood", "Banias", "Core2", "Penryn", "Dunnington", "Nehalem", "Athlon",
    "Opteron", "Opteron_SSE3", "Barcelona", "Bobcat", "Atom", "Nano", "Generic", "unknown",
  ]

  private static func currentName() -> String {
    guard let name = unsafe openblas_get_corename() else { return "unknown" }
    return unsafe String(cString: name)
  }

  /// OpenBLAS's own start-up, found at run time because not every build has it.
  private struct Reselection {
    private let quit: @convention(c) () -> Void
    private let start: @convention(c) () -> Void

    init?() {
      guard let quit = unsafe dlsym(nil, "gotoblas_dynamic_quit"),
        let start = unsafe dlsym(nil, "gotoblas_dynamic_init")
      else { return nil }
      self.quit = unsafe unsafeBitCast(quit, to: (@convention(c) () -> Void).self)
      self.start = unsafe unsafeBitCast(start, to: (@convention(c) () -> Void).self)
    }

    func apply() {
      quit()
      start()
    }
  }

  /// Multiplies small whole numbers, whose products are exact in f32, in sizes that meet the kernels' edges.
  static func productIsRight() -> Bool {
    [(67, 51, 83), (64, 64, 64), (1, 130, 40), (200, 131, 300)].allSatisfy { m, n, k in
      [(false, false), (false, true), (true, false)].allSatisfy { exactProductIsRight(m, n, k, $0, $1) }
    }
  }

  private static func exactProductIsRight(_ m: Int, _ n: Int, _ k: Int, _ transposeA: Bool, _ transposeB: Bool) -> Bool
  {
    let a = wholeNumbers(m * k, factor: 7, within: 4)
    let b = wholeNumbers(n * k, factor: 5, within: 3)
    var c = [Float](repeating: 1, count: m * n)
    unsafe cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, Int32(m),
      Int32(n), Int32(k), 1, a, Int32(transposeA ? m : k), b, Int32(transposeB ? k : n), 1, &c, Int32(n))
    for i in 0..<m {
      for j in 0..<n {
        var sum: Float = 1
        for p in 0..<k {
          let left = a[transposeA ? p * m + i : i * k + p]
          let right = b[transposeB ? j * k + p : p * n + j]
          sum += left * right
        }
        if c[i * n + j] != sum { return false }
      }
    }
    return true
  }

  /// A fixed pattern of whole numbers in -limit...limit.
  private static func wholeNumbers(_ count: Int, factor: Int, within limit: Int) -> [Float] {
    (0..<count).map { (index: Int) -> Float in
      let mixed = index * factor + index / 11
      return Float(mixed % (2 * limit + 1) - limit)
    }
  }
}
