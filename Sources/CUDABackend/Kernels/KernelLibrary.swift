import Basics
import CCUDA
import Foundation
import Synchronization
import Tensors

/// Compiles kernels for a card when they are first wanted; machine code is kept in the user's cache folder, named by
/// the hash of everything that it follows from.
@safe final class KernelLibrary: @unchecked Sendable {
  private let libraries: CUDALibraries
  private let architecture: Int
  private let lock = Mutex(())
  private var modules: [String: cc_handle] = unsafe [:]
  private var functions: [KernelKey: cc_handle] = unsafe [:]

  init(_ libraries: CUDALibraries, architecture: Int) {
    self.libraries = libraries
    self.architecture = architecture
  }

  /// The function of a key; the card's context must be this thread's.
  func function(_ key: KernelKey) throws(TensorError) -> cc_handle {
    unsafe try lock.withLock { _ throws(TensorError) in
      if let known = unsafe functions[key] { return unsafe known }
      let name = ([key.file] + key.macros).joined(separator: " ")
      let module: cc_handle
      if let known = unsafe modules[name] {
        unsafe module = known
      } else {
        unsafe module = try load(key, name)
        unsafe modules[name] = module
      }
      var function: cc_handle?
      let result = unsafe cc_module_function(libraries.driver, module, key.entry, &function)
      guard result == 0, let found = unsafe function else {
        throw TensorError(
          Problem("the kernel is not in its file", at: key.entry, value: key.file))
      }
      unsafe functions[key] = found
      return unsafe found
    }
  }

  func unload() {
    unsafe _ = modules.values.map { unsafe cc_module_unload(libraries.driver, $0) }
    unsafe modules = [:]
    unsafe functions = [:]
  }

  private func load(_ key: KernelKey, _ name: String) throws(TensorError) -> cc_handle {
    let image = try code(key, name)
    var module: cc_handle?
    let result = unsafe image.withUnsafeBytes { unsafe cc_module_load(libraries.driver, &module, $0.baseAddress) }
    guard result == 0, let loaded = unsafe module else {
      throw TensorError(
        Problem(
          "the card does not take the kernels of \(key.file)",
          value: libraries.words(result),
          remedy: "use an NVRTC of the driver's CUDA version, \(libraries.driverVersion)"))
    }
    return unsafe loaded
  }

  /// Machine code, or for a card that the compiler does not know the portable form that the driver compiles.
  private func code(_ key: KernelKey, _ name: String) throws(TensorError) -> [UInt8] {
    guard let source = KernelSource.text(key.file) else {
      throw TensorError(Problem("there is no such kernel file", value: key.file))
    }
    let newest = unsafe Int(cc_compiler_newest(libraries.compiler))
    let isKnown = newest == 0 || architecture <= newest
    // Hopper's own instructions need the name with the letter.
    let target = isKnown ? "sm_\(architecture)\(architecture == 90 ? "a" : "")" : "compute_\(newest)"
    let options =
      ["--gpu-architecture=\(target)", "--std=c++17"] + KernelSource.options(key.file) + key.macros.map { "-D\($0)" }
    let identity = (libraries.versions + options + [source]).joined(separator: "\u{0}")
    let file = KernelLibrary.folder.appending(Digest(of: identity).hex + ".kernel")
    if let known = try? Files.read(file, limit: 1 << 28), !known.isEmpty { return known }
    let made = try compile(source, key.file, options, binary: isKnown)
    // A cache that can not be written costs time only.
    try? Files.makeFolder(KernelLibrary.folder)
    try? Files.writeAtomically(made, to: file)
    return made
  }

  private func compile(
    _ source: String, _ name: String, _ options: [String], binary: Bool
  ) throws(TensorError) -> [UInt8] {
    var image: UnsafeMutablePointer<CChar>?
    var log: UnsafeMutablePointer<CChar>?
    var size = 0
    let held = unsafe options.map { unsafe strdup($0) }
    defer { unsafe _ = held.map { unsafe free($0) } }
    let pointers = unsafe held.map { unsafe UnsafePointer<CChar>($0) }
    let result = unsafe cc_compile(
      libraries.compiler, source, name, pointers, Int32(options.count), binary ? 1 : 0, &image, &size, &log)
    defer {
      unsafe free(image)
      unsafe free(log)
    }
    guard result == 0, let image = unsafe image else {
      let words = unsafe log.map { unsafe String(cString: $0) } ?? "error \(result)"
      throw TensorError(Problem("the kernels of \(name) do not compile", value: words))
    }
    return unsafe Array(UnsafeRawBufferPointer(start: image, count: size)) + [0]
  }

  /// `kernels` beside the fetched models: in `$FETTLE_CACHE`, else `$XDG_CACHE_HOME/fettle`, else `~/.cache/fettle`.
  static var folder: FilePath {
    let environment = ProcessInfo.processInfo.environment
    func given(_ name: String) -> FilePath? { environment[name].flatMap { $0.isEmpty ? nil : FilePath($0) } }
    let base =
      given("FETTLE_CACHE") ?? given("XDG_CACHE_HOME")?.appending("fettle")
      ?? (given("HOME") ?? FilePath("/tmp")).appending(".cache/fettle")
    return base.appending("kernels")
  }
}
