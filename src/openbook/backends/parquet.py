"""The library as tables: `documents.parquet` and `chunks.parquet`, for pandas, DuckDB, Polars and others.

Refused: one table with the whole text of the document in every row, and the
mixed vectors of the index, which depend on a setting; the plain ones are what
the embedder made of each chunk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openbook.errors import MissingExtra, StorageFull, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbook.index.ledger import Ledger
    from openbook.index.records import DocumentRecord, Generation

DOCUMENTS_NAME: Final = "documents.parquet"
CHUNKS_NAME: Final = "chunks.parquet"

_GROUP_CHUNKS: Final = 8192
"""Chunks written at a time (a row group); memory does not grow with the library."""


def export_parquet(ledger: Ledger, folder: Path) -> Path:
    """Write both tables to `folder`, made if need be, and return it. Existing tables are replaced.

    documents  document_id, path, source, title, language, media_type, characters, chunks,
               added_at, modified_at, metadata (JSON)
    chunks     chunk_id, document_id, path, title, language, position, start, end, page, place,
               heading, context, text, metadata (JSON, of the document), and, once the library
               has vectors, vector: float32, a list of fixed size of the active generation, null
               where a chunk waits for one

    Raises MissingExtra without pyarrow, StorageFull, and UsageError where the
    folder cannot be written.
    """
    try:
        from pyarrow import parquet as _  # noqa: F401
    except ImportError as error:
        raise MissingExtra("Writing Parquet files", extra="parquet") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = {name: folder / f".{name}.partial" for name in (DOCUMENTS_NAME, CHUNKS_NAME)}
        try:
            _write_documents(ledger, partial[DOCUMENTS_NAME])
            _write_chunks(ledger, partial[CHUNKS_NAME])
            for name, path in partial.items():
                path.replace(folder / name)
        finally:
            for path in partial.values():
                path.unlink(missing_ok=True)
    except OSError as error:
        _raise_for(error, folder)
    return folder


def _write_documents(ledger: Ledger, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    sources = {source.id: source.root for source in ledger.sources()}
    text, number = pa.string(), pa.int64()
    schema = pa.schema(
        {
            "document_id": number,
            "path": text,
            "source": text,
            "title": text,
            "language": text,
            "media_type": text,
            "characters": number,
            "chunks": number,
            "added_at": text,
            "modified_at": text,
            "metadata": text,
        }
    )
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(ledger.documents()):
            rows = []
            for record in group:
                row = asdict(record) | {"document_id": record.id, "metadata": _json(record)}
                rows.append(row | {"source": sources.get(record.source_id, "")})
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _write_chunks(ledger: Ledger, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    generation = ledger.active_generation()
    text, number = pa.string(), pa.int64()
    columns: dict[str, Any] = {
        "chunk_id": number,
        "document_id": number,
        "path": text,
        "title": text,
        "language": text,
        "position": number,
        "start": number,
        "end": number,
        "page": number,
        "place": text,
        "heading": text,
        "context": text,
        "text": text,
        "metadata": text,
    }
    plain = pa.schema(columns)
    schema = plain
    if generation is not None:
        schema = plain.append(pa.field("vector", pa.list_(pa.float32(), generation.dimension)))
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(ledger.documents()):
            rows = _chunk_rows(ledger, group)
            table = pa.Table.from_pylist(rows, schema=plain)
            if generation is not None:
                vectors = _vectors(ledger, generation, [row["chunk_id"] for row in rows], group)
                table = table.append_column(schema.field("vector"), vectors)
            writer.write_table(table)


def _chunk_rows(ledger: Ledger, documents: Sequence[DocumentRecord]) -> list[dict[str, Any]]:
    rows = []
    for document in documents:
        metadata = _json(document)
        for chunk in ledger.document_chunks(document.id):
            rows.append(asdict(chunk) | {"chunk_id": chunk.id, "metadata": metadata})
    return rows


def _vectors(
    ledger: Ledger, generation: Generation, chunk_ids: Sequence[int], documents: Sequence[DocumentRecord]
) -> Any:
    """Return a pyarrow array with one list of `dimension` numbers, or null, per chunk id."""
    import numpy as np
    import pyarrow as pa

    row_of = {chunk_id: row for row, chunk_id in enumerate(chunk_ids)}
    matrix: NDArray[np.float32] = np.zeros((len(chunk_ids), generation.dimension), dtype=np.float32)
    missing = np.ones(len(chunk_ids), dtype=bool)
    for _, ids, vectors in ledger.iterate_vectors(generation.id, [document.id for document in documents]):
        for chunk_id, vector in zip(ids.tolist(), vectors, strict=True):
            row = row_of.get(chunk_id)
            if row is not None:  # a document that changed meanwhile has other chunks now
                matrix[row], missing[row] = vector, False
    values = pa.array(matrix.ravel())
    return pa.FixedSizeListArray.from_arrays(values, generation.dimension, mask=pa.array(missing))


def _groups(documents: Iterable[DocumentRecord]) -> Iterator[list[DocumentRecord]]:
    """Group documents so that a group has about `_GROUP_CHUNKS` chunks."""
    group: list[DocumentRecord] = []
    chunks = 0
    for document in documents:
        group.append(document)
        chunks += document.chunks + 1
        if chunks >= _GROUP_CHUNKS:
            yield group
            group, chunks = [], 0
    if group:
        yield group


def _json(document: DocumentRecord) -> str:
    return json.dumps(dict(document.metadata), ensure_ascii=False)


def _raise_for(error: OSError, folder: Path) -> None:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise StorageFull(f"There is no room for the tables in {str(folder)!r} ({error}).") from error
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR):
        raise UsageError(f"The tables cannot be written to {str(folder)!r} ({error}).") from error
    raise error
