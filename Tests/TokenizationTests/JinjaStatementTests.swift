import Basics
import Testing
import Tokenization

/// Statements, scopes and white space of the template language.
/// Expected texts are jinja2's own, in transformers' environment; nil where it raises.
@Suite struct JinjaStatements {
  @Test func `loops know their place, filter, break and recur`() {
    JinjaCases.check([
      (
        "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a','b') }}{{ loop.changed(x) }};{% endfor %}",
        "1032TrueFalse311aTrue;2121FalseFalse3132bTrue;3210FalseTrue311aTrue;"
      ),
      ("{% for x in [] %}a{% else %}none{% endfor %}{% for x in l if x > 5 %}a{% else %}none{% endfor %}", "nonenone"),
      ("{% for x in l if x > 1 %}{{ x }}{{ loop.length }}{% if not loop.last %},{% endif %}{% endfor %}", "32,22"),
      (
        "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for (a, b) in [(1,2)] %}{{ a }}{{ b }}{% endfor %}{% for a, (b, c) in [(1,(2,3))] %}{{ a+b+c }}{% endfor %}",
        "b=1;a=[1, 2, {'z': None}];C=True;baC126"
      ),
      ("{% for a, b in [(1,2,3)] %}{{ a }}{% endfor %}", nil),
      ("{% for a, b in [1] %}{{ a }}{% endfor %}", nil),
      ("{% for a in 5 %}{% endfor %}", nil),
      ("{% for a in none %}{% endfor %}", nil),
      ("{% for a in undefinedvar %}x{% else %}e{% endfor %}", "e"),
      ("{% for a in 'añb' %}{{a}},{% endfor %}", "a,ñ,b,"),
      (
        "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% endfor %}",
        "32"
      ),
      ("{% for x l %}{% endfor %}", nil),
      ("{% for x in l %}", nil),
      ("{% if false %}{% for x in l %}{{ x|nofilter }}{% endfor %}{% endif %}", nil),
      ("{% for x in 1,2,3 %}{{ x }}{% endfor %}", "123"),
      ("{% for x in l if x is odd %}{{ x }}{% endfor %}", "31"),
      ("{% for x in (l if t else []) %}{{ x }}{% endfor %}", "312"),
      ("{% for x in l if t else [] %}{{ x }}{% endfor %}", nil),
      (
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
        "Hi there <b>&'\"\n x Wörld ß"
      ),
      (
        "{% for item in [{'n':1,'c':[{'n':2,'c':[]}]},{'n':3,'c':[]}] recursive %}{{ item.n }}{{ loop.depth }}{% if item.c %}({{ loop(item.c) }}){% endif %}{% endfor %}",
        "11(22)31"
      ),
      ("{% for i in l %}{{ loop(l) }}{% endfor %}", nil),
      (
        "{% for i in l %}{% for j in l %}{{ loop.index }}{{ loop.depth0 }}{% endfor %}{{ loop.index }}{% endfor %}",
        "102030110203021020303"
      ),
      (
        "{% for m in messages %}{% if loop.index0 == 0 %}{{ m.role }}{% elif loop.last %}{{ m['content'] }}{% endif %}{% endfor %}",
        "userWörld ß"
      ),
      (
        "{{ messages|groupby('role')|length }}{% for r, ms in messages|groupby('role') %}{{ r }}{{ ms|length }}{% endfor %}{% for g in messages|groupby('role') %}{{ g.grouper }}{{ g.list|length }}{% endfor %}",
        "2assistant1user1assistant1user1"
      ),
      ("{% for i in range(3) -%}\n  {{ i }}\n{%- endfor %}", "012"),
      ("{% for a in d.a[::-1] %}{{ a }}{% endfor %}", "{'z': None}21"),
      ("{% for x in l|sort %}{{ x }}{% endfor %}{% for x in l|sort(reverse=True) %}{{ x }}{% endfor %}", "123321"),
      (
        "{{ loop is defined }}{% for x in [1] %}{{ loop is defined }}{% endfor %}{{ loop is defined }}",
        "FalseTrueFalse"
      ),
    ])
  }

  @Test func `variables live in the block that sets them`() {
    JinjaCases.check([
      ("{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }},{% endfor %}{{ x }}", "4,2,3,1"),
      ("{% set ns.x = 1 %}", nil),
      ("{% set d.x = 1 %}", nil),
      ("{% set ns = namespace() %}{% set ns._x = 1 %}", nil),
      ("{% if t %}{% set y = 1 %}{% endif %}{{ y }}{% if not t %}{% set z = 1 %}{% endif %}{{ z }}", "1"),
      (
        "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}{% set (c, dd) = [3,4] %}{{c}}{{dd}}",
        "122134"
      ),
      (
        "{% set x %}hello {{ n }}{% endset %}{{ x|upper }}{% set y | upper | replace('H','J') %}hello{% endset %}{{ y }}",
        "HELLO 5JELLO"
      ),
      ("{% set x %}{% set inner = 5 %}{{ inner }}{% endset %}{{ inner }}{{ x }}", "5"),
      (
        "{% with a=1, b=2 %}{{ a + b }}{% set c = 3 %}{% endwith %}{{ a }}{{ c }}{% with %}x{% endwith %}{% set q = 1 %}{% with q = q + 1, r = q %}{{ q }}{{ r }}{% endwith %}",
        "3x21"
      ),
      ("{% set v = 1 %}{% block foo %}{{ v }}{% endblock %}", "1"),
      ("\n\n{% set x = 1 %}\n\n{{ x }}\n\n", "\n\n\n1\n"),
      ("{{ '%}' }}{% set x = '%}' %}{{ x }}", "%}%}"),
      ("{% set %}", nil),
      ("{% set 1 = 2 %}", nil),
      ("{% set none = 2 %}", nil),
      ("{% set x = 1, %}{{ x }}", "(1,)"),
      ("{% set x = 1,2 %}{{ x }}", "(1, 2)"),
      ("{% generation %}{% set gx = 1 %}{% endgeneration %}{{ gx }}", ""),
      ("{% for i in l %}{% set outer = loop %}{% for j in [1] %}{{ outer.index }}{% endfor %}{% endfor %}", "123"),
      (
        "{% set c = cycler('a','b','c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}",
        "abcNonea"
      ),
      ("{% set j = joiner() %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "3, 1, 2"),
      ("{% set g = l|map('string') %}{{ g|list }}{{ g|list }}", "['3', '1', '2'][]"),
      (
        "{% set g = l|select('odd') %}{% for x in g %}{{ x }}{% endfor %}{% for x in g %}{{ x }}{% else %}empty{% endfor %}",
        "31empty"
      ),
      ("{% set m = messages[0] %}{% set m = dict(m, extra=1) %}{{ m.extra }}{{ m.role }}", "1user"),
      (
        "{% set loop_messages = messages[1:] %}{% for m in loop_messages %}{{ m.role }}{{ loop.length }}{% endfor %}",
        "assistant1"
      ),
      ("{% set _ = l.append(4) %}", nil),
      ("{%- set x = namespace(l=[]) -%}{%- set x.l = x.l + [1] -%}{{ x.l }}", "[1]"),
      ("{% set s = s.upper() %}{{ s }}", "HELLO WORLD"),
      ("{% set x = 'a' if t else 'b' %}{{ x }}{% set y = x if x == 'b' %}{{ y is defined }}", "aFalse"),
      ("{% set s2 = 'abc' %}{% for ch in s2 %}{{ loop.index ~ ch }}{% endfor %}", "1a2b3c"),
      ("{% set x = {\n 'a': 1,\n 'b': [1,\n 2],\n} %}{{ x }}", "{'a': 1, 'b': [1, 2]}"),
      ("{% set x = 1 -%}\n\n  a", "a"),
      (#"{% set x='\n' %}{{ x }}|"#, "\n|"),
    ])
  }

  @Test func `macros take defaults, extra arguments and a caller`() {
    JinjaCases.check([
      ("{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", nil),
      (
        "{% macro m(a, b=2, c=a) %}[{{ a }}|{{ b }}|{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1,3) }}{{ m(a=5,b=6,c=7) }}{{ m() }}{{ m(b=1) }}",
        "[1|2|1][1|3|1][5|6|7][|2|][|1|]"
      ),
      ("{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1,2) }}", nil),
      ("{% macro m(a) %}{{ a }}{% endmacro %}{{ m(zz=2) }}", nil),
      ("{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}", nil),
      (
        "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1,2,3,x=4) }}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}",
        "1(2, 3){'x': 4}m('a',)TrueTrueFalse"
      ),
      ("{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body{{ n }}{% endcall %}{{ m() }}", nil),
      (
        "{% macro m(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(a, i) m(l) %}{{ i }}:{{ a }};{% endcall %}",
        "1:3;2:1;3:2;"
      ),
      (
        "{% macro m() %}{{ caller is defined }}{% if caller %}{{ caller() }}{% endif %}{% endmacro %}{{ m() }}{% call m() %}x{% endcall %}",
        "FalseTruex"
      ),
      ("{% macro m() %}a{% endmacro %}{% call m() %}x{% endcall %}", nil),
      ("{% macro f(n) %}{% if n > 0 %}{{ n }},{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(5) }}", "5,4,3,2,1,"),
      (
        "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}g{{ late }}{% endmacro %}{% set late = 'L' %}{{ f() }}",
        "gL"
      ),
      (
        "{% set x = 1 %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% set x = 2 %}{{ f() }}{% for i in [1] %}{% set x = 3 %}{{ f() }}{% endfor %}",
        "122"
      ),
      ("{% for i in l %}{% macro f() %}{{ i }}{% endmacro %}{{ f() }}{% endfor %}", "312"),
      ("{% macro %}{% endmacro %}", nil),
      ("{% macro m(a=1,b) %}{% endmacro %}", nil),
      ("{% call x %}{% endcall %}", nil),
      (
        "{% macro m(a,b) %}{{a}}{{b}}{% endmacro %}{{ m(*[1,2]) }}{{ m(**{'a':1,'b':2}) }}{{ m(1, **{'b':3}) }}{{ m(*l) }}",
        nil
      ),
    ])
  }

  @Test func `white space around tags goes as trim_blocks and lstrip_blocks say`() {
    JinjaCases.check([
      (
        "{% filter upper %}abc{{ s }}{% endfilter %}{% filter replace('a','b')|upper %}aaa{% endfilter %}{% filter indent(2) %}a\nb{% endfilter %}",
        "ABCHELLO WORLDBBBa\n  b"
      ),
      ("{% raw %}{{ x }} {% if %}{% endraw %} a{% raw -%}  y {%- endraw %} b", "{{ x }} {% if %} ay b"),
      ("{# comment #}a{#- c -#} b {#+ c +#}\nx", "ab \nx"),
      ("a\n{% if t %}\nb\n{% endif %}\nc\n", "a\nb\nc"),
      ("a\n  {% if t %}  \n  b\n  {% endif %}  \nc\n\n", "a\n  \n  b\n  \nc\n"),
      ("a\n  {%- if t -%}  \n  b\n  {%- endif -%}  \nc", "abc"),
      ("a\n  {%+ if t +%}\n  b\n  {%+ endif +%}\nc", "a\n  \n  b\n  \nc"),
      ("  {{ n }}  \n  {{- n -}}  \n x", "  55x"),
      ("  {# c #}\n  x", "  x"),
      ("x {# c #}\n y", "x  y"),
      ("{% if t %}\r\nb\r\n{% endif %}\r\nc\r", "b\nc"),
      ("a\t{% if t -%} b {%- endif %}\tc", "a\tb\tc"),
      ("{{ n }}\n{{ n }}\n", "5\n5"),
      ("\n", ""),
      ("\n\n", "\n"),
      ("", ""),
      ("  ", "  "),
      ("{{n}}\n  \n{%- if t %}x{% endif %}", "5x"),
      ("\u{A0}{%- if t %}x{% endif %}", "x"),
      ("a\n\u{A0} {% if t %}x{% endif %}", "a\nx"),
      ("a\n \u{C} {% if t %}x{% endif %}", "a\nx"),
      ("{%- if t %}x{% endif -%}   ", "x"),
      ("{# unclosed", nil),
      ("{% raw %}x", nil),
      ("{%- generation -%} a {%- endgeneration -%} b", "ab"),
      ("{%- for i in range(3) %}\n  {{- i }}\n{% endfor -%} x", "0\n1\n2\nx"),
      ("{{ \"a\"\n \"b\" }}", "ab"),
      ("{{ n\n+ 1 }}", "6"),
      ("{% if n\n == 5 %}y{% endif %}", "y"),
      ("{{ 'a\nb' }}", "a\nb"),
      ("{{ 'a\r\nb' }}", "a\nb"),
    ])
  }

  @Test func `undefined values are empty where they may be and errors elsewhere`() {
    JinjaCases.check([
      ("{% if undefinedvar %}a{% elif no %}b{% elif es %}c{% else %}d{% endif %}", "d"),
      ("{% if undefinedvar.x %}a{% endif %}", nil),
      ("{% if undefinedvar.x is defined %}a{% endif %}", nil),
      ("{{ s|default(undefinedvar.x) }}", nil),
      ("{{ undefinedvar|list }}{{ undefinedvar|sort }}", "[][]"),
      ("{{ undefinedvar|map('upper')|list }}{{ undefinedvar|select|list }}", "[][]"),
      ("{{ undefinedvar|dictsort }}", nil),
      ("{{ undefinedvar|tojson }}", nil),
      ("{{ undefinedvar|replace('a','b') }}", ""),
      ("{{ undefinedvar|float }}", nil),
      ("{{ undefinedvar|float(2.0) }}", nil),
      ("{{ undefinedvar|round }}", nil),
      ("{{ undefinedvar|abs }}", nil),
      ("{{ undefinedvar|reverse|list }}", "[]"),
      ("{{ undefinedvar|last }}", ""),
      ("{{ undefinedvar|max }}", ""),
      ("{{ undefinedvar|indent }}", nil),
      ("{{ undefinedvar|string }}", ""),
      ("{{ undefinedvar|escape }}", ""),
      ("{{ undefinedvar|wordcount }}", "0"),
      ("{{ undefinedvar|unique|list }}", "[]"),
      ("{{ undefinedvar|batch(2)|list }}", "[]"),
      ("{{ undefinedvar|groupby('a') }}", "[]"),
      ("{{ undefinedvar|sum }}", "0"),
      ("{{ undefinedvar|items|list }}", "[]"),
      ("{{ undefinedvar() }}", nil),
      ("{{ undefinedvar < 1 }}", nil),
      ("{{ undefinedvar and 1 }}", ""),
      ("{{ undefinedvar == 1 }}", "False"),
      ("{{ [undefinedvar] }}", "[Undefined]"),
      ("{{ undefinedvar is string }}{{ undefinedvar is none }}{{ undefinedvar is mapping }}", "FalseFalseFalse"),
      ("{{ undefinedvar in undefinedvar }}", "False"),
      ("{{ 1 in undefinedvar }}", "False"),
      ("{{ -undefinedvar }}", nil),
      ("{{ not undefinedvar }}", "True"),
      ("{{ undefinedvar * 2 }}", nil),
      ("{{ 'a' % undefinedvar }}", "a"),
      ("{{ '%s' % undefinedvar }}", ""),
      ("{{ 'a'.join(undefinedvar) }}", ""),
      ("{{ 'abc'.replace('a', undefinedvar) }}", nil),
      ("{{ 'a'.split(undefinedvar) }}", nil),
      ("{{ undefinedvar[1:] }}", nil),
      ("{{ d[undefinedvar] }}", ""),
      ("{{ l[undefinedvar] }}", ""),
      ("{{ range(undefinedvar) }}", nil),
      ("{{ undefinedvar is odd }}", nil),
      ("{{ undefinedvar is eq 1 }}", "False"),
      ("{{ undefinedvar is in l }}", "False"),
      ("{{ undefinedvar is upper }}", "False"),
      ("{{ {'x': undefinedvar}|tojson }}", nil),
    ])
  }

  @Test func `tags and braces must match`() {
    JinjaCases.check([
      ("{% break %}", nil),
      ("{% block foo %}block {{ n }}{% endblock %}{% block bar scoped %}x{% endblock bar %}", "block 5x"),
      ("a {% if t %} b {% endif %} c", "a  b  c"),
      ("{% if t%}x{%endif%}", "x"),
      ("{%if t%}{{n}}{%else%}no{%endif%}", "5"),
      ("{{-n-}}", "5"),
      ("{{ '}}' }}", "}}"),
      ("{{ {'a':{'b':1}}['a']['b'] }}", "1"),
      ("{{ {'a':{'b':1}} }}", "{'a': {'b': 1}}"),
      ("{ { n } } {%", nil),
      ("{{ n", nil),
      ("{% if t %}", nil),
      ("{% endif %}", nil),
      ("{% foo %}", nil),
      ("{{ }}", nil),
      ("{{ n n }}", nil),
      ("{{ n + }}", nil),
      ("{{ (n }}", nil),
      ("{{ n) }}", nil),
      ("{{ [1,2 }}", nil),
      ("{{ 'abc }}", nil),
      ("{{ n | }}", nil),
      ("{{ n is }}", nil),
      ("{% if t %}{% endfor %}", nil),
      ("{% else %}", nil),
      ("{{ n|nofilter }}", nil),
      ("{{ n is nosuch }}", nil),
      ("{% if false %}{{ n|nofilter }}{% endif %}ok", "ok"),
      ("{% if true %}{{ n|nofilter }}{% endif %}", nil),
      ("{% if n|nofilter %}{% endif %}", nil),
      ("{% if false and n is nosuch %}{% endif %}ok", "ok"),
      ("{{ $ }}", nil),
      ("{{ a.b.c }}", nil),
      ("{{ n; }}", nil),
      ("{{ 1, 2 }}", "(1, 2)"),
      ("{{ 1, }}", "(1,)"),
      ("{{ () }}", "()"),
      ("{% if 1, %}a{% endif %}", "a"),
      ("{% print n, s %}", "5Hello World"),
      ("{% include 'x' %}", nil),
      ("{% import 'x' as y %}", nil),
      ("{% extends 'x' %}", nil),
      ("{% if false %}{% include 'x' %}{% endif %}ok", "ok"),
      ("{% from 'x' import y %}", nil),
      ("{% autoescape true %}{{ n }}{% endautoescape %}", "5"),
      ("{% do 1 %}", nil),
      ("{% trans %}x{% endtrans %}", nil),
      ("{% generation %}a{{ n }}{% endgeneration %}b", "a5b"),
      ("{{ loop }}{{ loop.index }}", nil),
      ("{% if d.zz.y is defined %}{% endif %}", nil),
      ("{% if d.zz is defined and d.zz.y %}{% endif %}ok", "ok"),
      ("{{ (l|map('string'))[0] }}", ""),
      ("{% if e|map('x') %}y{% else %}n{% endif %}", "y"),
      ("{{ (l|reverse)|first }}", "2"),
      ("{{ l|map('string')|first }}", "3"),
      ("{{ (l|select('odd'))|last }}", nil),
      ("{{ 'a' in l|map('string') }}", "False"),
      ("{{ '1' in l|map('string') }}", "True"),
      (#"{{ messages[0].content.split('\n')[0].strip()|e }}"#, "Hi there &lt;b&gt;&amp;&#39;&#34;"),
      ("{{ messages|length }}{{ messages|selectattr('role','equalto','user')|list|length }}", "21"),
      ("{{ {'a':1}.items()|list|tojson }}", #"[["a", 1]]"#),
      ("{{ l.append(4) }}", nil),
      ("{% if l.append %}y{% endif %}", ""),
      ("{{ d.update }}", ""),
      ("{{ not_a_fn('x') }}", nil),
      ("{{ raise_exception('x' ~ n) }}", nil),
      ("{% if false %}{{ raise_exception('x') }}{% endif %}ok", "ok"),
      ("{{ _x is defined }}", "False"),
      ("{{ super() }}", nil),
      ("{{ [1,2,3][:2]|join }}{{ 'x'|default }}", "12x"),
      ("{{ m() if m is defined else 'nope' }}", "nope"),
      ("{{ d|length > 2 and s|length < 20 }}", "True"),
      ("{{ 'yes' if 'a' in d and d.a is iterable and d.a is not string else 'no' }}", "yes"),
      ("{{ {'a': 1, 'a': 2} }}", "{'a': 2}"),
      ("{{ {1: 'a', true: 'b', 1.0: 'c'} }}", "{1: 'c'}"),
      ("{{ {[1]: 2} }}", nil),
      ("{{ s.upper()() }}", nil),
      ("{{ range(3)|map('string')|join(',') }}", "0,1,2"),
      ("{{ dict(**d) }}{{ range(*[1,4])|list }}", "{'b': 1, 'a': [1, 2, {'z': None}], 'C': True}[1, 2, 3]"),
      (#"{{ "%s"|format("<") }}"#, "<"),
      ("{{ d.a|map(attribute='z')|list }}", "[Undefined, Undefined, None]"),
      (#"{{ 'é' == 'e\u0301' }}{{ 'é'|length }}"#, "False1"),
      ("{{ [messages[0], 1] is sequence }}{{ messages is sequence }}", "TrueTrue"),
      ("{{ (messages|first).role }}", "user"),
      ("{{ messages[-1]['role'] == 'assistant' }}{{ messages[5] is defined }}{{ messages[5].role }}", nil),
      ("{{ x.y.z }}", nil),
      ("{{ d['a'][0:1] }}{{ d.a[-1].z is none }}", "[1]True"),
      ("{% if (n == 5) != (f == 2) %}x{% endif %}", "x"),
      ("{% if (n == 5) != false %}x{% endif %}", "x"),
      ("{{ loop.index0 % 2 if loop else 'x' }}", "x"),
      ("{% if True and not False and None is none %}x{% endif %}", "x"),
      ("{{ True }}{{ False }}{{ None }}{{ true }}{{ none }}", "TrueFalseNoneTrueNone"),
      (#"{{ "a".join(["x","y"]) ~ "b"|upper }}"#, "xayB"),
      (#"{{ ("a" ~ "b")|upper }}"#, "AB"),
      ("{{ 'a' if n > 3 else 'b' ~ 'c' }}", "a"),
      ("{{ 'a' ~ 'c' if n > 3 else 'b' }}", "ac"),
      (#"{{ s|replace("l", "L")|replace("o","0")|upper|lower|title }}"#, "Hell0 W0rld"),
      ("{{ [l, l]|sum(start=[])|list }}", "[3, 1, 2, 3, 1, 2]"),
      ("{{ l|tojson ~ d|tojson }}", #"[3, 1, 2]{"b": 1, "a": [1, 2, {"z": null}], "C": true}"#),
      (#"{{ '{"a": 1}'|tojson }}"#, #""{\"a\": 1}""#),
      (
        "{{ messages|tojson }}",
        #"[{"role": "user", "content": "Hi there <b>&'\"\n x "}, {"role": "assistant", "content": "Wörld ß"}]"#
      ),
      (
        "{{ messages|tojson(indent=2) }}",
        "[\n  {\n    \"role\": \"user\",\n    \"content\": \"Hi there <b>&'\\\"\\n x \"\n  },\n  {\n    \"role\": \"assistant\",\n    \"content\": \"Wörld ß\"\n  }\n]"
      ),
      (
        "{{ messages }}",
        #"[{'role': 'user', 'content': 'Hi there <b>&\'"\n x '}, {'role': 'assistant', 'content': 'Wörld ß'}]"#
      ),
      ("{{ messages[0].items()|list }}", #"[('role', 'user'), ('content', 'Hi there <b>&\'"\n x ')]"#),
      (#"{{ "a" "b" ~ "c" }}"#, "abc"),
      (#"{{ '\\n' }}"#, #"\n"#),
      (#"{{ '\'' }}"#, "'"),
      (#"{{ "\"" }}"#, #"""#),
      (#"{{ '\/' }}"#, #"\/"#),
      (#"{{ '\u4e2d' }}"#, "中"),
      (#"{{ "<|im_start|>" + 'x' + "\n" }}"#, "<|im_start|>x\n"),
      ("{{ '<' + '|' }}", "<|"),
      ("{{ 5|string + 'a' }}", "5a"),
      ("{{ n|string|length }}", "1"),
      ("{{ 'a'|string is string }}", "True"),
    ])
  }
}
