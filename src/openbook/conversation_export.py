"""A conversation as a file for people and programs: Markdown, JSON or CSV.

Documents are data here, too. In Markdown every character that could mean
something is escaped, so that no document (and no model that read one) can put
an image, a link or HTML into the file. In CSV a cell that a spreadsheet would
take for a formula gets an apostrophe in front
(https://owasp.org/www-community/attacks/CSV_Injection).

Refused: HTML, which would need a cleaner of its own, and a choice of columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args
from urllib.parse import quote

from openbook.answer.marking import marked_text
from openbook.errors import UsageError
from openbook.json_form import json_text

if TYPE_CHECKING:
    from openbook.index.conversation_records import Turn
    from openbook.types import Answer, Evidence

Form: TypeAlias = Literal["markdown", "json", "csv"]

FORMS: Final[Mapping[str, Form]] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".json": "json",
    ".csv": "csv",
}
"""The form of a file by the end of its name."""

COLUMNS: Final = (
    "turn", "asked", "question", "meant", "answer", "status", "confidence", "complete", "generator",
    "sources", "quotes", "notes",
)  # fmt: skip

_MARKER: Final = re.compile(r"\[(\d+)\]")
_SPECIAL: Final = re.compile(r"[\\`*_{}\[\]<>#|~&$@^=]|!(?=\[)|(?<=www)\.|:(?=//)", re.IGNORECASE)
_DEEP: Final = re.compile(r"^[ \t]*(?:\t| {4})[ \t]*", re.MULTILINE)
_LINE_START: Final = re.compile(r"^(\s*)([-+:])|^(\s*\d{1,9})([.)])", re.MULTILINE)
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""Control characters, and others that are not seen but for what they do to the text around them."""
_FORMULA: Final = re.compile("^[\\s\u200c\u200d]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]")


def exported(name: str, turns: Sequence[Turn], form: Form) -> str:
    """Return a conversation in one of the forms. Raises UsageError for an unknown one."""
    if form == "markdown":
        return markdown(name, turns)
    if form == "json":
        return f"{json_text({'name': name, 'turns': turns})}\n"
    if form == "csv":
        return comma_separated(turns)
    raise UsageError(
        f"Conversations are not exported as {form!r}; expected one of {', '.join(get_args(Form))}."
    )


def form_of(file_name: str) -> Form:
    """Return the form that the end of a file's name asks for. Raises UsageError for another one."""
    suffix = file_name[file_name.rfind(".") :].lower() if "." in file_name else ""
    if suffix not in FORMS:
        raise UsageError(f"{file_name!r} says no form to export to; end it in {', '.join(FORMS)}.")
    return FORMS[suffix]


def markdown(name: str, turns: Sequence[Turn]) -> str:
    """A heading for every question, the answer, and its sources as footnotes."""
    parts = [f"# {_line(name) or 'Conversation'}"]
    for number, turn in enumerate(turns, start=1):
        parts += [f"## {_line(turn.question)}", f"*{_line(_remark(turn))}*", *_parts(turn.answer, number)]
    return "\n\n".join(parts) + "\n"


def answer_markdown(answer: Answer) -> str:
    """One answer by itself: its text, notes, and its sources as footnotes."""
    return "\n\n".join(_parts(answer, 1)) + "\n"


def _parts(answer: Answer, number: int) -> list[str]:
    parts = [_with_footnotes(answer, number)] if answer.text else []
    parts += [f"> {_line(note)}" for note in answer.notes]
    return parts + [_footnote(answer, piece, number) for piece in _cited(answer)]


def comma_separated(turns: Sequence[Turn]) -> str:
    """A row for every turn, under `COLUMNS`."""
    output = io.StringIO(newline="")
    writer = csv.writer(output)
    writer.writerow(COLUMNS)
    for number, turn in enumerate(turns, start=1):
        answer = turn.answer
        cells = (
            turn.created_at,
            turn.question,
            answer.meant,
            marked_text(answer),
            answer.status,
            f"{answer.confidence:.3f}",
            "yes" if answer.complete else "no",
            answer.generator,
            "; ".join(f"[{piece.number}] {_place(piece)}" for piece in _cited(answer)),
            "; ".join(f"[{c.number}] “{' '.join(c.quote.split())}”" for c in answer.citations if c.quote),
            " ".join(answer.notes),
        )
        writer.writerow([number, *(guarded(cell) for cell in cells)])
    return output.getvalue()


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    visible = _UNSEEN.sub("", cell)
    return f"'{visible}" if _FORMULA.search(visible) else visible


def escaped(text: str) -> str:
    """Return text as Markdown that shows just that text: nothing in it is a mark, a link or HTML."""
    safe = _SPECIAL.sub(lambda found: f"\\{found.group()}", _UNSEEN.sub("", text))
    # Deep indentation would be code, in which escapes show; blanks that do not break are none.
    safe = _DEEP.sub(lambda found: "\u00a0" * len(found.group().expandtabs(4)), safe)
    return _LINE_START.sub(lambda found: "\\".join(part for part in found.groups() if part is not None), safe)


def _line(text: str) -> str:
    return escaped(" ".join(text.split()))


def _remark(turn: Turn) -> str:
    answer = turn.answer
    parts = [turn.created_at, answer.generator]
    if answer.meant and answer.meant != turn.question:
        parts.append(f"understood as: {answer.meant}")
    if answer.status == "not_found":
        parts.append("not in the documents")
    if not answer.complete:
        parts.append("stopped before its end")
    parts.append(f"confidence {answer.confidence:.2f}")
    return " · ".join(part for part in parts if part)


def _with_footnotes(answer: Answer, turn: int) -> str:
    """The answer's text, each marker of a source turned into a reference to its footnote."""
    known = {piece.number for piece in _cited(answer)}
    text, parts, place = marked_text(answer), [], 0
    for marker in _MARKER.finditer(text):
        if int(marker.group(1)) in known:
            parts += [escaped(text[place : marker.start()]), f"[^{turn}-{marker.group(1)}]"]
            place = marker.end()
    # A line may begin behind a marker, so what may stand at its start is judged within each part.
    return "".join([*parts, escaped(text[place:])])


def _footnote(answer: Answer, piece: Evidence, turn: int) -> str:
    name = _line(_place(piece))
    shown = f"[{name}](<{quote(piece.url, safe=_URL)}>)" if piece.url else name
    quotes = dict.fromkeys(c.quote for c in answer.citations if c.number == piece.number and c.quote)
    said = " ".join(f"“{_line(words)}”" for words in quotes)
    return f"[^{turn}-{piece.number}]: {shown}{': ' + said if said else ''}"


_URL: Final = ":/?#[]@!$&'()*+,;=%~-._"
"""What stays as it is in a link; everything else, line ends and angle brackets too, is written as %XX."""


def _cited(answer: Answer) -> list[Evidence]:
    """The evidence that the text refers to: cited, or only named by a marker, as in one that was stopped."""
    numbers = {citation.number for citation in answer.citations}
    numbers |= {int(found) for found in _MARKER.findall(answer.text)}
    return [piece for piece in answer.evidence if piece.number in numbers]


def _place(piece: Evidence) -> str:
    spot = piece.place or piece.heading or (f"p. {piece.page}" if piece.page is not None else "")
    return f"{piece.path}, {spot}" if spot else piece.path
