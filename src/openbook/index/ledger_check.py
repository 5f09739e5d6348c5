"""Checks that the ledger holds together, beyond what SQLite itself can promise."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from openbook.errors import LibraryDamaged
from openbook.index import ledger_documents
from openbook.index.conversation_records import read_answer
from openbook.index.ledger_conversations import has_conversations
from openbook.index.records import hash_text
from openbook.index.schema import BLOCK

_COUNTS = {
    "files name documents of another source or path": (
        "SELECT count(*) FROM files f JOIN documents d ON d.id = f.document_id "
        "WHERE d.source_id <> f.source_id OR d.path <> f.path"
    ),
    "documents have more than one file": (
        "SELECT count(*) FROM (SELECT 1 FROM files WHERE document_id IS NOT NULL "
        "GROUP BY document_id HAVING count(*) > 1)"
    ),
    "chunks do not follow their document's first chunk": (
        "SELECT count(*) FROM chunks c JOIN documents d ON d.id = c.document_id "
        "WHERE c.id <> d.first_chunk + c.position OR c.position >= d.chunks"
    ),
    "documents wait for vectors under wrong numbers": (
        "SELECT count(*) FROM pending p JOIN documents d ON d.id = p.document_id "
        "WHERE p.first_chunk <> d.first_chunk OR p.chunks <> d.chunks"
    ),
    "chunks count as embedded but have no vector": (
        "SELECT count(*) FROM generations g CROSS JOIN chunks c WHERE NOT EXISTS "
        "(SELECT 1 FROM pending p WHERE p.generation_id = g.id AND p.document_id = c.document_id) "
        "AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.text_hash = c.text_hash AND v.generation_id = g.id)"
    ),
    "vectors have the wrong size": (
        "SELECT count(*) FROM vectors v JOIN generations g ON g.id = v.generation_id "
        "WHERE length(v.vector) <> 2 * g.dimension"
    ),
    "generations too many serve at once": (
        "SELECT max(0, count(*) - 1) FROM generations WHERE state = 'active'"
    ),
}


def problems(connection: sqlite3.Connection) -> list[str]:
    """Return every problem found, in words. Reads the whole ledger."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    if found:
        return [f"SQLite: {problem}" for problem in found]  # nothing else can be trusted then
    for table, row_id, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        found.append(f"row {row_id} of {table} refers to a missing row of {parent}")
    for words, query in _COUNTS.items():
        if count := int(connection.execute(query).fetchone()[0]):
            found.append(f"{count} {words}")
    found += _document_problems(connection)
    if has_conversations(connection):
        found += _conversation_problems(connection)
    return found


def _conversation_problems(connection: sqlite3.Connection) -> Iterator[str]:
    turns = connection.execute("SELECT id, question, meant, answer FROM turns").fetchall()
    for turn_id, question, meant, stored in turns:
        try:
            answer = read_answer(turn_id, stored, question, meant)
        except LibraryDamaged as error:
            yield str(error)
            continue
        for citation in answer.citations:
            row = connection.execute(
                "SELECT d.id FROM turn_evidence e JOIN documents d ON d.id = e.document_id "
                "WHERE e.turn_id = ? AND e.number = ?",
                (turn_id, citation.number),
            ).fetchone()
            start, end = citation.source_start, citation.source_end
            if start < 0:
                continue
            if row is None or ledger_documents.text(connection, row[0], start, end) != citation.quote:
                yield f"turn {turn_id} of a conversation quotes what is not at its place: {citation.quote!r}"
    places = connection.execute(
        'SELECT e.turn_id, d.id, e.start, e."end", e.text_hash '
        "FROM turn_evidence e JOIN documents d ON d.id = e.document_id"
    )
    for turn_id, document_id, start, end, text_hash in places.fetchall():
        if hash_text(ledger_documents.text(connection, document_id, start, end)) != text_hash:
            yield f"turn {turn_id} of a conversation rests on other text at {start} to {end} than it says"


def _document_problems(connection: sqlite3.Connection) -> Iterator[str]:
    documents = connection.execute("SELECT id, path, characters, chunks, metadata, marks FROM documents")
    for document_id, path, characters, chunks, metadata, marks in documents:
        blocks = connection.execute(
            "SELECT number, text FROM blocks WHERE document_id = ? ORDER BY number", (document_id,)
        ).fetchall()
        text = "".join(block for _, block in blocks)
        whole = all(len(block) == BLOCK for _, block in blocks[:-1])
        if len(text) != characters or not whole or [n for n, _ in blocks] != list(range(len(blocks))):
            yield f"{path!r} (document {document_id}) has {len(text)} characters; expected {characters}"
            continue
        rows = connection.execute(
            'SELECT start, "end", context, text_hash, plain_hash FROM chunks WHERE document_id = ?',
            (document_id,),
        ).fetchall()
        if len(rows) != chunks:
            yield f"{path!r} (document {document_id}) has {len(rows)} chunks; expected {chunks}"
        for start, end, context, text_hash, plain_hash in rows:
            piece = text[start:end]
            embedded = f"{context}\n{piece}" if context else piece
            if hash_text(piece) != plain_hash or hash_text(embedded) != text_hash:
                yield f"{path!r} (document {document_id}) has other text at {start} to {end} than its chunk"
        yield from _json_problems(document_id, path, metadata, marks, characters)


def _json_problems(document_id: int, path: str, metadata: str, marks: str, characters: int) -> Iterator[str]:
    try:
        if not isinstance(json.loads(metadata), dict):
            yield f"{path!r} (document {document_id}) has metadata that are not names with values"
        for _, start, end, _, _ in json.loads(marks):
            if not 0 <= start <= end <= characters:
                yield f"{path!r} (document {document_id}) has a mark outside its text: {start} to {end}"
    except (ValueError, TypeError) as error:
        yield f"{path!r} (document {document_id}) has unreadable metadata or marks: {error}"
