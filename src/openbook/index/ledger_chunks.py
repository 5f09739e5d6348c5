"""Chunks by id, by document and by condition, as functions on an open transaction.

A chunk's text is cut from its document's blocks; one statement fetches the
rows of any number of chunks and a second one their blocks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from openbook.index.ledger_documents import RECORD_COLUMNS, document_record
from openbook.index.records import ChunkRecord, DocumentRecord
from openbook.index.schema import BLOCK
from openbook.index.where import Condition, chunk_clause, document_clause

TextRow: TypeAlias = tuple[int, str, str]
"""Chunk id, context, text."""

_COLUMNS: Final = (
    'c.id, c.document_id, d.path, d.title, c.position, c.start, c."end", c.context, c.heading, c.page, '
    "c.place, d.language, c.text_hash, s.root, c.plain_hash"
)
_TABLES: Final = "JOIN documents d ON d.id = c.document_id JOIN sources s ON s.id = d.source_id"


def chunks(connection: sqlite3.Connection, chunk_ids: Sequence[int]) -> dict[int, ChunkRecord]:
    """Return the chunks with these ids, in the order asked for; unknown ids are left out."""
    wanted = json.dumps([int(chunk_id) for chunk_id in chunk_ids])
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM json_each(?) j CROSS JOIN chunks c ON c.id = j.value {_TABLES}", (wanted,)
    ).fetchall()
    pieces = connection.execute(
        "SELECT c.id, b.text FROM json_each(?1) j CROSS JOIN chunks c ON c.id = j.value "
        "CROSS JOIN blocks b ON b.document_id = c.document_id "
        'AND b.number BETWEEN c.start / ?2 AND (c."end" - 1) / ?2 ORDER BY c.id, b.number',
        (wanted, BLOCK),
    )
    blocks: dict[int, str] = {}
    for chunk_id, block in pieces:
        blocks[chunk_id] = blocks[chunk_id] + block if chunk_id in blocks else block
    return {row[0]: _record(row, _cut(blocks.get(row[0], ""), row[5], row[6])) for row in rows}


def titles(connection: sqlite3.Connection, chunk_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return by chunk id (title and headings, language); unknown ids are left out."""
    rows = connection.execute(
        "SELECT c.id, c.context, d.language FROM json_each(?) j CROSS JOIN chunks c ON c.id = j.value "
        "JOIN documents d ON d.id = c.document_id",
        (json.dumps([int(chunk_id) for chunk_id in chunk_ids]),),
    )
    return {chunk_id: (context, language) for chunk_id, context, language in rows}


def document_chunks(connection: sqlite3.Connection, document_id: int) -> list[ChunkRecord]:
    """Return all chunks of a document in order; none if there is no such document."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM chunks c {_TABLES} WHERE c.document_id = ? ORDER BY c.position",
        (document_id,),
    ).fetchall()
    content = "".join(_texts(connection, [document_id]).get(document_id, ()))
    return [_record(row, content[row[5] : row[6]]) for row in rows]


def chunk_ids_at(connection: sqlite3.Connection, document_id: int, positions: Sequence[int]) -> list[int]:
    """Return the ids of a document's chunks at these positions, in order; others are left out."""
    row = connection.execute(
        "SELECT first_chunk, chunks FROM documents WHERE id = ?", (document_id,)
    ).fetchone()
    if row is None:
        return []
    return [int(row[0]) + int(position) for position in positions if 0 <= position < row[1]]


def duplicates(connection: sqlite3.Connection, plain_hashes: Sequence[bytes]) -> dict[bytes, list[int]]:
    """Return by hash the ids of all chunks with exactly that text, ascending; unknown hashes are left out."""
    found: dict[bytes, list[int]] = {}
    for plain_hash in dict.fromkeys(plain_hashes):
        rows = connection.execute("SELECT id FROM chunks WHERE plain_hash = ? ORDER BY id", (plain_hash,))
        if ids := [int(chunk_id) for (chunk_id,) in rows]:
            found[plain_hash] = ids
    return found


def select_chunk_ids(connection: sqlite3.Connection, conditions: Sequence[Condition]) -> NDArray[np.int64]:
    """Return the sorted ids of the chunks for which every condition holds."""
    of_document, document_values = document_clause(conditions)
    of_chunk, chunk_values = chunk_clause(conditions)
    documents = f"documents d JOIN sources s ON s.id = d.source_id WHERE {of_document}"
    if not of_chunk:
        rows = connection.execute(
            f"SELECT d.first_chunk, d.chunks FROM {documents} AND d.chunks > 0 ORDER BY d.first_chunk",
            document_values,
        ).fetchall()
        return _expand(np.array(rows, dtype=np.int64).reshape(-1, 2))
    rows = connection.execute(
        f"SELECT c.id FROM chunks c WHERE c.document_id IN (SELECT d.id FROM {documents}) "
        f"AND {of_chunk} ORDER BY c.id",
        (*document_values, *chunk_values),
    ).fetchall()
    return np.fromiter((chunk_id for (chunk_id,) in rows), dtype=np.int64, count=len(rows))


def find_documents(connection: sqlite3.Connection, conditions: Sequence[Condition]) -> list[DocumentRecord]:
    """Return the documents for which every condition holds, by path."""
    clause, values = document_clause(conditions)
    rows = connection.execute(
        f"SELECT {RECORD_COLUMNS} FROM documents d JOIN sources s ON s.id = d.source_id "
        f"WHERE {clause} ORDER BY d.path, d.id",
        values,
    )
    return [document_record(row) for row in rows]


def document_ids(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """Return (id, number of characters) of every document, by id."""
    return connection.execute("SELECT id, characters FROM documents ORDER BY id").fetchall()


def texts_of_documents(
    connection: sqlite3.Connection, wanted: Sequence[int]
) -> list[tuple[int, str, list[TextRow]]]:
    """Return (document id, language, chunks in order) of the documents that exist, by id."""
    selection = json.dumps(list(wanted))
    languages = connection.execute(
        "SELECT id, language FROM documents WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (selection,),
    ).fetchall()
    contents = _texts(connection, wanted)
    rows: dict[int, list[TextRow]] = {int(document_id): [] for document_id, _ in languages}
    joined = {document_id: "".join(contents.get(document_id, ())) for document_id in rows}
    for chunk_id, document_id, context, start, end in connection.execute(
        'SELECT id, document_id, context, start, "end" FROM chunks '
        "WHERE document_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (selection,),
    ):
        rows[document_id].append((chunk_id, context, joined[document_id][start:end]))
    return [(int(document_id), language, rows[document_id]) for document_id, language in languages]


def batches_by_size(sizes: Iterable[tuple[int, int]], budget: int) -> list[list[int]]:
    """Group ids, given with a size each, in order, so that no group but one of a single id is over budget."""
    groups: list[list[int]] = []
    room = -1
    for identity, size in sizes:
        if size > room or not groups:
            groups.append([])
            room = budget
        groups[-1].append(identity)
        room -= size
    return groups


def _texts(connection: sqlite3.Connection, wanted: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for document_id, block in connection.execute(
        "SELECT document_id, text FROM blocks WHERE document_id IN (SELECT value FROM json_each(?)) "
        "ORDER BY document_id, number",
        (json.dumps(list(wanted)),),
    ):
        found.setdefault(document_id, []).append(block)
    return found


def _cut(blocks: str, start: int, end: int) -> str:
    """Cut a chunk out of the blocks that it lies in; offsets count from the start of the document."""
    first = start // BLOCK * BLOCK
    return blocks[start - first : end - first]


def _record(row: tuple[Any, ...], text: str) -> ChunkRecord:
    values = (*row[:7], text, *row[7:])
    return ChunkRecord(*values)


def _expand(ranges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn rows of (first, count), sorted, into all the ids in them."""
    first, count = ranges[:, 0], ranges[:, 1]
    before = np.cumsum(count) - count
    return np.repeat(first - before, count) + np.arange(count.sum(), dtype=np.int64)
