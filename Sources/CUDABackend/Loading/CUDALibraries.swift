import Basics
import CCUDA
import Foundation
import Synchronization

/// Why CUDA can not be used.
package struct CUDAUnavailable: FettleError {
  package let problem: Problem

  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    problem = Problem(what, at: place, value: value, remedy: remedy)
  }
}

/// The opened libraries, as tables of functions that live as long as the process.
@safe package struct CUDALibraries: @unchecked Sendable {
  let driver: OpaquePointer
  let compiler: OpaquePointer
  let products: OpaquePointer
  /// The newest CUDA version that the driver serves, as 12.8.
  package let driverVersion: String
  /// "NVRTC 13.0", "cuBLASLt 13.0.2".
  package let versions: [String]
  /// Where each library was found.
  package let places: [CUDALibrary: String]

  /// The oldest CUDA version of a driver that will do, in the driver's own numbers.
  static let oldestDriver = 12_000

  /// Opens everything, with the first card's driver started.
  package static func open(_ search: LibrarySearch = LibrarySearch()) throws(CUDAUnavailable) -> CUDALibraries {
    var places: [CUDALibrary: String] = [:]
    let driver = unsafe try open(.driver, search, limit: nil, &places) { unsafe cc_driver_open($0, $1, $2) }
    let version = unsafe try startedVersion(driver)
    let major = version / 1000
    let compiler = unsafe try open(.compiler, search, limit: major, &places) { unsafe cc_compiler_open($0, $1, $2) }
    let products = unsafe try open(.products, search, limit: major, &places) { unsafe cc_products_open($0, $1, $2) }
    var compilerMajor: Int32 = 0
    var compilerMinor: Int32 = 0
    _ = unsafe cc_compiler_version(compiler, &compilerMajor, &compilerMinor)
    let number = unsafe cc_products_version(products)
    return unsafe CUDALibraries(
      driver: driver, compiler: compiler, products: products, driverVersion: "\(major).\(version % 1000 / 10)",
      versions: [
        "NVRTC \(compilerMajor).\(compilerMinor)",
        "cuBLASLt \(number / 10_000).\(number / 100 % 100).\(number % 100)",
      ], places: places)
  }

  /// Starts the driver; its CUDA version.
  private static func startedVersion(_ driver: OpaquePointer) throws(CUDAUnavailable) -> Int {
    var version: Int32 = 0
    let known = unsafe cc_driver_version(driver, &version)
    if known == 0, version < oldestDriver {
      throw CUDAUnavailable(
        "the NVIDIA driver is too old", value: "CUDA \(version / 1000).\(version % 1000 / 10)",
        remedy: "CUDA \(oldestDriver / 1000).0 is needed: \(CUDALibrary.driver.remedy)")
    }
    let started = unsafe cc_init(driver)
    guard known == 0, started == 0 else {
      throw CUDAUnavailable(
        "the NVIDIA driver does not start", value: unsafe words(driver, known == 0 ? started : known),
        remedy: "see whether nvidia-smi shows the card")
    }
    var count: Int32 = 0
    let counted = unsafe cc_device_count(driver, &count)
    guard counted == 0, count > 0 else {
      throw CUDAUnavailable(
        "the NVIDIA driver shows no card", value: counted == 0 ? nil : unsafe words(driver, counted),
        remedy: "see nvidia-smi and CUDA_VISIBLE_DEVICES")
    }
    return Int(version)
  }

  /// Opens the first candidate that can be, and says of all why not.
  private static func open(
    _ library: CUDALibrary, _ search: LibrarySearch, limit: Int?, _ places: inout [CUDALibrary: String],
    _ body: (UnsafePointer<CChar>, UnsafeMutablePointer<CChar>, Int) -> OpaquePointer?
  ) throws(CUDAUnavailable) -> OpaquePointer {
    var failures: [String] = []
    for path in search.candidates(library, limit: limit) {
      if library == .compiler { preloadBuiltins(beside: path) }
      var message = [CChar](repeating: 0, count: 512)
      let count = message.count
      let opened = unsafe path.withCString { path in
        unsafe message.withUnsafeMutableBufferPointer { buffer in
          unsafe buffer.baseAddress.flatMap { unsafe body(path, $0, count) }
        }
      }
      if let opened = unsafe opened {
        places[library] = path
        return unsafe opened
      }
      let reason = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      failures.append(reason.contains(path) ? reason : "\(path): \(reason)")
    }
    // The last one is the likeliest to have been meant: a file that is there and broken.
    throw CUDAUnavailable(
      "the \(library.title) can not be opened", value: failures.last { $0.contains("/") } ?? failures.first,
      remedy: library.remedy)
  }

  /// NVRTC looks for its builtins by name alone: those beside it are opened first, so that the name is known.
  private static func preloadBuiltins(beside path: String) {
    guard path.contains("/") else { return }
    let folder = FilePath(path).parent.display
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names.sorted() where name.hasPrefix("libnvrtc-builtins.so") {
      _ = unsafe dlopen("\(folder)/\(name)", RTLD_NOW | RTLD_GLOBAL)
    }
  }

  /// The driver's words for one of its results.
  func words(_ result: Int32) -> String { unsafe CUDALibraries.words(driver, result) }

  static func words(_ driver: OpaquePointer, _ result: Int32) -> String {
    guard let text = unsafe cc_describe(driver, result) else { return "error \(result)" }
    return unsafe "\(String(cString: text)), error \(result)"
  }
}
