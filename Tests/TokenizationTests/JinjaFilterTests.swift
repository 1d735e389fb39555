import Basics
import Testing
import Tokenization

/// Filters of the template language.
/// Expected texts are jinja2's own, in transformers' environment; nil where it raises.
@Suite struct JinjaFilters {
  @Test func `text filters recase and measure`() {
    JinjaCases.check([
      ("{{ s|upper }}", "HELLO WORLD"),
      ("{{ s|lower }}", "hello world"),
      ("{{ s|title }}", "Hello World"),
      ("{{ s|capitalize }}", "Hello world"),
      ("{{ 'foo-bar baz(qux [a'|title }}", "Foo-Bar Baz(Qux [A"),
      ("{{ s|length }}", "11"),
      ("{{ l|count }}", "3"),
      ("{{ d|length }}", "3"),
      ("{{ n|length }}", nil),
      ("{{ no|length }}", nil),
      ("{{ undefinedvar|length }}", "0"),
      ("{{ u|length }}", "16"),
      ("{{ range(3)|length }}", "3"),
      ("{{ (l|map('string'))|length }}", nil),
    ])
  }

  @Test func `missing values get defaults`() {
    JinjaCases.check([
      ("{{ undefinedvar|default('x') }}", "x"),
      ("{{ es|default('x') }}", ""),
      ("{{ es|default('x', true) }}", "x"),
      ("{{ no|default('x') }}", "None"),
      ("{{ no|default('x', boolean=true) }}", "x"),
      ("{{ undefinedvar|d }}", ""),
      ("{{ undefinedvar.x|default('y') }}", nil),
      ("{{ d.zz|default('y') }}", "y"),
    ])
  }

  @Test func `sequences give their ends and join`() {
    JinjaCases.check([
      ("{{ l|first }}", "3"),
      ("{{ l|last }}", "2"),
      ("{{ e|first }}", ""),
      ("{{ e|last }}", ""),
      ("{{ s|first }}", "H"),
      ("{{ s|last }}", "d"),
      ("{{ d|first }}", "b"),
      ("{{ undefinedvar|first }}", ""),
      ("{{ l|join(',') }}", "3,1,2"),
      ("{{ l|join }}", "312"),
      ("{{ s|join('-') }}", "H-e-l-l-o- -W-o-r-l-d"),
      ("{{ objs|join(',', attribute='n') }}", "b,A,c"),
      ("{{ e|join }}", ""),
      ("{{ ['a', none, 1.5, true]|join('|') }}", "a|None|1.5|True"),
      ("{{ undefinedvar|join }}", ""),
      ("{{ n|join }}", nil),
      ("{{ d|join(',') }}", "b,a,C"),
    ])
  }

  @Test func `sequences sort`() {
    JinjaCases.check([
      ("{{ l|sort }}", "[1, 2, 3]"),
      ("{{ l|sort(reverse=true) }}", "[3, 2, 1]"),
      ("{{ ['b','A','c']|sort }}", "['A', 'b', 'c']"),
      ("{{ ['b','A','c']|sort(case_sensitive=true) }}", "['A', 'b', 'c']"),
      ("{{ objs|sort(attribute='n')|map(attribute='n')|list }}", "['A', 'b', 'c']"),
      ("{{ objs|sort(attribute='v', reverse=true)|map(attribute='v')|list }}", "[3, 2, 1]"),
      ("{{ [1,'a']|sort }}", nil),
      ("{{ s|sort }}", "[' ', 'd', 'e', 'H', 'l', 'l', 'l', 'o', 'o', 'r', 'W']"),
      ("{{ d|sort }}", "['a', 'b', 'C']"),
      ("{{ objs|sort(attribute='g,n')|map(attribute='n')|join }}", "bcA"),
    ])
  }

  @Test func `map applies a filter or takes an attribute`() {
    JinjaCases.check([
      ("{{ l|map('string')|list }}", "['3', '1', '2']"),
      ("{{ objs|map(attribute='n')|join(',') }}", "b,A,c"),
      ("{{ ['a','b']|map('upper')|list }}", "['A', 'B']"),
      ("{{ objs|map(attribute='zz', default='q')|list }}", "['q', 'q', 'q']"),
      ("{{ objs|map(attribute='zz')|list }}", "[Undefined, Undefined, Undefined]"),
      ("{{ l|map('nofilter')|list }}", nil),
      ("{{ ['1','2']|map('int')|sum }}", "3"),
      ("{{ ['ab','c']|map('replace','a','x')|list }}", "['xb', 'c']"),
      ("{{ e|map('upper')|list }}", "[]"),
      ("{{ l|map|list }}", nil),
      ("{{ ['a ',' b']|map('trim')|join }}", "ab"),
    ])
  }

  @Test func `items are selected by tests`() {
    JinjaCases.check([
      ("{{ l|select('odd')|list }}", "[3, 1]"),
      ("{{ l|reject('odd')|list }}", "[2]"),
      ("{{ l|select|list }}", "[3, 1, 2]"),
      ("{{ [0,1,none,'']|select|list }}", "[1]"),
      ("{{ [0,1]|reject|list }}", "[0]"),
      ("{{ objs|selectattr('v','gt',1)|map(attribute='n')|list }}", "['b', 'c']"),
      ("{{ objs|selectattr('n','equalto','b')|list|length }}", "1"),
      ("{{ objs|rejectattr('v','in',[1,2])|map(attribute='n')|list }}", "['c']"),
      ("{{ objs|selectattr('zz')|list }}", "[]"),
      ("{{ objs|selectattr('zz','defined')|list }}", "[]"),
      ("{{ l|select('notest')|list }}", nil),
      ("{{ l|select('>', 1)|list }}", "[3, 2]"),
      ("{{ l|select('divisibleby', 3)|list }}", "[3]"),
      ("{{ objs|selectattr('n')|list|length }}", "3"),
    ])
  }

  @Test func `dictionaries give items and sort`() {
    JinjaCases.check([
      ("{{ d|items|list }}", "[('b', 1), ('a', [1, 2, {'z': None}]), ('C', True)]"),
      ("{{ d|dictsort }}", "[('a', [1, 2, {'z': None}]), ('b', 1), ('C', True)]"),
      ("{{ d|dictsort(by='value') }}", nil),
      ("{{ {'b':2,'a':1,'C':3}|dictsort }}", "[('a', 1), ('b', 2), ('C', 3)]"),
      ("{{ {'b':2,'a':1,'C':3}|dictsort(true) }}", "[('C', 3), ('a', 1), ('b', 2)]"),
      ("{{ {'b':2,'a':1}|dictsort(by='value', reverse=true) }}", "[('b', 2), ('a', 1)]"),
      ("{{ {'b':2,'a':1}|dictsort(false,'value') }}", "[('a', 1), ('b', 2)]"),
      ("{{ l|dictsort }}", nil),
      ("{{ {1:2,'a':3}|dictsort }}", nil),
      ("{{ undefinedvar|items|list }}", "[]"),
      ("{{ no|items|list }}", nil),
      ("{{ l|items|list }}", nil),
    ])
  }

  @Test func `items are made unique, reversed and summed`() {
    JinjaCases.check([
      ("{{ [1,2,1,'a','A']|unique|list }}", "[1, 2, 'a']"),
      ("{{ ['a','A']|unique(true)|list }}", "['a', 'A']"),
      ("{{ l|reverse|list }}", "[2, 1, 3]"),
      ("{{ s|reverse }}", "dlroW olleH"),
      ("{{ d|reverse|list }}", "['C', 'a', 'b']"),
      ("{{ l|min }}", "1"),
      ("{{ l|max }}", "3"),
      ("{{ e|min }}", ""),
      ("{{ ['b','A']|min }}", "A"),
      ("{{ objs|max(attribute='v') }}", "{'n': 'c', 'v': 3, 'g': 'X'}"),
      ("{{ l|sum }}", "6"),
      ("{{ objs|sum(attribute='v') }}", "6"),
      ("{{ e|sum }}", "0"),
      ("{{ [[1],[2]]|sum(start=[]) }}", "[1, 2]"),
      ("{{ ['a']|sum }}", nil),
      ("{{ [1.5,2]|sum }}", "3.5"),
      ("{{ [1,'a']|max }}", nil),
    ])
  }

  @Test func `sequences are cut into batches, slices and groups`() {
    JinjaCases.check([
      ("{{ l|batch(2)|list }}", "[[3, 1], [2]]"),
      ("{{ l|batch(2,'x')|list }}", "[[3, 1], [2, 'x']]"),
      ("{{ l|slice(2)|list }}", "[[3, 1], [2]]"),
      ("{{ l|slice(2,'x')|list }}", "[[3, 1], [2, 'x']]"),
      ("{{ objs|groupby('g')|map(attribute='grouper')|list }}", "['x', 'Y']"),
      ("{{ objs|groupby('g')|map('last')|map('length')|list }}", "[2, 1]"),
      ("{{ objs|groupby('zz', default='q')|list|length }}", "1"),
    ])
  }

  @Test func `text becomes numbers`() {
    JinjaCases.check([
      ("{{ '5'|int }}", "5"),
      ("{{ '5.7'|int }}", "5"),
      ("{{ 'abc'|int }}", "0"),
      ("{{ 'abc'|int(7) }}", "7"),
      ("{{ '0x1f'|int(base=16) }}", "31"),
      ("{{ 3.9|int }}", "3"),
      ("{{ no|int }}", "0"),
      ("{{ t|int }}", "1"),
      ("{{ '3.5'|float }}", "3.5"),
      ("{{ 'x'|float }}", "0.0"),
      ("{{ 'x'|float(1.5) }}", "1.5"),
      ("{{ 5|float }}", "5.0"),
      ("{{ ' 5 '|int }}", "5"),
      ("{{ '1_000'|int }}", "1000"),
      ("{{ undefinedvar|int }}", nil),
      ("{{ [1]|int }}", "0"),
      ("{{ 'inf'|float }}", "inf"),
      ("{{ 'nan'|float }}", "nan"),
      ("{{ -3.9|int }}", "-3"),
      ("{{ '-3'|int }}", "-3"),
    ])
  }

  @Test func `numbers are rounded`() {
    JinjaCases.check([
      ("{{ -5|abs }}", "5"),
      ("{{ neg|abs }}", "7"),
      ("{{ 2.5|round }}", "2.0"),
      ("{{ 3.5|round }}", "4.0"),
      ("{{ 2.675|round(2) }}", "2.67"),
      ("{{ 42|round }}", "42"),
      ("{{ 42.55|round(1) }}", "42.5"),
      ("{{ 42.55|round(1,'floor') }}", "42.5"),
      ("{{ 42.1|round(0,'ceil') }}", "43.0"),
      ("{{ 1234|round(-2) }}", "1200"),
      ("{{ 'a'|round }}", nil),
      ("{{ 2.5|round|int }}", "2"),
      ("{{ 1.005|round(2) }}", "1.0"),
      ("{{ 'a'|abs }}", nil),
    ])
  }

  @Test func `values become text and lists`() {
    JinjaCases.check([
      ("{{ s|string }}", "Hello World"),
      ("{{ n|string }}", "5"),
      ("{{ no|string }}", "None"),
      ("{{ l|string }}", "[3, 1, 2]"),
      ("{{ l|list }}", "[3, 1, 2]"),
      ("{{ s|list }}", "['H', 'e', 'l', 'l', 'o', ' ', 'W', 'o', 'r', 'l', 'd']"),
      ("{{ d|list }}", "['b', 'a', 'C']"),
      ("{{ n|list }}", nil),
      ("{{ s|trim }}", "Hello World"),
      ("{{ ws|trim }}", "a  b\u{A0}c\u{3000} d"),
      ("{{ 'xax'|trim('x') }}", "a"),
      ("{{ n|trim }}", "5"),
      ("{{ no|trim }}", "None"),
      ("{{ n|upper }}", "5"),
      ("{{ no|upper }}", "NONE"),
      ("{{ undefinedvar|upper }}", ""),
      ("{{ undefinedvar|trim }}", ""),
      ("{{ t|lower }}", "true"),
    ])
  }

  @Test func `lines are indented`() {
    JinjaCases.check([
      ("{{ multi|indent }}", "line1\n    line2\n\n    line4\n"),
      ("{{ multi|indent(2) }}", "line1\n  line2\n\n  line4\n"),
      ("{{ multi|indent(2,true) }}", "  line1\n  line2\n\n  line4\n"),
      ("{{ multi|indent(2,false,true) }}", "line1\n  line2\n  \n  line4\n  "),
      ("{{ multi|indent('>>') }}", "line1\n>>line2\n\n>>line4\n"),
      ("{{ multi|indent(width=3,first=true,blank=true) }}", "   line1\n   line2\n   \n   line4\n   "),
      ("{{ ''|indent }}", ""),
      ("{{ 'a'|indent }}", "a"),
      ("{{ n|indent }}", nil),
      (#"{{ 'a\r\nb'|indent }}"#, "a\n    b"),
    ])
  }

  @Test func `texts are replaced, cut and counted`() {
    JinjaCases.check([
      ("{{ s|replace('l','L') }}", "HeLLo WorLd"),
      ("{{ s|replace('l','L',1) }}", "HeLlo World"),
      ("{{ n|replace('5','6') }}", "6"),
      ("{{ s|replace('o', 0) }}", "Hell0 W0rld"),
      ("{{ s|truncate(8) }}", "Hello World"),
      ("{{ s|truncate(5) }}", "He..."),
      ("{{ s|truncate(8,true) }}", "Hello World"),
      ("{{ s|truncate(8,true,'..',0) }}", "Hello .."),
      ("{{ 'foo bar baz qux'|truncate(9,leeway=0) }}", "foo..."),
      ("{{ s|center(21)~'|' }}", "     Hello World     |"),
      ("{{ s|wordcount }}", "2"),
      ("{{ u|wordcount }}", "6"),
      ("{{ 'a-b c_d'|wordcount }}", "3"),
      ("{{ multi|wordcount }}", "3"),
      ("{{ '%s-%s'|format('a',1) }}", "a-1"),
      ("{{ '%(a)s'|format(a=2) }}", "2"),
      ("{{ s|wordwrap(5) }}", "Hello\nWorld"),
      ("{{ 'foo bar baz'|wordwrap(7) }}", "foo bar\nbaz"),
    ])
  }

  @Test func `markup is escaped once`() {
    JinjaCases.check([
      ("{{ html|e }}", "&lt;a href=&#39;x&#39;&gt;b &amp; c&lt;/a&gt;"),
      ("{{ html|escape }}", "&lt;a href=&#39;x&#39;&gt;b &amp; c&lt;/a&gt;"),
      ("{{ html|safe }}", "<a href='x'>b & c</a>"),
      ("{{ html|safe + '<' }}", "<a href='x'>b & c</a>&lt;"),
      ("{{ '<' + html|safe }}", "&lt;<a href='x'>b & c</a>"),
      ("{{ html|safe ~ '<' }}", "<a href='x'>b & c</a><"),
      ("{{ html|striptags }}", "b & c"),
      ("{{ html|forceescape }}", "&lt;a href=&#39;x&#39;&gt;b &amp; c&lt;/a&gt;"),
      ("{{ html|e|e }}", "&lt;a href=&#39;x&#39;&gt;b &amp; c&lt;/a&gt;"),
      ("{{ (html|safe)|e }}", "<a href='x'>b & c</a>"),
      ("{{ html|e|replace('&','x') }}", "xlt;a href=x#39;xx#39;xgt;b xamp; cxlt;/axgt;"),
      ("{{ ['<',html|safe]|join('<') }}", "<<<a href='x'>b & c</a>"),
      ("{{ html|safe|upper }}", "<A HREF='X'>B & C</A>"),
      ("{{ 1000|filesizeformat }}", "1.0 kB"),
      ("{{ 1|filesizeformat }}", "1 Byte"),
      ("{{ 1234567|filesizeformat(true) }}", "1.2 MiB"),
      ("{{ html|e|length }}", "45"),
      ("{{ html|safe|replace('<','>') }}", ">a href='x'>b & c>/a>"),
    ])
  }

  @Test func `values become JSON as transformers writes it`() {
    JinjaCases.check([
      ("{{ d|tojson }}", #"{"b": 1, "a": [1, 2, {"z": null}], "C": true}"#),
      ("{{ l|tojson }}", "[3, 1, 2]"),
      ("{{ s|tojson }}", #""Hello World""#),
      ("{{ no|tojson }}", "null"),
      ("{{ t|tojson }}", "true"),
      ("{{ 1.5|tojson }}", "1.5"),
      ("{{ 1.0|tojson }}", "1.0"),
      ("{{ html|tojson }}", #""<a href='x'>b & c</a>""#),
      ("{{ u|tojson }}", #""Ünï ß ǆ ﬁ Σας ΑΣ""#),
      ("{{ u|tojson(ensure_ascii=true) }}", #""\u00dcn\u00ef \u00df \u01c6 \ufb01 \u03a3\u03b1\u03c2 \u0391\u03a3""#),
      (
        "{{ d|tojson(indent=2) }}",
        "{\n  \"b\": 1,\n  \"a\": [\n    1,\n    2,\n    {\n      \"z\": null\n    }\n  ],\n  \"C\": true\n}"
      ),
      ("{{ d|tojson(indent=0) }}", "{\n\"b\": 1,\n\"a\": [\n1,\n2,\n{\n\"z\": null\n}\n],\n\"C\": true\n}"),
      ("{{ e|tojson(indent=2) }}", "[]"),
      ("{{ {}|tojson(indent=2) }}", "{}"),
      ("{{ d|tojson(separators=(',',':')) }}", #"{"b":1,"a":[1,2,{"z":null}],"C":true}"#),
      (
        "{{ d|tojson(indent=4, separators=(',',':')) }}",
        "{\n    \"b\":1,\n    \"a\":[\n        1,\n        2,\n        {\n            \"z\":null\n        }\n    ],\n    \"C\":true\n}"
      ),
      ("{{ d|tojson(sort_keys=true) }}", #"{"C": true, "a": [1, 2, {"z": null}], "b": 1}"#),
      ("{{ {'b':1,'a':{'d':1,'c':2}}|tojson(sort_keys=true) }}", #"{"a": {"c": 2, "d": 1}, "b": 1}"#),
      ("{{ undefinedvar|tojson }}", nil),
      ("{{ (1,2)|tojson }}", "[1, 2]"),
      ("{{ {1:2, none:3, true:4, 1.5:5}|tojson }}", #"{"1": 4, "null": 3, "1.5": 5}"#),
      ("{{ {(1,2):3}|tojson }}", nil),
      ("{{ d.items()|tojson }}", nil),
      (#"{{ '\x00\x1f\x7f\u2028"\\/'|tojson }}"#, "\"\\u0000\\u001f\u{7F}\u{2028}\\\"\\\\/\""),
      (#"{{ '\x7f\x80😀'|tojson(true) }}"#, #""\u007f\u0080\ud83d\ude00""#),
      ("{{ range(3)|tojson }}", nil),
      ("{{ 1e100|tojson }}", "1e+100"),
      ("{{ d|tojson(2) }}", #"{"b": 1, "a": [1, 2, {"z": null}], "C": true}"#),
      (
        "{{ d|tojson(false, 2) }}",
        "{\n  \"b\": 1,\n  \"a\": [\n    1,\n    2,\n    {\n      \"z\": null\n    }\n  ],\n  \"C\": true\n}"
      ),
      (
        #"{{ d|tojson(indent='\t') }}"#,
        "{\n\t\"b\": 1,\n\t\"a\": [\n\t\t1,\n\t\t2,\n\t\t{\n\t\t\t\"z\": null\n\t\t}\n\t],\n\t\"C\": true\n}"
      ),
      ("{{ {'a':1, 2:3}|tojson(sort_keys=true) }}", nil),
      ("{{ d|tojson|safe }}", #"{"b": 1, "a": [1, 2, {"z": null}], "C": true}"#),
      ("{{ big|tojson }}", "123456789012345678901234567890"),
      ("{{ big }}", "123456789012345678901234567890"),
      ("{{ -big }}", "-123456789012345678901234567890"),
      ("{{ [big] }}", "[123456789012345678901234567890]"),
    ])
  }
}
