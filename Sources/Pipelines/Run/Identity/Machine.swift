import Basics
import Foundation

/// The machine that measurements are taken on.
package enum Machine {
  /// Processor, logical cores, memory to the GiB, NVIDIA cards: "AMD EPYC …, 2 cores, 24 GiB".
  package static let description: String = {
    var words = [processor() ?? "unknown processor", "\(sysconf(Int32(_SC_NPROCESSORS_ONLN))) cores"]
    let memory = Double(sysconf(Int32(_SC_PHYS_PAGES))) * Double(sysconf(Int32(_SC_PAGESIZE)))
    words.append("\(Int((memory / 0x1p30).rounded())) GiB")
    return (words + cards()).joined(separator: ", ")
  }()

  private static func processor() -> String? {
    field("model name", of: "/proc/cpuinfo")
  }

  private static func cards() -> [String] {
    let folder: FilePath = "/proc/driver/nvidia/gpus"
    let names = (try? Files.list(folder)) ?? []
    return names.compactMap { field("Model", of: folder.appending($0).appending("information").display) }
  }

  private static func field(_ name: String, of path: String) -> String? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return line.split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces)
    }
    return nil
  }
}
