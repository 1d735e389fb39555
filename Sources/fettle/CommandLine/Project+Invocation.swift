import Basics
import Foundation
import Pipelines
import Store

extension Project {
  /// The project that `--project` names, or the working folder's.
  init(_ invocation: Invocation) throws {
    guard let folder = invocation.path("project") else {
      self = try Project.find()
      return
    }
    guard try Files.status(folder)?.isFolder == true else {
      throw UsageError("--project must be a folder", value: folder.display)
    }
    self.init(root: try Project.workingFolder().appending(folder))
  }
}

/// What every command needs to know of this build.
enum Release {
  static let version = "0.1.0"
}

extension ExitCode {
  /// The code that an error ends the program with.
  init(for error: any Error) {
    switch error {
    case is UsageError, is PipelineFileError: self = .wrongRequest
    case let error as RunError where error.isBusy: self = .busy
    case let error as StoreError where error.isBusy: self = .busy
    case let error as RunError where error.isRequest: self = .wrongRequest
    case is StageRefused: self = .refused
    case is StageStopped: self = .interrupted
    default: self = .failed
    }
  }
}

/// An error in words: everything it has to say.
func words(of error: any Error) -> String {
  (error as? any FettleError)?.description ?? problem(of: error).description
}
