"""Programming languages: by what names their files go, and how their definitions begin.

Every pattern looks at one line, at most four columns in, and has groups `kind`
(a keyword, may be empty) and `name`. They are possessive or short enough that
no line can make them slow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from openbook.read.kinds import suffix_of

_SUFFIXES: Final[Mapping[str, str]] = {
    "python": ".py .pyi .pyx",
    "r": ".r",
    "julia": ".jl",
    "matlab": ".m",
    "javascript": ".js .mjs .cjs .jsx",
    "typescript": ".ts .tsx",
    "java": ".java",
    "kotlin": ".kt .kts",
    "scala": ".scala",
    "groovy": ".groovy .gradle",
    "c": ".c .h",
    "cpp": ".cc .cpp .cxx .hpp .hh .hxx",
    "csharp": ".cs",
    "fsharp": ".fs",
    "vb": ".vb",
    "go": ".go",
    "rust": ".rs",
    "swift": ".swift",
    "ruby": ".rb",
    "php": ".php",
    "perl": ".pl .pm",
    "lua": ".lua",
    "shell": ".sh .bash .zsh .fish",
    "powershell": ".ps1",
    "batch": ".bat",
    "sql": ".sql",
    "haskell": ".hs",
    "ocaml": ".ml .mli",
    "elixir": ".ex .exs",
    "erlang": ".erl",
    "clojure": ".clj .cljs",
    "lisp": ".lisp .el .scm",
    "dart": ".dart",
    "zig": ".zig",
    "nim": ".nim",
    "fortran": ".f .f90 .f95 .for",
    "pascal": ".pas",
    "assembly": ".asm .s",
    "css": ".css .scss .sass .less",
    "vue": ".vue",
    "svelte": ".svelte",
    "xml": ".xml .xsd .xsl",
    "yaml": ".yaml .yml",
    "toml": ".toml",
    "ini": ".ini .cfg .conf .properties",
    "protobuf": ".proto",
    "graphql": ".graphql",
    "terraform": ".tf",
    "cmake": ".cmake",
    "make": ".mk",
    "dockerfile": ".dockerfile",
    "sas": ".sas",
    "stata": ".do",
    "verilog": ".v .sv",
    "vhdl": ".vhd .vhdl",
    "tcl": ".tcl",
}
_BY_SUFFIX: Final = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
_BY_NAME: Final[Mapping[str, str]] = {
    "makefile": "make",
    "gnumakefile": "make",
    "dockerfile": "dockerfile",
    "containerfile": "dockerfile",
    "cmakelists.txt": "cmake",
    "rakefile": "ruby",
    "gemfile": "ruby",
    "vagrantfile": "ruby",
    "jenkinsfile": "groovy",
    "justfile": "make",
}

_MODIFIERS: Final = (
    r"(?:(?:export|default|declare|public|private|protected|internal|fileprivate|static|abstract|final|"
    r"sealed|open|override|async|pub(?:\([^()\n]{1,40}\))?|unsafe|const|constexpr|extern(?:[ \t]+\"\w+\")?|"
    r"inline|virtual|partial|data|case|readonly|suspend|mutating|local|implicit|expect|actual|typedef|"
    r"template[ \t]*<[^<>\n]{0,100}>)[ \t]+){0,6}"
)
_KEYWORDS: Final = (
    r"class|interface|struct|enum(?:[ \t]+class)?|trait|impl(?:<[^<>\n]{0,100}>)?|module|namespace|record|"
    r"object|protocol|extension|union|type|mod|macro_rules!|function\*?|func|fn|fun|def|mixin|actor"
)
_NO_NAMES: Final = (
    r"(?!(?:is|as|in|of|that|for|which|and|or|the|to|with|from|by|are|was|has|at|on|not|if|it)\b)"
)
"""Words of a sentence in a comment: "type of the value"."""
_KEYWORD: Final = (
    rf"^[ \t]{{0,4}}{_MODIFIERS}(?P<kind>{_KEYWORDS})[ \t]+(?:\([^()\n]{{0,120}}\)[ \t]*)?"
    rf"{_NO_NAMES}(?P<name>[A-Za-z_$&][\w$.:&]*+)(?![^\n]{{0,200}};[ \t]*$)"
)
"""`pub fn name`, `export class Name`, `func (receiver *Type) name`, but no line that ends in a semicolon."""
_ARROW: Final = (
    r"^(?:export[ \t]+)?(?P<kind>const|let|var)[ \t]+(?P<name>[\w$]+)[ \t]*(?::[^=\n]{1,100})?=[ \t]*"
    r"(?:async[ \t]*)?(?:function\b|\([^()\n]{0,200}\)[^=\n]{0,100}=>|[\w$]+[ \t]*=>|\($)"
)
_NO_FUNCTION: Final = (
    r"(?!(?:if|for|foreach|while|switch|return|else|catch|do|new|throw|case|try|using|lock|await|assert|yield|"
    r"delete|with|elif|match|when|until|unless|synchronized|super|this)\b)"
)
_HEAD: Final = (
    rf"^[ \t]{{0,4}}+(?=\S){_NO_FUNCTION}(?P<kind>)"
    rf"(?:[\w:<>\[\],.*&?~@$ \t]{{0,200}}[ \t*&])?{_NO_FUNCTION}"
    rf"(?P<name>[A-Za-z_~$#][\w:~$]{{0,100}})[ \t]?\("
    r"(?![^\n]{0,300}(?:=>|\bfunction\b))[^;{}\n\"'`]{0,300}"
    r"(?:\{[^;{}\n]*$|\)[^;{}=\n]{0,80}$(?=\n[ \t]*\{)|[(,]$(?=\n[^;{}]{0,400}\)[^;{}=]{0,80}\{))"
)
"""`static int *name(char c) {`, `void Name::name(…)`, `name(argument) {`: a function that has a body."""

_FAMILIES: Final[Mapping[str, Sequence[str]]] = {
    "python": (r"^(?: {4}|\t)?(?:async[ \t]+)?(?P<kind>def|class)[ \t]+(?P<name>\w+)",),
    "nim": (r"^(?P<kind>proc|func|method|template|macro|iterator|converter)[ \t]+(?P<name>[\w`]+)",),
    "r": (r"^(?P<kind>)(?P<name>[\w.`]+)[ \t]*(?:<-|=)[ \t]*(?:function\b|R6Class\b|setRefClass\b)",),
    "julia": (
        (
            r"^[ \t]{0,4}(?:mutable[ \t]+|abstract[ \t]+)?"
            r"(?P<kind>function|struct|macro|module|type)[ \t]+(?P<name>[\w!.@]+)"
        ),
        r"^(?P<kind>)(?P<name>[\w!.]+)\([^()\n]{0,200}\)[ \t]*=(?!=)",
    ),
    "matlab": (
        (
            r"^[ \t]{0,4}(?P<kind>function|classdef)[ \t]+"
            r"(?:\[?[\w, \t]{0,100}\]?[ \t]*=[ \t]*)?(?P<name>[\w.]+)"
        ),
    ),
    "ruby": (r"^[ \t]{0,4}(?P<kind>class|module|def)[ \t]+(?P<name>[\w.:?!=]+)",),
    "elixir": (
        r"^[ \t]{0,4}(?P<kind>defmodule|defp?|defmacrop?|defprotocol|defimpl)[ \t]+(?P<name>[\w.?!]+)",
    ),
    "lua": (
        r"^[ \t]{0,4}(?:local[ \t]+)?(?P<kind>function)[ \t]+(?P<name>[\w.:]+)",
        r"^(?:local[ \t]+)?(?P<kind>)(?P<name>[\w.]+)[ \t]*=[ \t]*function\b",
    ),
    "perl": (r"^[ \t]{0,4}(?P<kind>sub|package)[ \t]+(?P<name>[\w:]+)",),
    "shell": (
        r"^(?P<kind>function)[ \t]+(?P<name>[\w:.-]+)",
        r"^(?P<kind>)(?P<name>[\w:.-]+)[ \t]*\([ \t]*\)[ \t]*(?:\{|\(|$)",
    ),
    "powershell": (r"^[ \t]{0,4}(?P<kind>(?i:function|class|filter|enum))[ \t]+(?P<name>[\w:-]+)",),
    "batch": (r"^(?P<kind>):(?P<name>\w+)",),
    "sql": (
        (
            r"^[ \t]{0,4}(?P<kind>(?i:create(?:[ \t]+or[ \t]+(?:replace|alter))?(?:[ \t]+(?:global|local|"
            r"temp|temporary|unique|materialized|external|unlogged|virtual|recursive|clustered)){0,3}[ \t]+"
            r"(?:table|view|function|procedure|proc|trigger|index|type|schema|database|sequence|domain|"
            r"package(?:[ \t]+body)?|role|user|policy|extension)|alter[ \t]+table))[ \t]+"
            r"(?i:if[ \t]+not[ \t]+exists[ \t]+)?(?P<name>[\w.\"`\[\]$-]+)"
        ),
    ),
    "haskell": (
        r"^(?P<kind>module|data|newtype|class|instance|type)[ \t]+(?P<name>\w[\w.' \t]{0,80})",
        r"^(?P<kind>)(?P<name>[a-z_][\w']*)[ \t]*::",
    ),
    "ocaml": (
        r"^(?P<kind>let(?:[ \t]+rec)?|type|module(?:[ \t]+type)?|class|exception)[ \t]+(?P<name>[\w']+)",
    ),
    "fsharp": (
        r"^[ \t]{0,4}(?P<kind>let(?:[ \t]+(?:rec|inline))?|type|module|member)[ \t]+(?P<name>[\w.']+)",
    ),
    "erlang": (r"^(?P<kind>)(?P<name>[a-z]\w*)\([^()\n]{0,200}\)[^\n.]{0,100}->",),
    "lisp": (r"^\((?P<kind>def[\w-]*)[ \t]+\(?(?P<name>[^\s()\"]{1,100})",),
    "vb": (
        (
            r"^[ \t]{0,4}(?i:(?:public|private|protected|friend|shared|overrides|overridable|partial|async|"
            r"mustinherit)[ \t]+){0,4}"
            r"(?P<kind>(?i:class|module|structure|interface|enum|sub|function|property))[ \t]+(?P<name>\w+)"
        ),
    ),
    "fortran": (
        (
            r"^[ \t]{0,6}(?i:(?:pure|elemental|recursive|integer|real|logical|character)[ \t]+){0,3}"
            r"(?P<kind>(?i:program|module|subroutine|function))[ \t]+(?P<name>\w+)"
        ),
    ),
    "pascal": (
        r"^(?P<kind>(?i:program|unit|procedure|function|constructor|destructor))[ \t]+(?P<name>[\w.]+)",
    ),
    "protobuf": (r"^[ \t]{0,4}(?P<kind>message|service|enum|rpc)[ \t]+(?P<name>\w+)",),
    "graphql": (
        (
            r"^(?:extend[ \t]+)?(?P<kind>type|input|enum|interface|union|scalar|directive|query|mutation|"
            r"fragment)[ \t]+(?P<name>@?\w+)"
        ),
    ),
    "ini": (r"^(?P<kind>)\[(?P<name>[^\]\n]{1,200})\][ \t]*$",),
    "toml": (r"^(?P<kind>)\[{1,2}(?P<name>[^\[\]\n]{1,200})\]{1,2}[ \t]*(?:#[^\n]*)?$",),
    "terraform": (
        (
            r"^(?P<kind>resource|data|module|variable|output|provider|locals|terraform)[ \t]*"
            r"(?P<name>(?:\"[^\"\n]{1,100}\"[ \t]*){0,2})\{"
        ),
    ),
    "cmake": (r"^(?P<kind>(?i:function|macro))[ \t]*\([ \t]*(?P<name>\w+)",),
    "make": (r"^(?P<kind>)(?P<name>[\w./%-]+):(?![:=])",),
    "dockerfile": (r"^(?P<kind>(?i:from))[ \t]+(?P<name>[^\n]{1,100})",),
    "tcl": (r"^[ \t]{0,4}(?P<kind>proc)[ \t]+(?P<name>[\w:]+)",),
    "verilog": (r"^[ \t]{0,4}(?P<kind>module|interface|package|class|function|task)[ \t]+(?P<name>\w+)",),
    "vhdl": (
        r"^[ \t]{0,4}(?P<kind>(?i:entity|architecture|package(?:[ \t]+body)?|process))[ \t]+(?P<name>\w+)",
    ),
    "javascript": (_KEYWORD, _ARROW, _HEAD),
    "c": (_KEYWORD, _HEAD),
    "go": (_KEYWORD,),
}
_SAME_FAMILY: Final[Mapping[str, str]] = {
    "typescript": "javascript",
    "vue": "javascript",
    "svelte": "javascript",
    "clojure": "lisp",
    "rust": "go",
    "zig": "go",
    "cpp": "c",
    "java": "c",
    "csharp": "c",
    "kotlin": "c",
    "scala": "c",
    "groovy": "c",
    "swift": "c",
    "php": "c",
    "dart": "c",
}

_LEADING: Final[Mapping[tuple[str, ...], str]] = {
    ("#",): "r julia ruby elixir perl shell powershell nim terraform cmake make toml tcl graphql",
    ("#", "@"): "python",
    ("#", ";"): "ini",
    ("--",): "sql lua haskell vhdl",
    (";",): "lisp clojure",
    ("%",): "matlab erlang",
    ("'", "<"): "vb",
    ("!",): "fortran",
    ("rem", "REM", "::"): "batch",
    ("//", "/*", "*", "template", "[["): "c cpp",
    ("//", "/*", "*"): "fsharp pascal verilog go zig protobuf",
    ("//", "/*", "*", "@", "#[", "["): (
        "javascript typescript vue svelte java csharp kotlin scala groovy swift php dart rust"
    ),
}
_LEADING_OF: Final = {name: leading for leading, names in _LEADING.items() for name in names.split()}


def language_of(path: str) -> str:
    """The language of a file by its name, in lower case as in a fence of Markdown; "" if unknown."""
    name = path[path.rfind("/") + 1 :].lower()
    return _BY_NAME.get(name) or _BY_SUFFIX.get(suffix_of(path), "")


@cache
def definition_patterns(language: str) -> tuple[re.Pattern[str], ...]:
    """The patterns of first lines of definitions; none for languages without definitions."""
    sources = _FAMILIES.get(_SAME_FAMILY.get(language, language), ())
    return tuple(re.compile(source, re.MULTILINE) for source in sources)


def leading_lines(language: str) -> tuple[str, ...]:
    """How lines begin that belong to the definition below them: comments, annotations."""
    return _LEADING_OF.get(language, ())
