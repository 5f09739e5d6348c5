"""A system of forty lines that the harness can be tried with: words in common, in a JSON file."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from benchmarks.peers.adapters.pieces import pieces_of
from benchmarks.peers.adapters.speaking import Found, Rebuilding, serve


class Tiny(Rebuilding):
    """Ranks pieces by how many words of the question they hold."""

    def load(self) -> None:
        """Nothing; unless it is told to fail or to be slow."""
        print("a line that a chatty library prints on stdout")
        if os.environ.get("TINY") == "fails":
            raise ValueError("the tiny system was told to fail")
        if os.environ.get("TINY") == "dies":
            os._exit(7)
        if os.environ.get("TINY") == "hangs":
            time.sleep(600)

    def index(self, corpus: Path, store: Path) -> None:
        self._pieces = pieces_of(corpus)
        (store / "pieces.json").write_text(json.dumps(self._pieces))

    def open(self, store: Path) -> None:
        self._pieces = json.loads((store / "pieces.json").read_text())

    def search(self, question: str, k: int) -> Found:
        words = set(question.lower().strip("?").split())
        ranked = sorted(self._pieces, key=lambda piece: -len(words & set(piece[1].lower().split())))
        return [(name, text) for name, text in ranked[:k]]

    def changed(self, folder: Path, file: str) -> str:
        if os.environ.get("TINY") != "blind":
            self._pieces = pieces_of(folder)
        return "everything again"

    def deleted(self, folder: Path, file: str) -> str:
        return self.changed(folder, file)

    def chunks(self) -> int:
        return len(self._pieces)


if __name__ == "__main__":
    serve(Tiny)
