import Basics
import CCUDA
import CUDABackend
import Foundation
import Testing

/// A folder of its own that ends with the test.
private final class Scratch {
  let path = NSTemporaryDirectory() + "fettle-cuda-" + UUID().uuidString

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, to name: String) throws {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: FilePath(file).parent.display, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
  }
}

/// What opening says when the driver is looked for in `folder` alone.
private func failure(in folder: String) -> String {
  let search = LibrarySearch(
    environment: ["FETTLE_CUDA_LIBRARIES": folder], systemFolders: [], asksLoader: false)
  do throws(CUDAUnavailable) {
    _ = try CUDALibraries.open(search)
    return ""
  } catch {
    return error.description
  }
}

/// A driver that answers as it is told, made by the toolchain's C compiler.
private struct StubDriver {
  var version = 13_000
  var start = 0
  var cards = 1
  var leftOut = ""

  func build(in scratch: Scratch) throws {
    var source = ""
    var index: Int32 = 0
    while let name = unsafe cc_driver_symbol(index) {
      index += 1
      let symbol = unsafe String(cString: name)
      switch symbol {
      case leftOut: break
      case "cuInit": source += "int cuInit(unsigned f) { return \(start); }\n"
      case "cuDriverGetVersion": source += "int cuDriverGetVersion(int *v) { *v = \(version); return 0; }\n"
      case "cuDeviceGetCount": source += "int cuDeviceGetCount(int *c) { *c = \(cards); return 0; }\n"
      case "cuGetErrorString":
        source += "int cuGetErrorString(int e, const char **s) { *s = \"no such thing\"; return 0; }\n"
      default: source += "int \(symbol)(void) { return 1; }\n"
      }
    }
    try scratch.write(source, to: "driver.c")
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = [
      "clang", "-shared", "-fPIC", "-o", "\(scratch.path)/libcuda.so.1", "\(scratch.path)/driver.c",
    ]
    try compiler.run()
    compiler.waitUntilExit()
    try #require(compiler.terminationStatus == 0)
  }
}

@Suite struct `CUDA's libraries` {
  @Test func `that are absent are told with how to get them`() throws {
    let text = failure(in: try Scratch().path)
    #expect(text.contains("NVIDIA driver"))
    #expect(text.contains("install NVIDIA's driver"))
  }

  @Test func `can be said not to exist`() {
    let search = LibrarySearch(environment: ["FETTLE_CUDA_LIBRARIES": "none"])
    for library in CUDALibrary.allCases { #expect(search.candidates(library).isEmpty) }
  }

  @Test func `that are broken are told with their place`() throws {
    let scratch = try Scratch()
    try scratch.write("not a library", to: "libcuda.so.1")
    #expect(failure(in: scratch.path).contains("\(scratch.path)/libcuda.so.1"))
  }

  @Test(arguments: [
    ("too old", StubDriver(version: 11_080), ["too old", "CUDA 11.8", "CUDA 12.0 is needed"]),
    ("without a function", StubDriver(leftOut: "cuGraphLaunch"), ["has no function cuGraphLaunch"]),
    ("that does not start", StubDriver(start: 100), ["does not start", "no such thing, error 100", "nvidia-smi"]),
    ("without a card", StubDriver(cards: 0), ["shows no card", "CUDA_VISIBLE_DEVICES"]),
    ("alone", StubDriver(), ["NVRTC", "pip install nvidia-cuda-nvrtc"]),
  ])
  fileprivate func `of a driver that will not do are refused with the reason`(
    _ id: String, _ driver: StubDriver, _ words: [String]
  ) throws {
    let scratch = try Scratch()
    try driver.build(in: scratch)
    let text = failure(in: scratch.path)
    for word in words { #expect(text.contains(word), "\(id): \(text)") }
  }

  @Test func `are looked for in the given folders, the system, the toolkit and pip's folders, in this order`() throws {
    let scratch = try Scratch()
    let places = [
      "given/libnvrtc.so.12", "system/libnvrtc.so.12", "toolkit/lib64/libnvrtc.so.12",
      "venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
      "python/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13",
    ]
    for place in places { try scratch.write("", to: place) }
    try scratch.write("", to: "python/bin/python3")
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: "\(scratch.path)/python/bin/python3")
    let search = LibrarySearch(
      environment: [
        "FETTLE_CUDA_LIBRARIES": "\(scratch.path)/given", "CUDA_HOME": "\(scratch.path)/toolkit",
        "VIRTUAL_ENV": "\(scratch.path)/venv", "PATH": "\(scratch.path)/python/bin",
      ], systemFolders: ["\(scratch.path)/system"])
    let full = places.map { "\(scratch.path)/\($0)" }
    #expect(
      search.candidates(.compiler)
        == [full[0], "libnvrtc.so.13", "libnvrtc.so.12", full[1], full[2], full[3], full[4]])
    // A driver of CUDA 12 can not run what a compiler of CUDA 13 makes.
    #expect(
      search.candidates(.compiler, limit: 12) == [full[0], "libnvrtc.so.12", full[1], full[2], full[3]])
  }
}
