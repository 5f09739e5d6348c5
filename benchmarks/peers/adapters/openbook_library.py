"""openbook as it comes: `Library.add` and `Library.search` with the default settings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.adapters.speaking import Found, Rebuilding, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openbook import Document, Library


class OpenbookLibrary(Rebuilding):
    """The public `Library`."""

    def load(self) -> None:
        """Import what adding and searching need; the model is loaded by the first text."""
        os.environ.setdefault("OPENBOOK_OFFLINE", "1")
        import openbook.library
        import openbook.retrieve  # noqa: F401

    def index(self, corpus: Path, store: Path) -> None:
        """Add a folder, or documents under the name of the collection."""
        from openbook import Library

        self._library: Library = Library(store)
        if corpus.is_dir():
            self._library.add(corpus)
        else:
            self._library.add_documents(_documents(corpus), source="collection")

    def open(self, store: Path) -> None:
        """Open the library."""
        from openbook import Library

        self._library = Library(store, create=False)

    def search(self, question: str, k: int) -> Found:
        """Hits; a hit that stands for exact copies stands for their documents too."""
        hits = self._library.search(question, k=k, per_document=1 if k > 10 else None)
        return [(name, hit.text) for hit in hits for name in (hit.path, *(c.path for c in hit.locations))]

    def again(self, folder: Path) -> str:
        """Add the folder."""
        self._library.add(folder)
        return "`Library.add` of the folder; it finds out itself what changed"

    def changed(self, folder: Path, file: str) -> str:
        """Add the folder."""
        return self.again(folder)

    def deleted(self, folder: Path, file: str) -> str:
        """Add the folder."""
        return self.again(folder)

    def chunks(self) -> int:
        """Chunks in the ledger."""
        return self._library.status().chunks


def _documents(corpus: Path) -> Iterator[Document]:
    from openbook import Document

    with corpus.open(encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            yield Document(
                path=str(row["_id"]),
                text=row["text"],
                media_type="text/plain",
                title=str(row.get("title") or ""),
                language="en",
            )


if __name__ == "__main__":
    serve(OpenbookLibrary)
