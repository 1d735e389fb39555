import Basics
import Foundation
import Pipelines
import Stages
import Store

extension Command {
  static let benchCache = Command(
    name: "bench-cache", abstract: "Measures the ledger and the planning of a pipeline", positionals: ["[FILE]"],
    options: [
      .value("rows", "N", "insert N rows into a ledger of its own"), .value("folder", "DIR", "where that ledger lies"),
    ], isHidden: true,
    run: { invocation throws in
      let terminal = Terminal(invocation)
      if let rows = try invocation.whole("rows", in: 1...100_000_000) {
        terminal.print(try ledger(rows, invocation.path("folder") ?? "."))
      }
      if let file = invocation.paths.first { terminal.print(try planning(file, try Project(invocation))) }
      return .done
    })

  private static func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let time = try clock.measure(body)
    return Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
  }

  private static func ledger(_ count: Int, _ folder: FilePath) throws -> JSON {
    let place = folder.appending("bench-cache-\(UInt64.random(in: 0...UInt64.max))")
    defer { try? Files.removeTree(place) }
    let ledger = try Ledger(CacheFolder(place))
    let cells = (0..<count).map {
      CellRecord(position: $0, cell: "cell[n=\($0)]", stage: "cell", kind: "command")
    }
    let time = try seconds { _ = try ledger.beginRun(pipeline: "bench", file: nil, command: "bench", cells: cells) }
    return ["rows": JSON(count), "seconds": JSON(time), "rows_per_second": JSON(Double(count) / time)]
  }

  private static func planning(_ file: FilePath, _ project: Project) throws -> JSON {
    var pipeline: Pipeline?
    let reading = try seconds { pipeline = try Pipeline.load(file) }
    guard let pipeline else { return .null }
    let runner = Runner(
      pipeline: pipeline, project: project, options: RunOptions(), hooks: StageHooks.hooks(root: project.root),
      launcher: ProgramLauncher(executable: "/proc/self/exe"))
    var count = 0
    let planning = try seconds { count = try runner.plan().entries.count }
    return ["stages": JSON(count), "read_seconds": JSON(reading), "plan_seconds": JSON(planning)]
  }
}
