import Foundation

/// A failed file operation: which one, on what path, and the system's reason.
package struct FileError: FettleError {
  package let problem: Problem
  /// The system's error number.
  package let code: Int32

  package init(_ action: String, _ path: FilePath, code: Int32 = errno) {
    self.code = code
    let remedy: String? =
      switch code {
      case ENOSPC: "free some space and run again"
      case EACCES, EPERM, EROFS: "check the permissions of the file and its folder"
      case ENOENT: "check the path"
      default: nil
      }
    problem = Problem("cannot \(action): \(unsafe String(cString: strerror(code)))", at: path.display, remedy: remedy)
  }
}
