import Basics
import CPUBackend
import CUDABackend
import Foundation
import Pipelines
import Stages

extension Command {
  static let doctor = Command(
    name: "doctor", abstract: "Says what this machine offers and what is missing", positionals: [], options: [],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let findings = Examination(project: try Project(invocation)).findings
      if terminal.wantsJSON {
        terminal.print([
          "version": .string(Release.version),
          "checks": .array(
            findings.map { ["name": .string($0.name), "ok": .bool($0.isGood), "detail": .string($0.detail)] }),
        ])
      } else {
        for finding in findings {
          terminal.print("\(finding.isGood ? "ok  " : "NO  ")\(finding.name): \(finding.detail)")
        }
      }
      return findings.allSatisfy(\.isGood) ? .done : .failed
    })
}

/// What `fettle doctor` looks at.
struct Examination {
  struct Finding {
    let name: String
    let isGood: Bool
    let detail: String
  }

  let project: Project

  var findings: [Finding] { [program, processor, card, memory, disk, cache, models, fetching] }

  private var program: Finding { Finding(name: "fettle", isGood: true, detail: Release.version) }

  private var processor: Finding {
    Finding(name: "processor", isGood: true, detail: "\(CPUBackend.availableCores) cores, \(CPUBackend.productKernels)")
  }

  /// An NVIDIA card is wanted by nothing: none is no fault, one that can not be used is told with what to do.
  private var card: Finding {
    do {
      let libraries = try Device.card.get()
      let backend = try CUDABackend(libraries)
      let memory = try backend.memory()
      let places = CUDALibrary.allCases.compactMap { libraries.places[$0] }.joined(separator: ", ")
      return Finding(
        name: "card", isGood: true,
        detail: "\(backend.cardName), \(Quantity.describe(bytes: memory.free)) of "
          + "\(Quantity.describe(bytes: memory.total)) free, CUDA \(libraries.driverVersion), "
          + "\(libraries.versions.joined(separator: ", ")) (\(places))")
    } catch {
      return Finding(
        name: "card", isGood: true, detail: "none is used, training runs on the processor: \(words(of: error))")
    }
  }

  private var memory: Finding {
    let pages = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    let free = sysconf(Int32(_SC_AVPHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    return Finding(
      name: "memory", isGood: true,
      detail: "\(Quantity.describe(bytes: pages)), \(Quantity.describe(bytes: free)) of it unused")
  }

  private var disk: Finding {
    var info = statvfs()
    let code = unsafe project.root.withCString { unsafe statvfs($0, &info) }
    guard code == 0 else { return Finding(name: "disk", isGood: false, detail: "the project's disk can not be read") }
    let free = Int(info.f_bavail) * Int(info.f_frsize)
    return Finding(
      name: "disk", isGood: free > 1 << 30, detail: "\(Quantity.describe(bytes: free)) free at \(project.root.display)")
  }

  private var cache: Finding {
    do {
      guard Files.exists(project.cache.path) else {
        return Finding(
          name: "cache", isGood: true, detail: "none yet; 'fettle run' makes \(project.cache.path.display)")
      }
      let history = try RunHistory.existing(project)
      let newest = try history.ledger.newestRun().map { "newest run \($0.id)" } ?? "no run yet"
      return Finding(name: "cache", isGood: true, detail: "\(project.cache.path.display), \(newest)")
    } catch {
      return Finding(name: "cache", isGood: false, detail: words(of: error))
    }
  }

  private var models: Finding {
    Finding(name: "fetched models", isGood: true, detail: "kept in \(ModelCache.folder.display)")
  }

  /// pip fetches `pypi:` models, curl `hf:` ones; both only at first use.
  private var fetching: Finding {
    let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    func has(_ name: String) -> Bool { path.contains { Files.exists(FilePath(String($0)).appending(name)) } }
    let pip = has("pip3") || has("pip") || has("python3")
    let missing = [pip ? nil : "pip (for pypi: models)", has("curl") ? nil : "curl (for hf: models)"].compactMap { $0 }
    return Finding(
      name: "fetching", isGood: true,
      detail: missing.isEmpty ? "pip and curl are there" : "missing: \(missing.joined(separator: ", "))")
  }
}
