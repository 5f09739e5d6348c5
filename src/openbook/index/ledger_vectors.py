"""Generations of vectors and the cache of vectors by text, as functions on an open transaction.

A vector belongs to (generation, hash of the embedded text), not to a chunk:
re-chunking, moving or reverting a file embeds only text never seen. Whether a
document's vectors may be used is a separate fact: a document waits in
`pending`, once per generation, until all of its chunks have one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openbook.errors import LibraryDamaged, LibraryError, UsageError
from openbook.index.ledger_chunks import chunks
from openbook.index.ledger_documents import append_changes, now
from openbook.index.records import Generation

_GENERATION = "id, fingerprint, name, dimension, state, created_at"


def generations(connection: sqlite3.Connection) -> list[Generation]:
    """Return all generations, oldest first."""
    rows = connection.execute(f"SELECT {_GENERATION} FROM generations ORDER BY id")
    return [Generation(*row) for row in rows]


def active_generation(connection: sqlite3.Connection) -> Generation | None:
    """Return the generation that serves, or None before the first."""
    row = connection.execute(f"SELECT {_GENERATION} FROM generations WHERE state = 'active'").fetchone()
    return Generation(*row) if row else None


def generation(connection: sqlite3.Connection, generation_id: int) -> Generation:
    """Return one generation. Raises UsageError if there is none with this id."""
    row = connection.execute(
        f"SELECT {_GENERATION} FROM generations WHERE id = ?", (generation_id,)
    ).fetchone()
    if row is None:
        raise UsageError(f"There is no generation {generation_id} of vectors in this library.")
    return Generation(*row)


def open_generation(
    connection: sqlite3.Connection, fingerprint: str, name: str, dimension: int
) -> Generation:
    """Find the generation of an embedder or begin it: active if none is, else building."""
    row = connection.execute(
        f"SELECT {_GENERATION} FROM generations WHERE fingerprint = ?", (fingerprint,)
    ).fetchone()
    if row:
        found = Generation(*row)
        if found.dimension != dimension:
            raise UsageError(
                f"The embedder {name!r} gives {dimension} dimensions, but its fingerprint {fingerprint!r} is "
                f"known with {found.dimension}; a fingerprint must change with the dimension."
            )
        return found
    state = "building" if active_generation(connection) else "active"
    generation_id = connection.execute(
        "INSERT INTO generations (fingerprint, name, dimension, state, created_at) VALUES (?, ?, ?, ?, ?)",
        (fingerprint, name, dimension, state, now()),
    ).lastrowid
    connection.execute(
        "INSERT INTO pending (generation_id, first_chunk, document_id, chunks) "
        "SELECT ?, first_chunk, id, chunks FROM documents WHERE chunks > 0",
        (generation_id,),
    )
    return generation(connection, int(generation_id or 0))


def activate_generation(connection: sqlite3.Connection, generation_id: int) -> None:
    """Let a generation serve; the one that served is retired and can be brought back."""
    generation(connection, generation_id)
    connection.execute("UPDATE generations SET state = 'retired' WHERE state = 'active'")
    connection.execute("UPDATE generations SET state = 'active' WHERE id = ?", (generation_id,))


def drop_generation(connection: sqlite3.Connection, generation_id: int) -> None:
    """Delete a generation and its vectors. Raises UsageError for the one that serves."""
    if generation(connection, generation_id).state == "active":
        raise UsageError(
            f"Generation {generation_id} is the one that serves; activate another before dropping it."
        )
    connection.execute("DELETE FROM pending WHERE generation_id = ?", (generation_id,))
    connection.execute("DELETE FROM vectors WHERE generation_id = ?", (generation_id,))
    connection.execute("DELETE FROM generations WHERE id = ?", (generation_id,))


def pending_documents(connection: sqlite3.Connection, generation_id: int, limit: int) -> list[int]:
    """Return up to `limit` documents that wait for vectors, those with the newest text first."""
    rows = connection.execute(
        "SELECT document_id FROM pending WHERE generation_id = ? ORDER BY first_chunk DESC LIMIT ?",
        (generation_id, limit),
    )
    return [int(document_id) for (document_id,) in rows]


def pending_counts(connection: sqlite3.Connection, generation_id: int) -> tuple[int, int]:
    """Return how many (documents, chunks) wait for vectors."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(chunks), 0) FROM pending WHERE generation_id = ?", (generation_id,)
    ).fetchone()
    return int(row[0]), int(row[1])


def missing_texts(
    connection: sqlite3.Connection, generation_id: int, document_ids: Sequence[int]
) -> list[tuple[bytes, str]]:
    """Return (hash, embedded text) of these documents' chunks without a vector, each text once."""
    rows = connection.execute(
        "SELECT min(c.id) FROM chunks c WHERE c.document_id IN (SELECT value FROM json_each(?)) "
        "AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.text_hash = c.text_hash AND v.generation_id = ?) "
        "GROUP BY c.text_hash ORDER BY 1",
        (json.dumps(list(document_ids)), generation_id),
    ).fetchall()
    found = chunks(connection, [chunk_id for (chunk_id,) in rows])
    return [
        (chunk.text_hash, f"{chunk.context}\n{chunk.text}" if chunk.context else chunk.text)
        for chunk in found.values()
    ]


def put_vectors(
    connection: sqlite3.Connection,
    generation_id: int,
    hashes: Sequence[bytes],
    vectors: NDArray[np.float16],
) -> None:
    """Store one vector per hash; hashes that have one already keep it.

    `vectors` is float16 (len(hashes), dimension). Raises UsageError for
    another shape or type and for values that are not finite.
    """
    dimension = generation(connection, generation_id).dimension
    if vectors.dtype != np.float16 or vectors.shape != (len(hashes), dimension):
        raise UsageError(
            f"Expected float16 vectors of shape {(len(hashes), dimension)}, "
            f"got {vectors.dtype} {vectors.shape}."
        )
    if not np.isfinite(vectors).all():
        raise UsageError("A vector holds an infinite or undefined value; the embedder is broken.")
    content = memoryview(np.ascontiguousarray(vectors).tobytes())
    width = 2 * dimension
    connection.executemany(
        "INSERT OR IGNORE INTO vectors (text_hash, generation_id, vector) VALUES (?, ?, ?)",
        (
            (text_hash, generation_id, content[row * width : (row + 1) * width])
            for row, text_hash in enumerate(hashes)
        ),
    )


def mark_embedded(connection: sqlite3.Connection, generation_id: int, document_ids: Sequence[int]) -> None:
    """Let the vectors of these documents be used. Those not waiting are left alone.

    Raises LibraryError, and marks none, if a document lacks a vector.
    """
    wanted = json.dumps(list(document_ids))
    incomplete = connection.execute(
        "SELECT c.document_id, count(*) FROM chunks c "
        "WHERE c.document_id IN (SELECT value FROM json_each(?)) "
        "AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.text_hash = c.text_hash AND v.generation_id = ?) "
        "GROUP BY c.document_id LIMIT 1",
        (wanted, generation_id),
    ).fetchone()
    if incomplete:
        raise LibraryError(
            f"Document {incomplete[0]} cannot be marked as embedded: {incomplete[1]} of its chunks have no "
            f"vector in generation {generation_id}. Store them first."
        )
    waiting = connection.execute(
        "DELETE FROM pending WHERE generation_id = ? "
        "AND document_id IN (SELECT value FROM json_each(?)) RETURNING document_id, first_chunk, chunks",
        (generation_id, wanted),
    ).fetchall()
    append_changes(connection, "vectors", sorted(waiting, key=lambda row: row[1]), generation_id)


def embedded_documents(
    connection: sqlite3.Connection, generation_id: int, document_ids: Sequence[int] | None
) -> list[tuple[int, int]]:
    """Return (id, number of chunks) of the documents whose vectors may be used, by id."""
    selection = "" if document_ids is None else "AND d.id IN (SELECT value FROM json_each(?2))"
    values = (generation_id,) if document_ids is None else (generation_id, json.dumps(list(document_ids)))
    return connection.execute(
        "SELECT d.id, d.chunks FROM documents d WHERE d.chunks > 0 AND NOT EXISTS "
        "(SELECT 1 FROM pending p WHERE p.generation_id = ?1 AND p.document_id = d.id) "
        f"{selection} ORDER BY d.id",
        values,
    ).fetchall()


def vectors_of_documents(
    connection: sqlite3.Connection, generation_id: int, document_ids: Sequence[int]
) -> list[tuple[int, NDArray[np.int64], NDArray[np.float16]]]:
    """Return (document id, chunk ids, float16 rows in the same order) of embedded documents, by id."""
    dimension = generation(connection, generation_id).dimension
    usable = embedded_documents(connection, generation_id, document_ids)
    rows = connection.execute(
        "SELECT c.document_id, c.id, v.vector FROM chunks c "
        "JOIN vectors v ON v.text_hash = c.text_hash AND v.generation_id = ? "
        "WHERE c.document_id IN (SELECT value FROM json_each(?)) ORDER BY c.document_id, c.id",
        (generation_id, json.dumps([document_id for document_id, _ in usable])),
    ).fetchall()
    ids = np.fromiter((row[1] for row in rows), dtype=np.int64, count=len(rows))
    content = b"".join(row[2] for row in rows)
    if len(rows) != sum(count for _, count in usable) or len(content) != len(rows) * 2 * dimension:
        raise LibraryDamaged(
            f"The ledger lacks vectors of generation {generation_id} that it should hold "
            f"({len(rows)} of {sum(count for _, count in usable)} chunks). Run: openbook verify"
        )
    matrix = np.frombuffer(content, dtype=np.float16).reshape(-1, dimension)
    found, start = [], 0
    for document_id, count in usable:
        found.append((int(document_id), ids[start : start + count], matrix[start : start + count]))
        start += count
    return found


def forget_unused_vectors(connection: sqlite3.Connection) -> int:
    """Delete the vectors of text that no chunk holds any more; return how many there were."""
    return connection.execute(
        "DELETE FROM vectors WHERE NOT EXISTS "
        "(SELECT 1 FROM chunks WHERE chunks.text_hash = vectors.text_hash)"
    ).rowcount
