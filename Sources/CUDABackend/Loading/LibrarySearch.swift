import Basics
import Foundation

/// A library of NVIDIA's that is opened at run time.
package enum CUDALibrary: String, Sendable, CaseIterable {
  case driver, compiler, products

  /// What it is called in messages.
  package var title: String {
    switch self {
    case .driver: "NVIDIA driver (libcuda)"
    case .compiler: "run-time compiler (NVRTC)"
    case .products: "matrix products (cuBLASLt)"
    }
  }

  /// How to get it.
  package var remedy: String {
    switch self {
    case .driver: "install NVIDIA's driver for the card, version 525 or newer; in a container, start it with the GPU"
    case .compiler: "pip install nvidia-cuda-nvrtc, or set FETTLE_CUDA_LIBRARIES to the folder with libnvrtc.so"
    case .products: "pip install nvidia-cublas, or set FETTLE_CUDA_LIBRARIES to the folder with libcublasLt.so"
    }
  }

  /// File names, the newest first. A library of a CUDA version that the driver is too old for is left out: `limit` is
  /// the driver's major version where it is known.
  package func names(limit: Int?) -> [String] {
    let versions = [13, 12].filter { $0 <= limit ?? Int.max }
    return switch self {
    case .driver: ["libcuda.so.1"]
    case .compiler: versions.map { "libnvrtc.so.\($0)" }
    case .products: versions.map { "libcublasLt.so.\($0)" }
    }
  }
}

/// Where CUDA's libraries are looked for: the folders of `FETTLE_CUDA_LIBRARIES`, the system's own places, `CUDA_HOME`,
/// and what pip installed for a Python on the path or in `VIRTUAL_ENV`.
package struct LibrarySearch: Sendable {
  private let environment: [String: String]
  /// Folders of the system that the loader may not know.
  private let systemFolders: [String]
  /// Whether the system's loader is asked for bare names.
  private let asksLoader: Bool

  package init(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    systemFolders: [String] = ["/usr/local/cuda/lib64", "/usr/local/nvidia/lib64", "/usr/lib/x86_64-linux-gnu"],
    asksLoader: Bool = true
  ) {
    self.environment = environment
    self.systemFolders = systemFolders
    self.asksLoader = asksLoader
  }

  /// What to open, in order. A bare name is looked up by the system's loader. Where `FETTLE_CUDA_LIBRARIES` is set and
  /// not empty it comes first; set to `none` it says that there is no CUDA.
  package func candidates(_ library: CUDALibrary, limit: Int? = nil) -> [String] {
    if environment["FETTLE_CUDA_LIBRARIES"] == "none" { return [] }
    let names = library.names(limit: limit)
    var paths: [String] = []
    for folder in given { paths += existing(names, in: folder) }
    if asksLoader { paths += names }
    for folder in systemFolders + toolkit { paths += existing(names, in: folder) }
    if library != .driver { for folder in pythonFolders { paths += existing(names, in: folder) } }
    return paths
  }

  private var given: [String] {
    (environment["FETTLE_CUDA_LIBRARIES"] ?? "").split(separator: ":").map { String($0) }
  }

  private var toolkit: [String] {
    ["CUDA_HOME", "CUDA_PATH"].compactMap { environment[$0] }.filter { !$0.isEmpty }.flatMap {
      ["\($0)/lib64", "\($0)/lib", "\($0)/targets/x86_64-linux/lib"]
    }
  }

  /// pip's `nvidia/*/lib` folders, in every site-packages of a Python that the user is likely to mean.
  private var pythonFolders: [String] {
    var roots: [String] = []
    if let active = environment["VIRTUAL_ENV"], !active.isEmpty { roots.append(active) }
    for folder in (environment["PATH"] ?? "").split(separator: ":") {
      let python = "\(folder)/python3"
      guard FileManager.default.isExecutableFile(atPath: python) else { continue }
      roots.append(parent(of: String(folder)))
      roots.append(parent(of: parent(of: URL(fileURLWithPath: python).resolvingSymlinksInPath().path)))
    }
    if let home = environment["HOME"], !home.isEmpty { roots.append("\(home)/.local") }
    var seen: Set<String> = []
    return roots.filter { seen.insert($0).inserted }.flatMap { root in
      entries("\(root)/lib").filter { $0.hasPrefix("python3") }.flatMap { version in
        ["site-packages", "dist-packages"].flatMap { packages in
          let nvidia = "\(root)/lib/\(version)/\(packages)/nvidia"
          return entries(nvidia).map { "\(nvidia)/\($0)/lib" }
        }
      }
    }
  }

  private func existing(_ names: [String], in folder: String) -> [String] {
    names.map { "\(folder)/\($0)" }.filter { Files.exists(FilePath($0)) }
  }

  private func entries(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  private func parent(of path: String) -> String { FilePath(path).parent.display }
}
