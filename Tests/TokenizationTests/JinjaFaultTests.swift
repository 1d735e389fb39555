import Basics
import Testing
import Tokenization

/// Faults in templates: what they say, and that nothing a template does hangs or traps.
@Suite struct JinjaFaults {
  private func fault(_ source: String, _ variables: JSON.Object = [:]) -> TemplateError? {
    do {
      _ = try ChatTemplate(source: source).render(variables, clock: .forTraining)
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: [
    ("a\n{{ x.y }}", 2, "'x' is undefined"),
    ("{% if true %}\n\n{{ raise_exception('no ' ~ 1) }}{% endif %}", 3, "no 1"),
    ("{% for a in [1] %}\n{{ a + 'x' }}\n{% endfor %}", 2, "unsupported operand types for +: 'int' and 'str'"),
    ("\n\n{{ 1 | uper }}", 3, "no filter is named 'uper'; did you mean 'upper'?"),
    ("{{ 1 is evn }}", 1, "no test is named 'evn'; did you mean 'even'?"),
    ("a\n{% if x %}\nb", 3, "unexpected end of the template, looked for elif or else or endif; 'if' is still open"),
    ("{% foo %}", 1, "unknown tag 'foo'"),
    ("{% for x in y %}{% endif %}{% endfor %}", 1, "unknown tag 'endif'; 'for' is still open"),
    ("{{ a }\n}", 1, "unexpected '}'"),
    ("x\n{{ 'abc }}", 2, "a string without its closing quote"),
    ("{% macro m(a) %}{% endmacro %}\n{{ m(b=1) }}", 2, "macro 'm' takes no keyword argument 'b'"),
    ("{% include 'x' %}", 1, "'include' needs another template, and a chat template stands alone"),
  ])
  func `a fault names its line and what is wrong`(source: String, line: Int, what: String) {
    let error = fault(source)
    #expect(error?.line == line)
    #expect(error?.what == what)
    #expect(error?.description == "chat template, line \(line): \(what)")
  }

  @Test func `messages must be an array of objects`() {
    #expect(fault("", ["messages": "x"])?.what == "'messages' must be an array, not a string")
    #expect(fault("", ["messages": [1]])?.what == "message 0 must be an object, not a number")
  }

  @Test(arguments: [
    ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "macros call each other deeper"),
    (
      "{% macro f() %}{% for x in [1] %}{% if x %}{% set y %}{{ (((f()))) ~ (1 + (2 ~ f()|upper)) }}{% endset %}"
        + "{% endif %}{% endfor %}{% endmacro %}{{ f() }}", "deep"
    ),
    ("{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}", "nested deeper"),
    ("{% set n = namespace(x={}) %}{% for i in range(9999) %}{% set n.x = {1: n.x} %}{% endfor %}", "nested deeper"),
    ("{% set n = namespace() %}{% set n.x = n %}{{ n }}", "too deep"),
    ("{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}", "a text of more"),
    ("{{ 'a' * 10000000000 }}", "a text of more"),
    ("{{ [1] * 10000000000 }}", "a list of more"),
    ("{{ 'a'.center(10000000000) }}", "a text of more"),
    ("{{ '%1000000000d' % 1 }}", "a format width"),
    ("{{ 9 ** 9 ** 9 }}", "beyond 64 bits"),
    ("{{ 9223372036854775807 + 1 }}", "beyond 64 bits"),
    ("{{ range(1000000) }}", "range too big"),
    ("{% break %}", "outside a loop"),
  ])
  func `a template that would run away is stopped`(source: String, words: String) {
    let what = fault(source)?.what ?? "no error"
    #expect(what.contains(words), "\(source.prefix(60)): \(what)")
  }

  @Test func `templates nested or chained too far are refused when they are read`() {
    func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }
    let sources = [
      "{{ " + repeated("(", 500) + "1" + repeated(")", 500) + " }}",
      "{{ " + repeated("-", 500) + "1 }}",
      "{{ 'a'" + repeated("|upper", 500) + " }}",
      repeated("{% if 1 %}", 500) + repeated("{% endif %}", 500),
      "{{ " + repeated("1+", 20_000) + "1 }}",
      repeated("x", 2_000_000),
    ]
    for source in sources {
      #expect(throws: TemplateError.self, "\(source.prefix(20))…") { try ChatTemplate(source: source) }
    }
  }

  @Test func `data nested as deep as JSON may be is written and compared`() throws {
    var value: JSON = 1
    for _ in 0..<500 { value = [value] }
    let template = try ChatTemplate(source: "{{ x|tojson|length }} {{ x|string|length }} {{ x == y }}")
    let text = try template.render(["x": value, "y": value]).text
    #expect(String(decoding: text, as: UTF8.self) == "1001 1001 True")
  }

  @Test func `values that hold each other are released`() {
    let loops = [
      "{% set n = namespace(x=none) %}{% for i in range(5000) %}{% set n.x = namespace(p=n.x) %}{% endfor %}",
      "{% set n = namespace(x=none) %}{% for i in range(5000) %}{% set o = n.x %}{% macro m() %}{{ o }}{% endmacro %}"
        + "{% set n.x = m %}{% endfor %}",
      "{% set n = namespace(x=none) %}{% for i in range(5000) %}{% for j in [n.x] %}{% set n.x = loop %}{% endfor %}"
        + "{% endfor %}",
    ]
    for source in loops { #expect(fault(source) == nil) }
  }

  @Test func `the work of one rendering is bounded`() {
    let source = "{% set s = 'x' * 60000000 %}{% for i in range(99999) %}{% set t = s ~ 'y' %}{% endfor %}"
    #expect(fault(source)?.what.contains("too much work") == true)
  }
}
