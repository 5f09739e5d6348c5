"""What conversations lose when a document changes or goes: removed means removed.

A document can be in a turn in two ways: verbatim, as a quote, and in words
that a model took from it, cited or not, in that turn or in a later one that
had it as history. So an answer is taken out

- if a quote of it no longer occurs in the document, and
- if any of its words occurred in the document before, does not occur in it
  now, and is in neither the questions so far nor the turn's other evidence, so
  that it can only have come from what is gone.

What is taken out is the answer's text, its meaning, claims and steps; quotes
of documents that are still there stay. Places in the new text are found again,
so that what was merely moved loses nothing. This errs on the side of taking
out: a word of the model's own that only the removed document had as well costs
the answer.

Refused: keeping old versions of documents for the sake of conversations.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from openbook.errors import UsageError
from openbook.index.conversation_records import dump_answer, read_answer
from openbook.index.ledger_scrub import scrub_will_be_due
from openbook.index.records import hash_text
from openbook.types import Answer, Chunk, Citation, Document

ReadText: TypeAlias = Callable[[sqlite3.Connection, int, int, int], str]
"""Reads `document.text[start:end]` of a document id; raises UsageError for an unknown one."""

_WIDE: Final = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD: Final = re.compile(f"[{_WIDE}]|[^\\W_{_WIDE}](?:[^\\W{_WIDE}]*[^\\W_{_WIDE}])?")
"""A word, without the underscores of emphasis around it; in scripts written without blanks, a character."""

_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[bfnrt])")
"""What stands for one character in the text of JSON; it must not look like the beginning of a word."""

_BEGINNING: Final = 6
"""Words that share so many characters count as one word with different endings."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Evidence of a turn as a place in a document; empty (start = end) where its passage is gone."""

    number: int
    document_id: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Losses:
    """What an answer that is about to be kept has lost already.

    `numbers` are those of evidence that is not what it was, `absent` those
    whose whole document has gone; `citations` quote what is not there any more.
    `leaked` says that other words of the answer can only have come from there.
    """

    numbers: frozenset[int] = frozenset()
    absent: frozenset[int] = frozenset()
    citations: tuple[Citation, ...] = ()
    leaked: bool = False


@dataclass(frozen=True, slots=True)
class _Change:
    """A document before and after; `new` is None if it goes. `gone` are the words that it loses."""

    document_id: int
    old: str
    new: str | None
    gone: frozenset[str]

    @property
    def reason(self) -> str:
        what = "a document that was removed" if self.new is None else "a passage that has changed since"
        return f"The answer was taken out on {datetime.now(UTC):%Y-%m-%d}: it rested on {what}."

    def holds(self, quote: str) -> bool:
        return self.new is not None and quote in self.new

    def place(self, text: str, near: int) -> int:
        """Where the new text holds `text`, as near to `near` as possible."""
        new = self.new or ""
        after, before = new.find(text, near), new.rfind(text, 0, near + len(text))
        if -1 in (after, before):
            return max(after, before)
        return min(after, before, key=lambda found: abs(found - near))


def documents_go(connection: sqlite3.Connection, document_ids: Sequence[int], *, read: ReadText) -> None:
    """Take out of all turns what came from these documents. Call it while their text is still there."""
    rows = connection.execute(
        "SELECT DISTINCT document_id FROM turn_evidence "
        "WHERE document_id IN (SELECT value FROM json_each(?)) ORDER BY document_id",
        (json.dumps(list(document_ids)),),
    ).fetchall()
    for (document_id,) in rows:
        _apply(connection, _change(connection, int(document_id), None, ()), read)


def document_changes(
    connection: sqlite3.Connection,
    document_id: int,
    document: Document,
    chunks: Sequence[Chunk],
    *,
    read: ReadText,
) -> None:
    """Take out of all turns what the document no longer says, and follow what moved in it.

    `document` and `chunks` are the new ones; the old ones are still stored.
    """
    used = connection.execute("SELECT 1 FROM turn_evidence WHERE document_id = ? LIMIT 1", (document_id,))
    if used.fetchone() is not None:
        _apply(connection, _change(connection, document_id, document, chunks), read)


def losses_of(connection: sqlite3.Connection, answer: Answer, *, read: ReadText) -> Losses:
    """What changed or removed documents took from an answer's evidence since it was found."""
    lost: set[int] = set()
    absent: set[int] = set()
    gone: set[str] = set()
    allowed = set(words(answer.question))
    for piece in answer.evidence:
        try:
            now = read(connection, piece.document_id, piece.start, piece.end)
        except UsageError:
            now = None
            absent.add(piece.number)
        if now == piece.text:
            allowed.update(words(piece.text))
        else:
            lost.add(piece.number)
            gone.update(words(piece.text, piece.path, piece.title, piece.heading, piece.place))
    documents = {p.number: p.document_id for p in answer.evidence if p.number not in lost}
    citations = tuple(
        citation
        for citation in answer.citations
        if citation.number not in documents
        or (
            citation.source_start >= 0
            and citation.quote
            != read(connection, documents[citation.number], citation.source_start, citation.source_end)
        )
    )
    leaked = _leaks(answer, gone, allowed)
    return Losses(frozenset(lost), frozenset(absent), citations, leaked)


def without(answer: Answer, lost: Iterable[Citation]) -> Answer:
    """The answer without its text and what else speaks of it; of its citations, all but `lost` stay."""
    dropped = list(lost)
    kept = tuple(replace(c, start=0, end=0) for c in answer.citations if c not in dropped)
    return replace(answer, text="", meant="", citations=kept, claims=(), steps=(), value=None, notes=())


def words(*texts: str) -> Iterator[str]:
    """Yield the words of texts, without regard to case and to how their characters are composed."""
    for text in texts:
        yield from _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def meanwhile() -> str:
    """Why an answer is not kept that rests on what was lost while it was written."""
    return "The answer was not kept: a document that it rested on changed or went while it was written."


def _change(
    connection: sqlite3.Connection, document_id: int, document: Document | None, chunks: Sequence[Chunk]
) -> _Change:
    blocks = connection.execute(
        "SELECT text FROM blocks WHERE document_id = ? ORDER BY number", (document_id,)
    )
    old = "".join(text for (text,) in blocks)
    named = connection.execute("SELECT title, path FROM documents WHERE id = ?", (document_id,)).fetchone()
    spots = connection.execute(
        "SELECT DISTINCT context, heading, place FROM chunks WHERE document_id = ?", (document_id,)
    )
    before = set(words(old, *named, *(text for spot in spots for text in spot)))
    if document is None:
        return _Change(document_id, old, None, frozenset(before))
    around = (text for chunk in chunks for text in (chunk.context, chunk.heading, chunk.place))
    after = set(words(document.text, document.title, document.path, *around))
    return _Change(document_id, old, document.text, frozenset(before - after))


def _apply(connection: sqlite3.Connection, change: _Change, read: ReadText) -> None:
    rows = connection.execute(
        "SELECT DISTINCT t.conversation_id FROM turn_evidence e JOIN turns t ON t.id = e.turn_id "
        "WHERE e.document_id = ?",
        (change.document_id,),
    ).fetchall()
    scrub_will_be_due(connection)
    for (conversation_id,) in rows:
        if _apply_to(connection, int(conversation_id), change, read):
            connection.execute(
                "UPDATE conversations SET losses = losses + 1 WHERE id = ?", (conversation_id,)
            )


def _apply_to(connection: sqlite3.Connection, conversation_id: int, change: _Change, read: ReadText) -> bool:
    """Apply a change to the turns of one conversation; return whether one lost anything."""
    turns = connection.execute(
        "SELECT id, question, meant, answer, redacted FROM turns WHERE conversation_id = ? ORDER BY id",
        (conversation_id,),
    ).fetchall()
    allowed: set[str] = set()
    reached = lost_any = False
    for turn_id, question, meant, stored, redacted in turns:
        references = _references(connection, turn_id)
        mine = {ref.number: ref for ref in references if ref.document_id == change.document_id}
        allowed.update(words(question))
        for other in references:
            if other.number not in mine:
                allowed.update(words(read(connection, other.document_id, other.start, other.end)))
        reached = reached or bool(mine)
        if not reached:
            continue
        answer = read_answer(turn_id, stored, question, meant)
        lost = [c for c in answer.citations if c.number in mine and not change.holds(c.quote)]
        places = {number: _place_now(ref, answer, change) for number, ref in mine.items()}
        now = _followed(answer, mine, places, change)
        if lost or _leaks(answer, change.gone, allowed):
            now, redacted, lost_any = without(now, lost), change.reason, True
        lost_any = lost_any or any(place is None or place.start == place.end for place in places.values())
        _write_places(connection, turn_id, places, change)
        if now != answer:
            connection.execute(
                "UPDATE turns SET meant = ?, answer = ?, redacted = ? WHERE id = ?",
                (now.meant, dump_answer(now), redacted, turn_id),
            )
    return lost_any


def _references(connection: sqlite3.Connection, turn_id: int) -> list[Reference]:
    rows = connection.execute(
        'SELECT number, document_id, start, "end" FROM turn_evidence WHERE turn_id = ? ORDER BY number',
        (turn_id,),
    )
    return [Reference(*row) for row in rows]


def _place_now(reference: Reference, answer: Answer, change: _Change) -> Reference | None:
    """Where the evidence is in the new text: all of it, or else its longest quote, or else nowhere."""
    if change.new is None:
        return None
    passage = change.old[reference.start : reference.end]
    if not passage or passage not in change.new:
        quotes = [c.quote for c in answer.citations if c.number == reference.number and change.holds(c.quote)]
        passage = max(quotes, key=len, default="")
    start = change.place(passage, reference.start) if passage else 0
    return replace(reference, start=start, end=start + len(passage))


def _followed(
    answer: Answer,
    before: Mapping[int, Reference],
    now: Mapping[int, Reference | None],
    change: _Change,
) -> Answer:
    """The answer with its quotes' places in the new text."""
    citations = []
    for citation in answer.citations:
        place = now.get(citation.number)
        if place is not None and citation.source_start >= 0 and change.holds(citation.quote):
            near = citation.source_start + place.start - before[citation.number].start
            start = change.place(citation.quote, max(near, 0))
            citation = replace(citation, source_start=start, source_end=start + len(citation.quote))
        citations.append(citation)
    return replace(answer, citations=tuple(citations))


def _write_places(
    connection: sqlite3.Connection, turn_id: int, places: Mapping[int, Reference | None], change: _Change
) -> None:
    for number, place in places.items():
        if place is None:
            connection.execute(
                "DELETE FROM turn_evidence WHERE turn_id = ? AND number = ?", (turn_id, number)
            )
            continue
        text = (change.new or "")[place.start : place.end]
        connection.execute(
            'UPDATE turn_evidence SET start = ?, "end" = ?, text_hash = ? WHERE turn_id = ? AND number = ?',
            (place.start, place.end, hash_text(text), turn_id, number),
        )


def _leaks(answer: Answer, gone: AbstractSet[str], allowed: AbstractSet[str]) -> bool:
    """Say whether the answer has a word, quotes apart, that is gone and stands nowhere that is allowed."""
    only_there = gone - allowed
    beginnings = {word[:_BEGINNING] for word in only_there if len(word) >= _BEGINNING}
    said = words(
        answer.text,
        answer.meant,
        *(reason for claim in answer.claims for reason in claim.reasons),
        *(_unescaped(str(value)) for step in answer.steps for value in step.arguments.values()),
        # A call that could not be read may be of a tool that the model has made up, name and all.
        *(step.tool for step in answer.steps if "written" in step.arguments),
        _unescaped(json.dumps(answer.value, ensure_ascii=False)),
    )
    return any(
        word in only_there or (len(word) >= _BEGINNING and word[:_BEGINNING] in beginnings)
        for word in set(said) - allowed
    )


def _unescaped(text: str) -> str:
    """Text of JSON, or with some in it, whose words can be told apart."""
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)) if found.group(1) else " ", text)
