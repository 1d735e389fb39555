import Basics
import CPUBackend
import Foundation
import Tensors
import Testing

/// The page tier: what goes out comes back, and what goes wrong is said.
@Suite struct PageFileTests {
  static let backend = CPUBackend(threads: 2)

  /// Copies `input` to the page tier and back to `output`, piece by piece.
  private struct RoundTrip {
    var program = Program()
    let input: TensorID
    let output: TensorID
    let home: TensorID

    init(pieces: Int, elements: Int) {
      input = program.add(TensorSpec(name: "in", rows: pieces, columns: elements, role: .input))
      output = program.add(TensorSpec(name: "out", rows: pieces, columns: elements, role: .output))
      home = program.add(TensorSpec(name: "home", rows: pieces, columns: elements, role: .state, tier: .page))
      for piece in 0..<pieces {
        let id = program.add(TensorSpec(name: "going\(piece)", rows: 1, columns: elements, role: .window))
        let window = program.view(id)
        add(.copy(x: program.view(input).rows(piece..<piece + 1), out: window))
        add(.evict(from: window, into: program.view(home).rows(piece..<piece + 1), transfer: 2 * piece))
        add(.wait(transfer: 2 * piece, view: window))
      }
      for piece in 0..<pieces {
        let id = program.add(TensorSpec(name: "coming\(piece)", rows: 1, columns: elements, role: .window))
        let window = program.view(id)
        add(.fetch(from: program.view(home).rows(piece..<piece + 1), into: window, transfer: 2 * piece + 1))
        add(.wait(transfer: 2 * piece + 1, view: window))
        add(.copy(x: window, out: program.view(output).rows(piece..<piece + 1)))
      }
    }

    private mutating func add(_ operation: Tensors.Operation) {
      program.instructions.append(Instruction(operation, phase: .forward))
    }
  }

  private static func load(_ trip: RoundTrip, folder: FilePath) throws -> any LoadedProgram {
    let plan = MemoryPlan(trip.program)
    let arena = try backend.makeArena(
      bytes: plan.arenaBytes, pages: PageSpace(bytes: plan.pageBytes, folder: folder))
    return try backend.load(trip.program, plan: plan, in: arena)
  }

  @Test func `what was evicted is fetched again, in whole pages and at any offset`() throws {
    let folder = try PageFolder()
    let trip = RoundTrip(pieces: 3, elements: 1024)
    let loaded = try Self.load(trip, folder: folder.path)
    let values = (0..<3 * 1024).map { Float($0) }
    loaded.write(values, to: trip.input)
    try loaded.run(StepScalars())
    #expect(loaded.read(trip.output, as: Float.self, initial: 0) == values)
    var bytes = [UInt8](repeating: 0, count: 5000)
    try unsafe bytes.withUnsafeMutableBytes { unsafe try loaded.copyOut(trip.home, at: 4093, into: $0) }
    let expected = unsafe values.withUnsafeBytes { unsafe Array($0[4093..<9093]) }
    #expect(bytes == expected)
    let sevens = [UInt8](repeating: 7, count: 4100)
    try unsafe sevens.withUnsafeBytes {
      unsafe try loaded.copyIn($0, to: trip.home, at: 3)
    }
    try unsafe bytes.withUnsafeMutableBytes { unsafe try loaded.copyOut(trip.home, at: 0, into: $0) }
    #expect(bytes[3..<4103].allSatisfy { $0 == 7 } && bytes[..<3].elementsEqual([0, 0, 0]))
    try loaded.zero(trip.home)
    try unsafe bytes.withUnsafeMutableBytes { unsafe try loaded.copyOut(trip.home, at: 0, into: $0) }
    #expect(bytes.allSatisfy { $0 == 0 })
  }

  @Test func `a page file that somebody cut is noticed`() throws {
    let folder = try PageFolder()
    let trip = RoundTrip(pieces: 3, elements: 1024)
    let loaded = try Self.load(trip, folder: folder.path)
    try loaded.run(StepScalars())
    #expect(try folder.cutPageFiles(to: 4096) == 1)
    let error = #expect(throws: TensorError.self) { try loaded.run(StepScalars()) }
    #expect(error?.problem.what.contains("cut") == true)
    // Still noticed when the file has its size again, but not its bytes.
    _ = try folder.cutPageFiles(to: 3 * 4096)
    #expect(throws: TensorError.self) { try loaded.run(StepScalars()) }
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/shm")))
  func `a page file in main memory is refused`() {
    let error = #expect(throws: TensorError.self) {
      try Self.backend.makeArena(bytes: 64, pages: PageSpace(bytes: 4096, folder: FilePath("/dev/shm")))
    }
    #expect(error?.problem.remedy?.contains("page_folder") == true)
  }

  @Test func `a page file larger than the disk is refused before anything runs`() throws {
    let folder = try PageFolder()
    let error = #expect(throws: TensorError.self) {
      try Self.backend.makeArena(bytes: 64, pages: PageSpace(bytes: 1 << 52, folder: folder.path))
    }
    #expect(error?.problem.what == "the disk has no room for the page file")
    #expect(try Files.list(folder.path).isEmpty)
  }

  @Test func `a folder that is not there is named`() throws {
    let folder = try PageFolder()
    let error = #expect(throws: TensorError.self) {
      try Self.backend.makeArena(
        bytes: 64, pages: PageSpace(bytes: 4096, folder: folder.path.appending("missing")))
    }
    #expect(error?.problem.place?.contains("missing") == true)
  }
}

/// A folder on the disk that this package lies on: temporary folders may be in memory.
final class PageFolder: Sendable {
  let path: FilePath

  init() throws {
    path = FilePath(FileManager.default.currentDirectoryPath).appending(".build/pages-\(UUID().uuidString)")
    try Files.makeFolder(path)
  }

  deinit { try? Files.removeTree(path) }

  /// Sets the size of this process's nameless files in the folder, as another program could; returns how many.
  func cutPageFiles(to size: Int) throws -> Int {
    var count = 0
    for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
      let place = "/proc/self/fd/\(name)"
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: place),
        target.contains(path.display), target.hasSuffix("(deleted)")
      else { continue }
      if unsafe truncate(place, off_t(size)) == 0 { count += 1 }
    }
    return count
  }
}
