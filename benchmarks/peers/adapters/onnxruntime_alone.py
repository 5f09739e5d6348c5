"""ONNX Runtime alone, with openbook's model file and nothing of openbook: what embedding itself costs.

Texts run one by one on as many threads as there are cores, which is what that
file is made for; the best pieces are found by one product of matrices.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.pieces import pieces_of
from benchmarks.peers.adapters.speaking import Found, Rebuilding, serve


class Alone(Rebuilding):
    """Tokenizer, session, dot product."""

    def load(self) -> None:
        """Load tokenizer and model."""
        import numpy as np
        import onnxruntime
        import tokenizers

        folder = Path(os.environ["PEERS_ONNX"])
        graph = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["graphs"]["int8"]["file"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._numpy: Any = np
        self._session: Any = onnxruntime.InferenceSession(str(folder / graph), options)
        self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(256)
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def _embed(self, texts: list[str]) -> Any:
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]
        order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
        vectors = self._numpy.empty((len(rows), 384), self._numpy.float32)

        def run(index: int) -> None:
            ids = self._numpy.array([rows[index]], self._numpy.int32)
            vectors[index] = self._session.run(None, {"ids": ids})[0][0]

        list(self._threads.map(run, order))
        return vectors

    def index(self, corpus: Path, store: Path) -> None:
        """Embed every piece."""
        self._pieces = pieces_of(corpus)
        self._vectors = self._embed([text for _, text in self._pieces])
        self._numpy.save(store / "vectors.npy", self._vectors)
        (store / "pieces.json").write_text(json.dumps(self._pieces), encoding="utf-8")

    def open(self, store: Path) -> None:
        """Read the vectors."""
        self._vectors = self._numpy.load(store / "vectors.npy")
        self._pieces = json.loads((store / "pieces.json").read_text(encoding="utf-8"))

    def search(self, question: str, k: int) -> Found:
        """The nearest k pieces."""
        scores = self._vectors @ self._embed([question])[0]
        return [tuple(self._pieces[row]) for row in self._numpy.argsort(-scores)[:k].tolist()]

    def chunks(self) -> int:
        """Pieces."""
        return len(self._pieces)


if __name__ == "__main__":
    serve(Alone)
