"""Conversations and their turns, as functions on an open transaction.

A turn is written in one short transaction of SQLite, without the library's
write lock: a conversation goes on while another process adds documents. It
touches nothing that the derived indexes follow, so the sequence stays.

What a turn quotes must still be there when it is written: a document may have
been removed while its answer came about, and nothing of it may come back in
this way. `ledger_redaction` judges that, and what later removals take out.

Refused: names that are unique (two conversations may well begin with the same
question), and evidence as text.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from openbook.errors import UsageError
from openbook.index import ledger_documents
from openbook.index.conversation_records import Conversation, Turn, dump_answer, read_answer, storable
from openbook.index.ledger_redaction import losses_of, meanwhile, without
from openbook.index.ledger_scrub import scrub_will_be_due
from openbook.index.records import hash_text
from openbook.index.schema import CONVERSATIONS_SINCE
from openbook.types import Answer, Evidence

_COLUMNS: Final = (
    "c.id, c.name, c.created_at, c.updated_at, "
    "(SELECT count(*) FROM turns t WHERE t.conversation_id = c.id), c.losses"
)


def put_conversation(connection: sqlite3.Connection, name: str) -> Conversation:
    """Begin a conversation. Raises UsageError for an empty name."""
    now = ledger_documents.now()
    cursor = connection.execute(
        "INSERT INTO conversations (name, created_at, updated_at, losses) VALUES (?, ?, ?, 0)",
        (_checked_name(name), now, now),
    )
    return conversation(connection, int(cursor.lastrowid or 0))


def conversations(connection: sqlite3.Connection) -> list[Conversation]:
    """Return all conversations, the one used last first."""
    if not has_conversations(connection):
        return []
    rows = connection.execute(f"SELECT {_COLUMNS} FROM conversations c ORDER BY c.updated_at DESC, c.id DESC")
    return [Conversation(*row) for row in rows]


def conversation(connection: sqlite3.Connection, conversation_id: int) -> Conversation:
    """Return one conversation. Raises UsageError if there is none with this id."""
    row = None
    if has_conversations(connection):
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM conversations c WHERE c.id = ?", (conversation_id,)
        ).fetchone()
    if row is None:
        raise UsageError(
            f"There is no conversation {conversation_id} in this library (any more). "
            "List them with: openbook conversations"
        )
    return Conversation(*row)


def rename_conversation(connection: sqlite3.Connection, conversation_id: int, name: str) -> Conversation:
    """Give a conversation another name. Raises UsageError for an unknown id or an empty name."""
    conversation(connection, conversation_id)
    scrub_will_be_due(connection)
    connection.execute(
        "UPDATE conversations SET name = ? WHERE id = ?", (_checked_name(name), conversation_id)
    )
    return conversation(connection, conversation_id)


def delete_conversations(connection: sqlite3.Connection, conversation_ids: Sequence[int]) -> None:
    """Delete conversations with all their turns; unknown ids are ignored."""
    each = [(conversation_id,) for conversation_id in conversation_ids]
    if not each or not has_conversations(connection):
        return
    scrub_will_be_due(connection)
    connection.executemany(
        "DELETE FROM turn_evidence WHERE turn_id IN (SELECT id FROM turns WHERE conversation_id = ?)", each
    )
    connection.executemany("DELETE FROM turns WHERE conversation_id = ?", each)
    connection.executemany("DELETE FROM conversations WHERE id = ?", each)


def put_turn(
    connection: sqlite3.Connection, conversation_id: int, answer: Answer, *, seen_losses: int | None = None
) -> Turn:
    """Append a question with its answer to a conversation, and return it as it was kept.

    `seen_losses` are the conversation's losses when the answer was begun: if
    there are more now, what earlier turns lost may be in this answer, and only
    its question is kept. Raises UsageError for an unknown conversation.
    """
    found = conversation(connection, conversation_id)
    losses = losses_of(connection, answer, read=ledger_documents.text)
    redacted = ""
    if (seen_losses is not None and found.losses > seen_losses) or losses.citations or losses.leaked:
        answer, redacted = without(answer, losses.citations), meanwhile()
    now = ledger_documents.now()
    cursor = connection.execute(
        "INSERT INTO turns (conversation_id, question, meant, answer, redacted, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            conversation_id,
            storable(answer.question),
            storable(answer.meant),
            dump_answer(answer),
            redacted,
            now,
        ),
    )
    turn_id = int(cursor.lastrowid or 0)
    connection.executemany(
        'INSERT INTO turn_evidence (turn_id, number, document_id, start, "end", score, text_hash) '
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (turn_id, *_reference(piece, lost=piece.number in losses.numbers))
            for piece in answer.evidence
            if piece.number not in losses.absent
        ),
    )
    connection.execute("UPDATE conversations SET updated_at = ? WHERE id = ?", (now, conversation_id))
    return next(turn for turn in turns(connection, conversation_id) if turn.id == turn_id)


def turns(connection: sqlite3.Connection, conversation_id: int) -> list[Turn]:
    """Return the turns of a conversation, oldest first. Raises UsageError for an unknown id."""
    conversation(connection, conversation_id)
    evidence = _evidence(connection, conversation_id)
    rows = connection.execute(
        "SELECT id, question, meant, answer, redacted, created_at FROM turns WHERE conversation_id = ? "
        "ORDER BY id",
        (conversation_id,),
    )
    return [_turn(row, evidence.get(int(row[0]), ())) for row in rows]


def has_conversations(connection: sqlite3.Connection) -> bool:
    """Say whether the ledger's format knows conversations: an older one may be open for reading."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    return version >= CONVERSATIONS_SINCE


def _turn(row: tuple[Any, ...], evidence: Sequence[Evidence]) -> Turn:
    turn_id, question, meant, stored, redacted, created_at = row
    answer = read_answer(turn_id, stored, question, meant, evidence, notes=(redacted,) if redacted else ())
    return Turn(turn_id, question, answer, created_at, redacted)


def _reference(piece: Evidence, *, lost: bool) -> tuple[object, ...]:
    """The values of a row for a piece of evidence; one that is lost points to its document alone."""
    start, end, text = (0, 0, "") if lost else (piece.start, piece.end, piece.text)
    score = piece.score if math.isfinite(piece.score) else 0.0
    return piece.number, piece.document_id, start, end, score, hash_text(text)


def _evidence(connection: sqlite3.Connection, conversation_id: int) -> Mapping[int, list[Evidence]]:
    """The evidence of each turn, as far as the documents still say it."""
    rows = connection.execute(
        'SELECT t.id, e.number, d.path, e.document_id, e.start, e."end", e.score, d.title, e.text_hash '
        "FROM turns t JOIN turn_evidence e ON e.turn_id = t.id JOIN documents d ON d.id = e.document_id "
        'WHERE t.conversation_id = ? AND e."end" > e.start ORDER BY t.id, e.number',
        (conversation_id,),
    ).fetchall()
    found: dict[int, list[Evidence]] = {}
    for turn_id, number, path, document_id, start, end, score, title, text_hash in rows:
        text = ledger_documents.text(connection, document_id, start, end)
        if hash_text(text) != text_hash:
            continue
        heading, page, place = _spot(connection, document_id, start)
        found.setdefault(int(turn_id), []).append(
            Evidence(number, path, document_id, start, end, page, heading, text, score, title, place)
        )
    return found


def _spot(connection: sqlite3.Connection, document_id: int, start: int) -> tuple[str, int | None, str]:
    """Heading, page and place of the chunk in which a piece of evidence begins."""
    row = connection.execute(
        "SELECT heading, page, place FROM chunks WHERE document_id = ? AND start <= ? "
        "ORDER BY position DESC LIMIT 1",
        (document_id, start),
    ).fetchone()
    return row if row is not None else ("", None, "")


def _checked_name(name: str) -> str:
    cleaned = " ".join(storable(name).split())
    if not cleaned:
        raise UsageError(f"A conversation cannot have the name {name!r}; give it at least one word.")
    return cleaned
