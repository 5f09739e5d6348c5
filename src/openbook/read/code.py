"""Source code: the file as it is, one code mark over it, its definitions as headings.

Python is asked for its own syntax tree. Other languages are looked at line by
line, with one pattern for each family: a definition is a line at low
indentation that begins with a keyword (`class`, `func` …) or reads like the
head of a function. That may miss one; a section is then longer, and nothing is lost.

Refused: tree-sitter grammars, which weigh more than the rest of the program,
one for each language.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import Final, TypeAlias

from openbook.read.code_languages import definition_patterns, language_of, leading_lines
from openbook.read.decoding import decode
from openbook.read.metadata import encoding_note
from openbook.types import Document, Mark

_LARGEST_TREE: Final = 2_000_000
"""Characters of Python that are parsed; the tree takes a hundred times as much memory."""
_LONGEST_NAME: Final = 120
_MOST_LEADING_LINES: Final = 40
_COOKIE: Final = re.compile(rb"(?:[^\n]*\n)?[ \t\f]*#[^\n]{0,200}?coding[:=][ \t]*([-\w.]{2,40})")
_Definition: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_SPACE: Final = re.compile(r"[ \t]*")


class CodeReader:
    """Reads source code and configuration in any language."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises UnsupportedFile for binary content. Broken code is read all the same."""
        language = language_of(path)
        cookie = _COOKIE.match(data) if language == "python" else None
        decoded = decode(data, path, declared=cookie.group(1).decode("ascii") if cookie else "")
        text = decoded.text
        tree = _parse(text) if language == "python" else None
        headings = _python_headings(text, tree) if tree is not None else find_definitions(text, language)
        marks = (*_whole(text, language), *headings)
        return Document(
            path,
            text,
            f"text/x-{language}" if language else "text/plain",
            title=(_first_line(tree) if tree is not None else "") or path,
            marks=marks,
            metadata=encoding_note(decoded),
        )


def find_definitions(text: str, language: str) -> list[Mark]:
    """Definitions by their first lines, as heading marks in order, none over another.

    A mark begins with the comments and annotations directly above.
    """
    matches = [match for pattern in definition_patterns(language) for match in pattern.finditer(text)]
    marks: list[Mark] = []
    previous = 0
    for match in sorted(matches, key=re.Match.start):
        if match.start() < previous:
            continue
        label = " ".join(" ".join(filter(None, (match.group("kind"), match.group("name")))).split())
        end = text.find("\n", match.end("name"))
        end = len(text) if end < 0 else end
        indent = _SPACE.match(text, match.start())
        level = 2 if indent and indent.end() > indent.start() else 1
        start = _with_leading_lines(text, match.start(), previous, leading_lines(language))
        marks.append(Mark("heading", start, end, label[:_LONGEST_NAME], level))
        previous = end
    return marks


def _whole(text: str, language: str) -> tuple[Mark, ...]:
    start = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    return (Mark("code", start, end, language),) if start < end else ()


def _with_leading_lines(text: str, start: int, limit: int, leading: tuple[str, ...]) -> int:
    """Where the comments and annotations begin that stand directly above the line at `start`."""
    for _ in range(_MOST_LEADING_LINES if leading else 0):
        above = text.rfind("\n", limit, max(start - 1, limit)) + 1 or limit
        if above >= start or not text[above : min(start, above + 200)].lstrip(" \t").startswith(leading):
            break
        start = above
    return _SPACE.match(text, start).end()  # type: ignore[union-attr]  # it matches everywhere


def _parse(text: str) -> ast.Module | None:
    """The syntax tree, or None for what is too large or no (current) Python."""
    if len(text) > _LARGEST_TREE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reader of a file is not its author
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _python_headings(text: str, tree: ast.Module) -> Iterator[Mark]:
    """Yield classes, functions and methods in order: from the first decorator to the end of the signature."""
    lines = [0]
    lines += [match.end() for match in re.finditer("\n", text)]
    waiting: list[tuple[ast.stmt, int]] = [(node, 1) for node in reversed(tree.body)]
    while waiting:
        node, level = waiting.pop()
        if isinstance(node, _Definition):
            is_class = isinstance(node, ast.ClassDef)
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            end = _signature_end(node, text, lines)
            start = lines[first - 1]
            start += len(text[start:end]) - len(text[start:end].lstrip())
            yield Mark("heading", start, end, f"{'class' if is_class else 'def'} {node.name}", min(level, 6))
            inner, level = (node.body, level + 1) if is_class else ([], level)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            inner = [*node.body, *getattr(node, "orelse", ())]
        else:
            continue
        waiting += [(child, level) for child in reversed(inner)]


def _signature_end(node: _Definition, text: str, lines: list[int]) -> int:
    """The offset at which a signature ends: behind the first line that ends with a colon."""
    body = node.body[0]
    before_body = min([body.lineno, *(part.lineno for part in getattr(body, "decorator_list", ()))])
    last = node.lineno
    for part in _signature_parts(node):
        last = max(last, part.end_lineno or 0)
    for number in range(last, max(before_body, last + 1)):
        end = lines[number] - 1 if number < len(lines) else len(text)
        if text[lines[number - 1] : end].partition("#")[0].rstrip().endswith(":"):
            return end
    return lines[last] - 1 if last < len(lines) else len(text)


def _signature_parts(node: _Definition) -> Iterator[ast.expr | ast.arg | ast.keyword]:
    """Yield what may stand on further lines of a signature."""
    if isinstance(node, ast.ClassDef):
        yield from node.bases
        yield from node.keywords
        return
    arguments = node.args
    yield from arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    yield from arguments.defaults
    for part in (arguments.vararg, arguments.kwarg, node.returns, *arguments.kw_defaults):
        if part is not None:
            yield part


def _first_line(tree: ast.Module) -> str:
    """The first line of a module's docstring, if it is short enough for a title."""
    words = (ast.get_docstring(tree) or "").strip().split("\n", 1)[0].strip()
    return words if len(words) <= _LONGEST_NAME else ""
