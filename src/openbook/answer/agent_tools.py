"""The four tools that an agent has, and what happens when a model calls them.

All of them read; there is no fifth, whatever a document says. A call is what a
model wrote, so its JSON may be broken, its tool invented, its arguments of the
wrong kind: each of these is answered in words that let the model do better,
and kept as a step that failed. What a tool returns is data: it reaches the
model cleaned and between fences.

Refused: running a call whose arguments had to be guessed, and tools that take
a document's text as an instruction in any way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from openbook.answer.calculator import calculate
from openbook.answer.fencing import fenced, fenced_text, harmless, whole_characters
from openbook.answer.findings import Findings
from openbook.answer.language_model import Tool
from openbook.answer.sentences import split_sentences
from openbook.errors import OpenbookError, UsageError
from openbook.types import Evidence, Scalar, ToolCall

LONGEST_ARGUMENT: Final = 1_000
"""Characters of one argument, and how many conditions `where` may have is bounded by it too."""
MOST_LISTED: Final = 50
"""Documents named in one list."""

_NAMED_IN_HEAD: Final = 24
"""Tokens that naming a piece above its fences takes, at most."""

CountTokens: TypeAlias = Callable[[Sequence[str]], list[int]]
Search: TypeAlias = Callable[[str, Sequence[str]], Sequence[Evidence]]


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a document, as an agent names it: an offset, a heading or a page; else the beginning."""

    document: str
    start: int | None = None
    heading: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Some of the documents that match, a line for each, of `total`."""

    lines: tuple[str, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What the tools do, as plain functions that only read. They raise OpenbookError with a clear message.

    search          (query, conditions) → evidence, best first, its numbers without meaning
    open_place      a window of text around a place, as evidence
    list_documents  pattern ("" for all) → the documents that match it
    """

    search: Search
    open_place: Callable[[Place], Evidence]
    list_documents: Callable[[str], Listing]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: the message for the model, and a line for people.

    `short` stands for the message where it no longer fits; `numbers` are those
    of the evidence shown.
    """

    arguments: Mapping[str, Scalar]
    message: str
    summary: str
    short: str = ""
    numbers: tuple[int, ...] = ()
    failed: bool = False


def _schema(required: Sequence[str], **properties: tuple[str, str]) -> dict[str, Any]:
    """The JSON Schema of arguments: name=(type, description)."""
    described: dict[str, Any] = {
        name: {"type": kind, "description": text} for name, (kind, text) in properties.items()
    }
    if "where" in described:
        described["where"]["items"] = {"type": "string"}
    return {
        "type": "object",
        "properties": described,
        "required": list(required),
        "additionalProperties": False,
    }


TOOLS: Final = (
    Tool(
        "search",
        "Find places in the documents, by words and by meaning. Ask for one thing at a time; use names "
        "and codes that earlier results gave.",
        _schema(
            ["query"],
            query=("string", "What to look for: a question or key words."),
            where=("array", "Conditions that must all hold, such as path=reports/* or page<10. Optional."),
        ),
    ),
    Tool(
        "open_place",
        "Read the text of a document around a place, to see what stands before or after it.",
        _schema(
            ["document"],
            document=("string", "The document's path, as results name it."),
            start=("integer", "Where to begin, in characters. Optional."),
            heading=("string", "Begin at this heading instead. Optional."),
            page=("integer", "Begin at this page instead. Optional."),
        ),
    ),
    Tool(
        "list_documents",
        "List the documents, by path.",
        _schema([], pattern=("string", "Only paths that match, such as reports/*. Optional.")),
    ),
    Tool(
        "calculate",
        "Calculate exactly. Use it for every sum, difference, share or average.",
        _schema(
            ["expression"],
            expression=("string", "Numbers, + - * / // % **, brackets, min max sum mean round abs sqrt."),
        ),
    ),
)
_BY_NAME: Final = {tool.name: tool for tool in TOOLS}
_KINDS: Final[dict[str, tuple[type, ...]]] = {"string": (str,), "integer": (int,), "array": (list,)}


def parsed_arguments(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call, checked against its tool's schema; nulls count as left out.

    Raises UsageError for an unknown tool, broken JSON, and what is missing,
    unknown, too long or of the wrong type.
    """
    tool = _BY_NAME.get(call.name)
    if tool is None:
        raise UsageError(f"There is no tool {_shown(call.name)}. The tools are: {', '.join(_BY_NAME)}.")
    try:
        given = json.loads(call.arguments or "{}", strict=False)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"The arguments of {call.name} are not JSON: {_shown(call.arguments)}. "
            f"Expected an object such as {_example(tool)}."
        ) from error
    if not isinstance(given, dict):
        raise UsageError(f"The arguments of {call.name} are no object. Expected {_example(tool)}.")
    properties: Mapping[str, Any] = tool.parameters["properties"]
    arguments = {name: value for name, value in given.items() if value is not None}
    for name, value in arguments.items():
        if name not in properties:
            raise UsageError(
                f"{call.name} has no argument {_shown(name)}. Its arguments: {', '.join(properties)}."
            )
        arguments[name] = _checked(call.name, name, value, properties[name]["type"])
    for name in tool.parameters["required"]:
        if not str(arguments.get(name, "")).strip():
            raise UsageError(f"{call.name} needs the argument {name!r}. Expected {_example(tool)}.")
    return arguments


def _checked(tool: str, name: str, value: Any, kind: str) -> Any:
    """A value of the right type; a whole number may come as text or as 3.0, one condition alone as text."""
    if kind == "array" and isinstance(value, str):
        value = [value] if value.strip() else []
    if kind == "integer" and isinstance(value, str) and value.strip().isdecimal() and len(value) < 16:
        value = int(value)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    right = isinstance(value, _KINDS[kind]) and not isinstance(value, bool)
    if kind == "array" and right:
        right = all(isinstance(item, str) for item in value)
    if not right:
        expected = "a list of strings" if kind == "array" else f"a {kind}"
        raise UsageError(f"The argument {name!r} of {tool} is {_shown(value)}; expected {expected}.")
    if isinstance(value, str):
        value = whole_characters(value)
    elif kind == "array":
        value = [whole_characters(item) for item in value]
    if len(value if isinstance(value, str) else json.dumps(value)) > LONGEST_ARGUMENT:
        raise UsageError(f"The argument {name!r} of {tool} is longer than {LONGEST_ARGUMENT:,} characters.")
    return value


def _example(tool: Tool) -> str:
    return json.dumps(dict.fromkeys(tool.parameters["required"] or tool.parameters["properties"], "…"))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def shown_arguments(arguments: Mapping[str, Any]) -> dict[str, Scalar]:
    """The same as plain values: a list as its items joined."""
    return {k: v if isinstance(v, str | int | float) else "; ".join(v) for k, v in arguments.items()}


# -- running -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs calls and words their results for the model, within a budget of its tokens.

    `boundary` is the code of the fences, drawn for this run.
    """

    tools: Toolbox
    findings: Findings
    count_tokens: CountTokens
    boundary: str

    def run(self, name: str, arguments: Mapping[str, Any], room: int) -> Outcome:
        """Run a checked call; its message takes at most about `room` tokens. Raises OpenbookError."""
        match name:
            case "search":
                return self._search(arguments, room)
            case "open_place":
                return self._open(arguments, room)
            case "list_documents":
                return self._list(arguments, room)
            case _:
                result = calculate(arguments["expression"])
                line = f"{arguments['expression']} = {result.text}".replace("= ≈", "≈")
                return Outcome(arguments, line, result.text, line)

    def _search(self, arguments: Mapping[str, Any], room: int) -> Outcome:
        found = self.tools.search(arguments["query"], arguments.get("where", ()))
        if not found:
            said = "Nothing was found. Try other words, or fewer conditions."
            return Outcome(arguments, said, "nothing found", said)
        return self._shown(arguments, found, room)

    def _open(self, arguments: Mapping[str, Any], room: int) -> Outcome:
        place = Place(
            arguments["document"], arguments.get("start"), arguments.get("heading", ""), arguments.get("page")
        )
        return self._shown(arguments, [self.tools.open_place(place)], room)

    def _list(self, arguments: Mapping[str, Any], room: int) -> Outcome:
        listing = self.tools.list_documents(arguments.get("pattern", ""))
        if not listing.total:
            said = "No document matches. Call list_documents without a pattern to see all."
            return Outcome(arguments, said, "no documents", said)
        lines = list(listing.lines[:MOST_LISTED])
        while len(lines) > 1 and self.count_tokens([self._fenced_lines(lines)])[0] > room:
            del lines[len(lines) // 2 :]
        head = f"{len(lines)} of {listing.total} documents:"
        summary = f"{listing.total} documents" if listing.total != 1 else "1 document"
        message = f"{head}\n{self._fenced_lines(lines)}"
        return Outcome(arguments, message, summary, f"({head[:-1]})")

    def _fenced_lines(self, lines: Sequence[str]) -> str:
        names = "\n".join(" ".join(harmless(line).split()) for line in lines)
        return fenced_text(names, "list of documents", self.boundary)

    def _shown(self, arguments: Mapping[str, Any], found: Sequence[Evidence], room: int) -> Outcome:
        """As many of the pieces as fit, best first, under their numbers."""
        shown, left_out = fitting(found, room, self.count_tokens, self.boundary)
        if not shown:
            raise UsageError("No room is left to show a place. Answer from what you have.")
        numbered = [replace(piece, number=self.findings.add(piece, rank)) for rank, piece in enumerate(shown)]
        names = ", ".join(f"[{piece.number}]" for piece in numbered)
        spans = ", ".join(f"[{piece.number}] {piece.start} to {piece.end}" for piece in numbered)
        head = f"Cite as {names}. Characters of their documents: {spans}."
        if left_out:
            head += f" {left_out} further places did not fit."
        return Outcome(
            arguments,
            "\n".join([head, *(fenced(piece, self.boundary) for piece in numbered)]),
            ", ".join(f"[{piece.number}] {_named(piece)}" for piece in numbered),
            f"(showed {names}, left out here to save room)",
            tuple(piece.number for piece in numbered),
        )


def fitting(
    pieces: Sequence[Evidence], room: int, count_tokens: CountTokens, boundary: str
) -> tuple[list[Evidence], int]:
    """The pieces that fit into `room` tokens together, in order, and how many were left out.

    The first is cut at its end if it does not fit by itself.
    """
    counts = count_tokens([fenced(piece, boundary) for piece in pieces]) if pieces else []
    shown: list[Evidence] = []
    left = room
    for piece, count in zip(pieces, counts, strict=True):
        # The line above the fences names the number and the characters.
        if count + _NAMED_IN_HEAD <= left:
            shown.append(piece)
            left -= count + _NAMED_IN_HEAD
    if not shown and pieces:
        cut = _cut(pieces[0], room - _NAMED_IN_HEAD, count_tokens, boundary)
        shown = [cut] if cut is not None else []
    return shown, len(pieces) - len(shown)


def _cut(piece: Evidence, room: int, count_tokens: CountTokens, boundary: str) -> Evidence | None:
    """The beginning of a piece that fits, at the end of a sentence if possible; None if none fits."""
    ends = [end for _, end in split_sentences(piece.text)]
    for candidates in (ends, [place for place, letter in enumerate(piece.text) if letter.isspace()]):
        low, high = 0, len(candidates)
        while low < high:
            middle = (low + high) // 2
            cut = replace(piece, text=piece.text[: candidates[middle]])
            if count_tokens([fenced(cut, boundary)])[0] <= room:
                low = middle + 1
            else:
                high = middle
        if low and candidates[low - 1] > 0:
            end = candidates[low - 1]
            return replace(piece, end=piece.start + end, text=piece.text[:end])
    return None


def _named(piece: Evidence) -> str:
    return f"{piece.path} ({piece.place})" if piece.place else piece.path


def failure(arguments: Mapping[str, Any], error: OpenbookError) -> Outcome:
    """The outcome of a call that could not be run, or whose tool refused."""
    return Outcome(
        arguments, f"This did not work: {error}", str(error), f"This did not work: {error}", failed=True
    )
