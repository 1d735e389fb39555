import Basics
import Foundation
import Pipelines

extension Project {
  /// The project that `--project` names, or the working folder's.
  init(_ invocation: Invocation) throws {
    guard let folder = invocation.value("project") else {
      self = try Project.find()
      return
    }
    guard try Files.status(FilePath(folder))?.isFolder == true else {
      throw UsageError("--project must be a folder", value: folder)
    }
    self.init(root: FilePath(FileManager.default.currentDirectoryPath).appending(folder))
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
