import Stages
import Testing

@Suite struct `A mask` {
  private func masked(_ secrets: [String], _ pieces: [String]) -> String {
    var mask = SecretMask(secrets.map { Array($0.utf8) })
    var result: [UInt8] = []
    for piece in pieces { result += mask.take(Array(piece.utf8)) }
    return String(decoding: result + mask.finish(), as: UTF8.self)
  }

  @Test func `hides a secret wherever a piece ends`() {
    let text = "token=abcabd, again abcabd; abcab is not it"
    for cut in 0...text.utf8.count {
      let bytes = Array(text.utf8)
      let pieces = [bytes[..<cut], bytes[cut...]].map { String(decoding: $0, as: UTF8.self) }
      #expect(masked(["abcabd"], pieces) == "token=***, again ***; abcab is not it")
    }
    #expect(masked(["abcabd"], text.map { String($0) }) == "token=***, again ***; abcab is not it")
  }

  @Test func `hides the longer of two secrets that begin alike`() {
    #expect(masked(["abc", "abcdef"], ["abcdef abcd ab", "c"]) == "*** ***d ***")
  }

  @Test func `hides the lines of a secret of several lines`() {
    #expect(masked(["first line\nsecond line"], ["x second line y\n"]) == "x *** y\n")
  }

  @Test func `lets everything else pass byte by byte`() {
    #expect(masked([], ["a", "b"]) == "ab")
    #expect(masked(["zz"], ["z", "\n"]) == "z\n")
  }
}

@Suite struct `Scripts of a command` {
  @Test(arguments: [
    ("sh work.sh", ["work.sh"]), ("./a/b.py $x > $out", ["./a/b.py"]), ("python3 -u train.py --epochs 3", ["train.py"]),
    ("A=1 B='x y' sh work.sh | tee log && ./next", ["work.sh", "./next"]), ("sh -c 'sh x.sh'", []),
    ("echo work.sh", []), ("cat < in.txt > out.txt", []), (". ./settings; run", ["./settings"]),
    ("bash \"$script\"", []), ("sh 'my script.sh'", ["my script.sh"]), ("if ./test; then sh go; fi", ["./test", "go"]),
    ("python3 -m module", []), ("", []), ("sh \\\n work.sh", ["work.sh"]),
  ])
  func `are found where programs stand`(_ text: String, _ wanted: [String]) {
    #expect(CommandScripts.candidates(in: text) == wanted)
  }
}
