import Basics
import Store

/// How a run is to go.
package struct RunOptions: Sendable {
  package var selection: Selection
  /// Whether to wait while another run holds the project; otherwise it fails at once.
  package var waits: Bool
  /// The command line, told to whoever finds the project busy.
  package var command: String
  /// The pipeline file as it was named.
  package var file: FilePath?
  /// What the run may use of the machine.
  package var offers: Resources
  /// Whether this process does nothing but run the pipeline, so that every process below it is an attempt's.
  package var ownsProcess: Bool
  /// Seconds before the n-th retry, n from 1.
  package var backoff: @Sendable (RetryPolicy, Int) -> Double

  package init(
    selection: Selection = Selection(), waits: Bool = true, command: String = "fettle run", file: FilePath? = nil,
    offers: Resources = .machine, ownsProcess: Bool = false,
    backoff: @escaping @Sendable (RetryPolicy, Int) -> Double = { $0.delay(before: $1) }
  ) {
    self.selection = selection
    self.waits = waits
    self.command = command
    self.file = file
    self.offers = offers
    self.ownsProcess = ownsProcess
    self.backoff = backoff
  }
}

/// What a run tells while it goes.
package enum RunEvent: Sendable {
  /// Another run holds the project.
  case waiting(RunLock.Holder?)
  case began(run: Int, cells: Int)
  /// An attempt at a cell begins; `number` from 1, `of` the most there may be.
  case started(StageCell, reason: String, number: Int, of: Int, log: FilePath)
  case progress(StageCell, ProgressEvent)
  case note(StageCell, String)
  /// An attempt failed and another one follows after a pause.
  case retrying(StageCell, Problem, after: Double)
  /// The cell's part in this run is over.
  case ended(StageCell, CellRecord, Problem?)
  /// A request to stop was passed on.
  case stopping(at: StageCell?)
  /// Something worth knowing that concerns no cell.
  case message(String)
}

/// How a run ended.
package struct RunSummary: Sendable {
  package let run: Int
  /// 0 done, 1 a stage failed, 3 a gate refused, 130 interrupted.
  package let exitCode: Int
  package let cells: [CellRecord]
}
