import Basics
import Testing
import Tokenization

/// Renders small templates over one set of variables.
enum JinjaCases {
  private static let variables = #"""
    {
    "messages": [{"role": "user", "content": "Hi there <b>&'\"\n x "}, {"role": "assistant", "content": "Wörld ß"}],
    "n": 5,
    "f": 2.5,
    "s": "Hello World",
    "u": "Ünï ß ǆ ﬁ Σας ΑΣ",
    "l": [3, 1, 2],
    "d": {"b": 1, "a": [1, 2, {"z": null}], "C": true},
    "t": true,
    "no": null,
    "e": [],
    "es": "",
    "objs": [{"n": "b", "v": 2, "g": "x"}, {"n": "A", "v": 1, "g": "Y"}, {"n": "c", "v": 3, "g": "X"}],
    "big": 123456789012345678901234567890,
    "neg": -7,
    "fl": [1.0, 0.1, 1e+16, 1e-05, 123456.789, 1e+22, -0.0, 5e-324, 1.5e+300],
    "html": "<a href='x'>b & c</a>",
    "multi": "line1\nline2\n\nline4\n",
    "ws": "  \t a  b\u00a0c\u3000 d\u001c "
    }
    """#

  static func render(_ source: String, clock: TemplateClock = .forTraining) throws -> RenderedChat {
    let values = try JSONParser.parse(variables).object ?? [:]
    return try ChatTemplate(source: source).render(values, clock: clock)
  }

  /// The text a template gives; nil where it is refused.
  static func text(_ source: String) -> String? {
    (try? render(source)).map { String(decoding: $0.text, as: UTF8.self) }
  }

  /// Expects of every template its text, or that it is refused, in bytes.
  static func check(_ cases: [(source: String, text: String?)]) {
    for (source, expected) in cases {
      let text = text(source)
      #expect(text.map { Array($0.utf8) } == expected.map { Array($0.utf8) }, "\(source) gave \(text ?? "an error")")
    }
  }
}
