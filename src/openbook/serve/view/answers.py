"""An answer as HTML: its Markdown rendered, its claims told apart, its citations as buttons to press.

The text of an answer is a model's, which may say anything, so it goes through
the same sanitiser as a document. Its own HTML is shown as text. Where
rendering would lose the place of a claim, and for answers that are quotes
(they may begin in the middle of a table), the text is shown in the form of
`openbook.serve.view.text`, every character as it is.

    <span class="ob-claim ob-claim--unsupported" title="42 is not in [2]" data-claim="0">…</span>
    <button class="ob-cite" data-number="2" data-citation="1" …>2</button>

`data-citation` is the place of the citation in `Answer.citations`, left out
where a number stands behind no citation that held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from openbook.answer.claims import code_spans, markers_behind
from openbook.answer.marking import UNSUPPORTED
from openbook.serve.view.highlight import Style, escaped
from openbook.serve.view.markdown_html import Span, render
from openbook.serve.view.sanitize import checked
from openbook.serve.view.text import written_document
from openbook.types import Answer, Citation, Document, Mark

_FIRST_CHIP: Final = 0xF8000
_LAST_CHIP: Final = 0xFFFFD
"""Characters for private use, each of which stands for one button while Markdown is rendered."""

_MARKER: Final = re.compile(r"\[(\d{1,3})\]")
_LARGEST: Final = 100_000
"""Characters. A longer answer is shown as text."""


@dataclass(frozen=True, slots=True)
class _Chip:
    """What replaces text[start:end] of an answer: a button, or the words that something is not supported."""

    start: int
    end: int
    html: str


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A stretch of an answer and the opening tag of the span around it."""

    start: int
    end: int
    tag: str


def answer_html(answer: Answer | str) -> str:
    """An answer, or as much of its text as has arrived, as a sanitised fragment."""
    if isinstance(answer, str):
        return _shown(answer, _plain_chips(answer), [])
    chips = _chips(answer)
    if answer.claims:
        return _shown(answer.text, chips, list(_claims(answer)))
    quotes = [_Claimed(one.start, one.end, '<span class="ob-quote">') for one in answer.citations]
    if quotes:
        return _as_text(answer.text, chips, _apart(quotes))
    return _shown(answer.text, chips, [])


def _shown(text: str, chips: list[_Chip], claims: list[_Claimed]) -> str:
    claims = _apart(claims)
    private = any(ord(character) >= 0xF0000 for character in text)
    if len(text) > _LARGEST or private or len(chips) > _LAST_CHIP - _FIRST_CHIP:
        return _as_text(text, chips, claims)
    source, moved = _with_signs(text, chips, claims)
    rendering = render(source, moved, raw_html=False)
    if rendering is None or not _all_there(rendering.text, len(chips)):
        return _as_text(text, chips, claims)
    placed = [
        _Claimed(start, end, claim.tag)
        for claim, (start, end) in zip(claims, rendering.stretches, strict=True)
    ]
    signs = {chr(_FIRST_CHIP + index): chip.html for index, chip in enumerate(chips)}
    buttons = [
        _Chip(place, place + 1, signs[character])
        for place, character in enumerate(rendering.text)
        if character in signs
    ]
    return rendering.html(_Writer(rendering.text, buttons, placed).write)


def _as_text(text: str, chips: list[_Chip], claims: list[_Claimed]) -> str:
    """The characters as they are, rows of a table as rows."""
    marks = tuple(Mark("table", start, end) for start, end in _tables(text))
    document = Document("", text, "text/plain", marks=marks)
    return checked(written_document(document, _Writer(text, chips, claims).write))


def _tables(text: str) -> Iterator[Span]:
    """Lines that follow each other and begin with a bar."""
    position = 0
    lines: list[tuple[bool, int, int]] = []
    for line in text.split("\n"):
        lines.append((line.startswith("| "), position, position + len(line)))
        position += len(line) + 1
    for is_row, group in groupby(lines, key=lambda line: line[0]):
        rows = list(group)
        if is_row:
            yield rows[0][1], rows[-1][2]


# Buttons


def _plain_chips(text: str) -> list[_Chip]:
    """The markers of a text that may still be growing: [3], and the words for what is not supported."""
    code = code_spans(text)
    found = []
    for match in re.finditer(rf"{_MARKER.pattern}|{re.escape(UNSUPPORTED)}", text):
        if any(start <= match.start() < end for start, end in code):
            continue
        html = _button(int(match[1]), None) if match[1] else _warning()
        found.append(_Chip(match.start(), match.end(), html))
    return found


def _chips(answer: Answer) -> list[_Chip]:
    """The markers of an answer, those that it should have (see `marking`), and what is not supported."""
    text = answer.text
    numbers = {piece.number for piece in answer.evidence} | {one.number for one in answer.citations}
    code = code_spans(text)
    chips: list[_Chip] = []
    cited: set[int] = set()
    for match in _MARKER.finditer(text):
        number = int(match[1])
        if number not in numbers or any(start <= match.start() < end for start, end in code):
            continue
        index = _citation_before(answer.citations, number, match.start())
        cited |= {index} if index is not None else set()
        chips.append(_Chip(match.start(), match.end(), _button(number, index)))
    for index, one in enumerate(answer.citations):
        behind = markers_behind(text, one.end)
        if index in cited or one.field or f"[{one.number}]" in text[one.start : behind]:
            continue
        chips.append(_Chip(one.end, one.end, f" {_button(one.number, index)}"))
    for claim in answer.claims:
        if not claim.supported:
            place = markers_behind(text, claim.end)
            chips.append(_Chip(place, place, f" {_warning()}"))
    chips.sort(key=lambda chip: (chip.start, chip.end))
    return [chip for chip, before in zip(chips, [None, *chips], strict=False) if not _under(chip, before)]


def _under(chip: _Chip, before: _Chip | None) -> bool:
    return before is not None and chip.start < before.end


def _citation_before(citations: Sequence[Citation], number: int, place: int) -> int | None:
    """The citation of this number that ends nearest before a marker, or that the marker stands in."""
    near = [
        (min(one.end, place), -index)
        for index, one in enumerate(citations)
        if one.number == number and one.start <= place
    ]
    return -max(near)[1] if near else None


def _button(number: int, citation: int | None) -> str:
    index = f' data-citation="{citation}"' if citation is not None else ""
    return (
        f'<button type="button" class="ob-cite" data-number="{number}"{index} '
        f'aria-label="Source {number}">{number}</button>'
    )


def _warning() -> str:
    return '<span class="ob-unsupported">not supported</span>'


# Claims


def _claims(answer: Answer) -> Iterator[_Claimed]:
    for index, claim in enumerate(answer.claims):
        state = "supported" if claim.supported else "unsupported"
        says = "Supported by its source" if claim.supported else "Not supported by its source"
        words = escaped(": ".join(part for part in (says, "; ".join(claim.reasons)) if part))
        tag = f'<span class="ob-claim ob-claim--{state}" data-claim="{index}" title="{words}">'
        yield _Claimed(claim.start, claim.end, tag)


def _apart(claims: Sequence[_Claimed]) -> list[_Claimed]:
    """Claims in order, without those that are empty or begin inside another."""
    kept: list[_Claimed] = []
    for claim in sorted(claims, key=lambda claim: (claim.start, -claim.end)):
        if claim.start < claim.end and (not kept or claim.start >= kept[-1].end):
            kept.append(claim)
    return kept


def _with_signs(text: str, chips: Sequence[_Chip], claims: Sequence[_Claimed]) -> tuple[str, list[Span]]:
    """The text with one character for each chip, and where the claims are in it."""
    parts: list[str] = []
    position = 0
    for index, chip in enumerate(chips):
        parts += [text[position : chip.start], chr(_FIRST_CHIP + index)]
        position = chip.end
    source = "".join([*parts, text[position:]])

    def moved(place: int) -> int:
        before = [chip for chip in chips if chip.start < place]
        return place - sum(min(chip.end, place) - chip.start - (chip.end <= place) for chip in before)

    return source, [(moved(claim.start), moved(claim.end)) for claim in claims]


def _all_there(text: str, chips: int) -> bool:
    """Whether every button is in the text, once; one in a link's address is not."""
    found = [ord(character) - _FIRST_CHIP for character in text if ord(character) >= _FIRST_CHIP]
    return sorted(number for number in found if number >= 0) == list(range(chips))


class _Writer:
    """Writes one text in its order: spans around its claims, buttons in place of its markers."""

    def __init__(self, text: str, chips: Sequence[_Chip], claims: Sequence[_Claimed]) -> None:
        self._text = text
        self._chips = list(chips)
        self._claims = claims

    def write(self, start: int, end: int, styles: Sequence[Style] = ()) -> str:
        """The characters [start, end) as HTML. To be called in the order of the text."""
        parts: list[str] = []
        position = start
        for claim in self._claims:
            low, high = max(claim.start, start), min(claim.end, end)
            if low < high and self._text[low:high].strip():
                parts.append(self._with_chips(position, low, styles))
                parts += [claim.tag, self._with_chips(low, high, styles), "</span>"]
                position = high
        parts.append(self._with_chips(position, end, styles, up_to_end=start < end))
        return "".join(parts)

    def _with_chips(self, start: int, end: int, styles: Sequence[Style], *, up_to_end: bool = False) -> str:
        """Text with its buttons, each once; one that only follows the text comes with it if `up_to_end`."""
        parts: list[str] = []
        position = start
        while self._chips:
            chip = self._chips[0]
            if not ((chip.start < end and chip.end <= end) or (up_to_end and chip.start == chip.end == end)):
                break
            parts += [_styled(self._text, position, chip.start, styles), chip.html]
            position = max(position, chip.end)
            self._chips.pop(0)
        parts.append(_styled(self._text, position, end, styles))
        return "".join(parts)


def _styled(text: str, start: int, end: int, styles: Sequence[Style]) -> str:
    parts: list[str] = []
    position = start
    for low, high, name in styles:
        low, high = max(low, position), min(high, end)
        if low < high:
            parts += [escaped(text[position:low]), f'<span class="{name}">{escaped(text[low:high])}</span>']
            position = high
    return "".join([*parts, escaped(text[position:end])])
