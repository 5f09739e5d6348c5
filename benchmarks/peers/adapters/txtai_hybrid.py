"""txtai: one embeddings database with words, vectors and contents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.pieces import paragraphs, pieces_of
from benchmarks.peers.adapters.speaking import Found, Rebuilding, model_folder, serve


class Hybrid(Rebuilding):
    """`Embeddings(hybrid=True, content=True)`; rows are named "document#number"."""

    def load(self) -> None:
        """Import it and load the model."""
        from txtai import Embeddings

        self._embeddings: Any = Embeddings(path=model_folder(), hybrid=True, content=True, gpu=False)

    def index(self, corpus: Path, store: Path) -> None:
        """Index rows, and save."""
        pieces = pieces_of(corpus)
        self._embeddings.index((f"{name}#{n}", text) for n, (name, text) in enumerate(pieces))
        self._embeddings.save(str(store / "txtai"))

    def open(self, store: Path) -> None:
        """Load."""
        self._embeddings.load(str(store / "txtai"))

    def search(self, question: str, k: int) -> Found:
        """The best k rows with their text."""
        found = self._embeddings.search(question, k)
        return [(row["id"].rpartition("#")[0], row["text"]) for row in found]

    def changed(self, folder: Path, file: str) -> str:
        """Rows of the old file go, rows of the new one come."""
        self._forget(file)
        texts = paragraphs((folder / file).read_text(encoding="utf-8"))
        self._embeddings.upsert((f"{file}#{n}", text) for n, text in enumerate(texts))
        return "`delete` and `upsert` of the file's rows; it must be told which file"

    def deleted(self, folder: Path, file: str) -> str:
        """Rows of the file go."""
        self._forget(file)
        return "`delete` of the file's rows; it must be told which file"

    def _forget(self, file: str) -> None:
        rows = self._embeddings.search(
            "select id from txtai where id like :name", 100_000, parameters={"name": f"{file}#%"}
        )
        self._embeddings.delete([row["id"] for row in rows])

    def chunks(self) -> int:
        """Rows."""
        return int(self._embeddings.count())


if __name__ == "__main__":
    serve(Hybrid)
