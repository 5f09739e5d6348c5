"""bm25s alone: Lucene's BM25 over whole documents, English stop words and Snowball stems. A raw limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.pieces import pieces_of
from benchmarks.peers.adapters.speaking import Found, Rebuilding, serve


class Words(Rebuilding):
    """Tokenize, index, retrieve, as the project's README does."""

    def load(self) -> None:
        """Import it and make the stemmer."""
        import bm25s
        import Stemmer

        self._bm25s: Any = bm25s
        self._stemmer = Stemmer.Stemmer("english")

    def index(self, corpus: Path, store: Path) -> None:
        """Index whole passages, or pieces of files."""
        self._pieces = pieces_of(corpus)
        texts = [text for _, text in self._pieces]
        tokens = self._bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)
        self._index = self._bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        self._index.index(tokens, show_progress=False)
        self._index.save(store / "bm25s")
        (store / "pieces.json").write_text(json.dumps(self._pieces), encoding="utf-8")

    def open(self, store: Path) -> None:
        """Load the index."""
        self._index = self._bm25s.BM25.load(store / "bm25s")
        self._pieces = json.loads((store / "pieces.json").read_text(encoding="utf-8"))

    def search(self, question: str, k: int) -> Found:
        """The best k pieces with any word in common."""
        tokens = self._bm25s.tokenize([question], stopwords="en", stemmer=self._stemmer, show_progress=False)
        rows, scores = self._index.retrieve(tokens, k=min(k, len(self._pieces)), show_progress=False)
        found = zip(rows[0].tolist(), scores[0].tolist(), strict=True)
        return [tuple(self._pieces[row]) for row, score in found if score > 0]

    def chunks(self) -> int:
        """Pieces."""
        return len(self._pieces)


if __name__ == "__main__":
    serve(Words)
