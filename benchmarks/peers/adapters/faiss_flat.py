"""faiss alone: sentence-transformers vectors of whole passages in a flat index. A raw limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters import shared_vectors
from benchmarks.peers.adapters.pieces import pieces_of
from benchmarks.peers.adapters.speaking import Found, Rebuilding, model_folder, serve


class Flat(Rebuilding):
    """Exact search by inner product over unit vectors."""

    def load(self) -> None:
        """Import both and load the model."""
        import faiss
        from sentence_transformers import SentenceTransformer

        shared_vectors.share()
        self._faiss: Any = faiss
        self._model: Any = SentenceTransformer(model_folder(), device="cpu")

    def index(self, corpus: Path, store: Path) -> None:
        """Embed and add everything."""
        self._pieces = pieces_of(corpus)
        texts = [text for _, text in self._pieces]
        vectors = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        self._index = self._faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)
        self._faiss.write_index(self._index, str(store / "flat.faiss"))
        (store / "pieces.json").write_text(json.dumps(self._pieces), encoding="utf-8")

    def open(self, store: Path) -> None:
        """Read the index."""
        self._index = self._faiss.read_index(str(store / "flat.faiss"))
        self._pieces = json.loads((store / "pieces.json").read_text(encoding="utf-8"))

    def search(self, question: str, k: int) -> Found:
        """The nearest k pieces."""
        vector = self._model.encode([question], normalize_embeddings=True, show_progress_bar=False)
        _, rows = self._index.search(vector, min(k, len(self._pieces)))
        return [tuple(self._pieces[row]) for row in rows[0].tolist()]

    def chunks(self) -> int:
        """Pieces."""
        return len(self._pieces)


if __name__ == "__main__":
    serve(Flat)
