import Basics
import Models
import Testing

@Suite struct ModelReferenceTests {
  private static let digest = String(repeating: "ab", count: 32)

  @Test func `the four forms are recognised`() throws {
    #expect(try ModelReference.parse("models/x.gguf") == .path("models/x.gguf"))
    #expect(try ModelReference.parse("./preset:nano") == .path("./preset:nano"))
    #expect(try ModelReference.parse("preset:135m") == .preset(.m135))
    guard case .hub(let hub) = try ModelReference.parse("hf:org/name-1.B@refs/pr/3") else {
      Issue.record("no hub reference")
      return
    }
    #expect(hub.organisation == "org" && hub.name == "name-1.B" && hub.revision == "refs/pr/3")
    guard case .package(let file) = try ModelReference.parse("pypi:a-b==0.1+x/c/d e.gguf#sha256=\(Self.digest)") else {
      Issue.record("no package reference")
      return
    }
    #expect(file.package == "a-b" && file.version == "0.1+x")
    #expect(file.member == "c/d e.gguf" && file.digest.hex == Self.digest)
  }

  @Test(arguments: [
    ("", "must not be empty"), ("preset:nan", "did you mean preset:nano?"),
    ("hf:name", "hf:organisation/name@revision"),
    ("hf:a/b/c@d", "no repository"), ("hf:a/b@../x", "no repository"), ("hf:--x/b", "no repository"),
    ("hf:a/b@", "no repository"), ("pypi:a==1/x", "needs its digest"),
    ("pypi:a==1/x#sha256=12", "64 hexadecimal digits"),
    ("pypi:a/x#sha256=\(digest)", "the exact version is missing"), ("pypi:a==1#sha256=\(digest)", "the path inside"),
    ("pypi:a==1/../x#sha256=\(digest)", "without . and .."), ("pypi:a==1//x#sha256=\(digest)", "without . and .."),
    ("pypi:-r==1/x#sha256=\(digest)", "no name and version"), ("pypi:a b==1/x#sha256=\(digest)", "no name and version"),
    ("https://example.org/m.gguf", "can not be fetched from an address"),
  ])
  func `a malformed reference is an error with its remedy`(text: String, words: String) {
    let found = problem { _ = try ModelReference.parse(text) }
    #expect(found.contains(words), "\(found)")
  }

  @Test func `a path starts from the root it is given`() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("x", as: "m.gguf")
    #expect(try ModelReference.parse("m.gguf").resolve(cache: "unused", root: folder.path) == file)
    #expect(
      problem { _ = try ModelReference.parse("n.gguf").resolve(cache: "unused", root: folder.path) }.contains(
        "no such model"))
    #expect(try ModelReference.parse("preset:nano").resolve(cache: "unused") == nil)
  }

  @Test func `a packaged file that is cached with the right digest needs no network`() throws {
    let folder = try TemporaryFolder()
    let digest = Digest(of: "contents")
    let place = folder.path.appending("pypi").appending(digest.hex)
    try Files.makeFolder(place)
    try Files.writeAtomically(Array("contents".utf8), to: place.appending("m.gguf"))
    let reference = try ModelReference.parse("pypi:no-such-package==1/x/m.gguf#sha256=\(digest.hex)")
    #expect(try reference.resolve(cache: folder.path) == place.appending("m.gguf"))
  }

  @Test func `a hub model that was fetched whole needs no network`() throws {
    let folder = try TemporaryFolder()
    let place = folder.path.appending("hf/org/name/refs%2Fpr%2F1")
    try ModelWriter(config: TinyModel().config).write(TinyModel().weights, to: place)
    var manifest = JSON.Object()
    for file in try Files.list(place) {
      let path = place.appending(file)
      let size = try Files.status(path)?.size ?? 0
      manifest[file.name] = ["size": JSON(size), "sha256": JSON(try Files.digest(path).hex)]
    }
    try Files.writeAtomically(JSON.object(manifest).encoded(), to: place.appending("fettle-manifest.json"))
    let files = try ModelReference.parse("hf:org/name@refs/pr/1").open(cache: folder.path)
    #expect(files.config == TinyModel().config)
  }

  @Test func `a preset opens with the seed and the vocabulary it is given`() throws {
    let files = try ModelReference.parse("preset:nano").open(cache: "unused", vocabularySize: 50, seed: 9)
    let same = PresetWeights(config: files.config, seed: 9)
    #expect(files.config.vocabularySize == 50)
    let name = "model.embed_tokens.weight"
    #expect(try files.weights.values(name) == same.values(name))
  }
}

@Suite struct ModelReferenceProgramTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func run(_ arguments: [FilePath], seconds: Double = 60, tick: () -> Bool = { true }) throws -> String {
    let program = ModelReferenceProgram(arguments: arguments)
    switch try program.run(log: folder.path.appending("log"), seconds: seconds, tick: tick) {
    case .absent: return "absent"
    case .ended(let status, let lines): return "\(status): \(lines)"
    case .tooLong: return "too long"
    case .stopped: return "stopped"
    }
  }

  @Test func `a program's status and last lines are told`() throws {
    #expect(try run(["sh", "-c", "echo one; echo two >&2; exit 3"]) == "3: one | two")
    #expect(try run(["sh", "-c", "printf '%s' \"$0\"", "a b'$c"]) == "0: a b'$c")
    #expect(try run(["no-such-program-anywhere"]) == "absent")
  }

  @Test func `a program that takes too long, or is to stop, dies with its children`() throws {
    #expect(try run(["sh", "-c", "sleep 1000 & wait"], seconds: 0) == "too long")
    #expect(try run(["sh", "-c", "sleep 1000"], tick: { false }) == "stopped")
  }
}

@Suite struct ModelReferenceWheelTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test func `a member is taken out with its digest`() throws {
    let wheel = try folder.write(zip([("a/b.txt", "no"), ("a/m.gguf", "model")]), as: "w.whl")
    let target = folder.path.appending("out")
    #expect(try ModelReferenceWheel.extract("a/m.gguf", of: wheel, to: target) == Digest(of: "model"))
    #expect(try Files.read(target) == Array("model".utf8))
    #expect(try ModelReferenceWheel.extract("a/x", of: wheel, to: folder.path.appending("no")) == nil)
    #expect(!Files.exists(folder.path.appending("no")))
  }

  @Test func `a damaged wheel is an error`() throws {
    var bytes = zip([("m", "model that is long enough to be damaged")])
    bytes[40] ^= 0xFF
    let wheel = try folder.write(bytes, as: "w.whl")
    let text = problem { _ = try ModelReferenceWheel.extract("m", of: wheel, to: folder.path.appending("out")) }
    #expect(text.contains("the wheel can not be read"), "\(text)")
    #expect(!Files.exists(folder.path.appending("out")))
    let other = try folder.write("not a zip", as: "v.whl")
    #expect(problem { _ = try ModelReferenceWheel.extract("m", of: other, to: "unused") }.contains("can not be read"))
  }

  /// A zip archive of stored members.
  private func zip(_ members: [(name: String, contents: String)]) -> [UInt8] {
    var writer = ByteWriter()
    var directory = ByteWriter()
    for (name, contents) in members {
      let offset = writer.bytes.count
      let size = UInt32(contents.utf8.count)
      var common = ByteWriter()
      for value in [20, 0, 0, 0, 33] as [UInt16] { common.integer(value) }
      common.integer(crc(Array(contents.utf8)))
      common.integer(size)
      common.integer(size)
      common.integer(UInt16(name.utf8.count))
      common.integer(UInt16(0))
      writer.integer(UInt32(0x0403_4B50))
      writer.bytes += common.bytes + Array(name.utf8) + Array(contents.utf8)
      directory.integer(UInt32(0x0201_4B50))
      directory.integer(UInt16(20))
      directory.bytes += common.bytes
      for value in [0, 0, 0] as [UInt16] { directory.integer(value) }
      directory.integer(UInt32(0))
      directory.integer(UInt32(offset))
      directory.bytes += Array(name.utf8)
    }
    let start = writer.bytes.count
    writer.bytes += directory.bytes
    writer.integer(UInt32(0x0605_4B50))
    for value in [0, 0, UInt16(members.count), UInt16(members.count)] { writer.integer(value) }
    writer.integer(UInt32(directory.bytes.count))
    writer.integer(UInt32(start))
    writer.integer(UInt16(0))
    return writer.bytes
  }

  private func crc(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 {
        let odd = crc & 1 == 1
        crc >>= 1
        if odd { crc ^= 0xEDB8_8320 }
      }
    }
    return ~crc
  }
}
