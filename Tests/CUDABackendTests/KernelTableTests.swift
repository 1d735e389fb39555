import BackendConformance
import CUDABackend
import Synchronization
import Tensors
import Testing

@Suite struct `The kernels' sources` {
  /// The functions that a file offers to launch.
  private static func entries(_ file: String) -> Set<String> {
    let marks = (KernelSource.files[file] ?? "").split(separator: "extern \"C\" __global__ void ").dropFirst()
    return Set(
      marks.map { rest in
        // Bounds of a launch may stand before the name.
        let parts = rest.hasPrefix("__launch_bounds__") ? rest.split(separator: ") ", maxSplits: 1).last ?? "" : rest
        return String(parts.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
      })
  }

  @Test func `have every function that the table of operations names`() {
    for (operation, means) in KernelTable.means {
      for case .kernel(let file, let names) in means {
        for name in names { #expect(Self.entries(file).contains(name), "\(operation): \(name) in \(file)") }
      }
    }
  }

  @Test func `have no function that no operation uses`() {
    var used: [String: Set<String>] = [:]
    for means in KernelTable.means.values {
      for case .kernel(let file, let names) in means { used[file, default: []].formUnion(names) }
    }
    for file in KernelSource.files.keys where file.hasSuffix(".cu") {
      #expect(Self.entries(file) == used[file], "\(file)")
    }
  }

  @Test func `begin with their shapes in a comment`() {
    for (file, text) in KernelSource.files { #expect(text.hasPrefix("//"), "\(file)") }
  }

  @Test func `serve every operation that backends must have`() throws {
    let recorder = RecordingBackend()
    for item in ConformanceCase.all { _ = try? item.check(recorder) }
    let titles = recorder.titles.withLock { $0 }
    #expect(titles.count > 20)
    for title in titles.sorted() { #expect(KernelTable.means[title] != nil, "\(title)") }
  }
}

/// Notes the operations of the programs that it is given, and runs none.
private final class RecordingBackend: Backend {
  struct Refused: Error {}

  let name = "recorder"
  let titles = Mutex<Set<String>>([])

  func makeArena(bytes: Int, pages: PageSpace?) throws(TensorError) -> any ArenaMemory {
    NoMemory(bytes: bytes)
  }

  func load(_ program: Program, plan: MemoryPlan, in arena: any ArenaMemory) throws(TensorError) -> any LoadedProgram {
    titles.withLock { $0.formUnion(program.instructions.map(\.operation.title)) }
    throw TensorError(.init("it was noted"))
  }
}

private final class NoMemory: ArenaMemory {
  let bytes: Int
  let pageBytes = 0

  init(bytes: Int) { self.bytes = bytes }
}
