"""The library as Parquet tables, read back by pyarrow."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openbook.backends.parquet import CHUNKS_NAME, DOCUMENTS_NAME, export_parquet
from openbook.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from tests.index_ledger.conftest import Shelf

parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")


def test_tables_hold_what_the_ledger_holds(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openbook.backends.parquet._GROUP_CHUNKS", 4)
    generation = shelf.ledger.open_generation("fp", "model", 8)
    for number in range(5):
        shelf.put(f"{number}.txt", f"text {number}\n\nmöre", title=f"T{number}", metadata={"n": number})
    shelf.embed(generation)
    waiting = shelf.put("new.txt", "new")
    shelf.put("empty.txt", "")
    folder = export_parquet(shelf.ledger, tmp_path / "tables")
    assert sorted(path.name for path in folder.iterdir()) == [CHUNKS_NAME, DOCUMENTS_NAME]

    documents = parquet.read_table(folder / DOCUMENTS_NAME).to_pylist()
    assert [row["path"] for row in documents] == [record.path for record in shelf.ledger.documents()]
    assert json.loads(documents[1]["metadata"]) == {"n": 1}
    assert documents[1]["source"] == "/somewhere"

    file = parquet.ParquetFile(folder / CHUNKS_NAME)
    assert file.num_row_groups > 1
    rows = {row["chunk_id"]: row for row in file.read().to_pylist()}
    assert len(rows) == shelf.ledger.counts().chunks == 11
    for chunk in shelf.ledger.chunks(sorted(rows)).values():
        row = rows[chunk.id]
        assert (row["text"], row["start"], row["end"]) == (chunk.text, chunk.start, chunk.end)
        assert (row["title"], row["page"], row["place"]) == (chunk.title, chunk.page, chunk.place)
    vectors = {
        chunk_id: vector
        for _, ids, matrix in shelf.ledger.iterate_vectors(generation.id, None)
        for chunk_id, vector in zip(ids.tolist(), matrix, strict=True)
    }
    for chunk_id, row in rows.items():
        if row["document_id"] == waiting:
            assert row["vector"] is None
        else:
            assert np.array_equal(np.array(row["vector"], dtype=np.float16), vectors[chunk_id])
    assert str(file.schema_arrow.field("vector").type) == "fixed_size_list<element: float>[8]"


def test_a_library_without_vectors_has_no_column_for_them(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("a.txt", "one")
    export_parquet(shelf.ledger, tmp_path)
    export_parquet(shelf.ledger, tmp_path)  # again: the tables are replaced
    table = parquet.read_table(tmp_path / CHUNKS_NAME)
    assert "vector" not in table.column_names
    assert table.column("text").to_pylist() == ["one"]


def test_an_empty_library_gives_empty_tables(shelf: Shelf, tmp_path: Path) -> None:
    export_parquet(shelf.ledger, tmp_path)
    assert parquet.read_table(tmp_path / CHUNKS_NAME).num_rows == 0
    assert parquet.read_table(tmp_path / DOCUMENTS_NAME).num_rows == 0


def test_a_file_in_place_of_the_folder(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="cannot be written"):
        export_parquet(shelf.ledger, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_without_pyarrow_the_install_line_is_named(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"openbook\[parquet\]"):
        export_parquet(shelf.ledger, tmp_path / "tables")
    assert not (tmp_path / "tables").exists()
