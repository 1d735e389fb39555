// swift-tools-version: 6.2
import PackageDescription

let swift: [SwiftSetting] = [.strictMemorySafety(), .enableExperimentalFeature("Lifetimes")]

/// Rooms whose inner loops are worth optimising in debug builds too.
let numeric: [SwiftSetting] = swift + [.unsafeFlags(["-O"], .when(configuration: .debug))]

func library(_ name: String, pkg: String, apt: String) -> Target {
  .systemLibrary(name: name, pkgConfig: pkg, providers: [.apt([apt])])
}

func room(_ name: String, _ dependencies: [String], settings: [SwiftSetting] = swift) -> Target {
  .target(name: name, dependencies: dependencies.map { .byName(name: $0) }, swiftSettings: settings)
}

/// Tests are not optimised, what they call is: so they compile in a fraction of the time. `optimised` is for those that
/// compute much themselves.
func tests(_ name: String, _ dependencies: [String], optimised: Bool = false, exclude: [String] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: ([name] + dependencies).map { .byName(name: $0) }, exclude: exclude,
    swiftSettings: swift + (optimised ? [] : [.unsafeFlags(["-Onone"])]))
}

let package = Package(
  name: "fettle",
  products: [.executable(name: "fettle", targets: ["fettle"])],
  targets: [
    library("CSQLite", pkg: "sqlite3", apt: "libsqlite3-dev"),
    library("COpenBLAS", pkg: "openblas", apt: "libopenblas-dev"),
    library("CArchive", pkg: "libarchive", apt: "libarchive-dev"),
    library("CYAML", pkg: "yaml-0.1", apt: "libyaml-dev"),
    library("CPCRE2", pkg: "libpcre2-8", apt: "libpcre2-dev"),
    .systemLibrary(name: "CUTF8Proc", providers: [.apt(["libutf8proc-dev"])]),
    library("CUchardet", pkg: "uchardet", apt: "libuchardet-dev"),
    library("CCrypto", pkg: "libcrypto", apt: "libssl-dev"),
    .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-fno-math-errno"])]),
    .target(name: "CPages"),
    .target(name: "CCUDA", exclude: ["kernels"], cSettings: [.unsafeFlags(["-Wno-c23-extensions"])]),

    room("Basics", ["CCrypto", "CYAML"]),
    room("Tensors", ["Basics"]),
    room("CPUBackend", ["Basics", "Tensors", "CKernels", "COpenBLAS", "CPages"], settings: numeric),
    room("CUDABackend", ["Basics", "Tensors", "CCUDA"]),
    .target(
      name: "BackendConformance", dependencies: ["Basics", "Tensors"], path: "Tests/CPUBackendTests/Conformance",
      swiftSettings: numeric),
    room("Models", ["Basics", "Tensors", "CArchive"], settings: numeric),
    room("Tokenization", ["Basics", "CPCRE2", "CUTF8Proc"], settings: numeric),
    room("Corpus", ["Basics", "CArchive", "CUTF8Proc", "CUchardet"], settings: numeric),
    room("Training", ["Basics", "Tensors", "Models"]),
    room("Evaluation", ["Basics", "Tensors", "Models", "Tokenization"]),
    room("Store", ["Basics", "CSQLite"]),
    room("Pipelines", ["Basics", "Store"]),
    room(
      "Stages",
      [
        "Basics", "Tensors", "CPUBackend", "CUDABackend", "Models", "Tokenization", "Corpus", "Training", "Evaluation",
        "Store", "Pipelines",
      ]),
    .executableTarget(
      name: "fettle",
      dependencies: [
        "Basics", "Tensors", "BackendConformance", "CPUBackend", "CUDABackend", "Models", "Tokenization", "Corpus",
        "Training", "Evaluation", "Store", "Pipelines", "Stages",
      ], swiftSettings: swift),
    tests("Basics", []),
    tests("Tensors", ["Basics"]),
    tests(
      "CPUBackend", ["BackendConformance", "Basics", "Tensors", "CKernels"], optimised: true, exclude: ["Conformance"]),
    tests("CUDABackend", ["BackendConformance", "Basics", "CCUDA", "Tensors"]),
    tests("Models", ["Basics", "Tensors", "CPUBackend"]),
    tests("Tokenization", ["Basics", "Models"]),
    tests("Corpus", ["Basics"]),
    tests("Training", ["Basics", "Tensors", "Models", "CPUBackend"], optimised: true),
    tests("Evaluation", ["Basics", "Tensors", "Models", "Tokenization", "CPUBackend"]),
    tests("Store", ["Basics"]),
    tests("Pipelines", ["Basics", "Store"]),
    tests("Stages", ["Basics", "Evaluation", "Models", "Pipelines", "Tokenization"]),
    .executableTarget(
      name: "make-datasets", dependencies: ["Basics"], path: "datasets/generator", swiftSettings: swift),
  ],
  swiftLanguageModes: [.v6]
)
