"""How an adapter is spoken to: one JSON object a line in, one a line out.

    {"do": "search", "question": "how do I join two tables?", "k": 10, "texts": true}
    {"seconds": 0.0071, "result": [["joins.qmd", "the text of the chunk"], …]}
    {"failure": "ValueError: what happened"}

The clock runs around the call alone, inside the process, so that neither the
pipe nor the making of JSON is counted. Whatever a system prints goes to
stderr. Only the standard library is imported here: every environment has it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from benchmarks.peers.adapters import shared_vectors

Found: TypeAlias = list[tuple[str, str]]
"""What a search found, best first: (name of the document, text of the chunk)."""


class NoWay(Exception):
    """The system documents no way to do this but indexing everything again."""


class Adapter(Protocol):
    """What the harness asks of a system. Methods for changes may raise NoWay.

    `corpus` is a BEIR file `corpus.jsonl` or a folder of text files; `store` is
    a folder of the system's own. `again`, `changed` and `deleted` bring the
    index in line with a folder and return in words how that was done; `file` is
    the one that changed or went, for systems that must be told.
    """

    def load(self) -> None:
        """Import the system and load the model: what every use of it needs first."""

    def index(self, corpus: Path, store: Path) -> None:
        """Index a corpus into an empty store, and write it to disk as the system does."""

    def open(self, store: Path) -> None:
        """Open what `index` of an earlier process wrote."""

    def search(self, question: str, k: int) -> Found:
        """The best `k` chunks."""

    def begin_following(self, folder: Path) -> None:
        """What must be done before changes can be followed, and is not timed."""

    def again(self, folder: Path) -> str:
        """Index a folder again in which nothing changed."""

    def changed(self, folder: Path, file: str) -> str:
        """Index a folder again in which one file changed."""

    def deleted(self, folder: Path, file: str) -> str:
        """Index a folder again in which one file is gone."""

    def chunks(self) -> int:
        """How many chunks the index holds."""


class Rebuilding:
    """An adapter whose system has no way to follow a folder, unless a method says otherwise."""

    def begin_following(self, folder: Path) -> None:
        """Nothing to prepare."""

    def again(self, folder: Path) -> str:
        """Raise NoWay."""
        raise NoWay("it documents no way to index a folder again")

    def changed(self, folder: Path, file: str) -> str:
        """Raise NoWay."""
        raise NoWay("it documents no way to index a changed file")

    def deleted(self, folder: Path, file: str) -> str:
        """Raise NoWay."""
        raise NoWay("it documents no way to delete a file")


def model_folder() -> str:
    """The folder with the weights, the same for every system."""
    return os.environ["PEERS_MODEL"]


def passages(corpus: Path) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of a BEIR corpus; a title that the text does not begin with stands before it."""
    with corpus.open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            title, text = str(row.get("title") or ""), str(row["text"])
            yield str(row["_id"]), text if not title or text.startswith(title) else f"{title}\n\n{text}"


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (path within the folder, text) of its text files, for systems that bring no loader."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_text(encoding="utf-8")


def texts_of(corpus: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of either kind of corpus."""
    return files(corpus) if corpus.is_dir() else passages(corpus)


def serve(make: Callable[[], Adapter]) -> None:
    """Answer the requests on stdin until it ends. With `--imports`, only import what the system needs."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if "--imports" in sys.argv:
        for name in sys.argv[sys.argv.index("--imports") + 1 :]:
            importlib.import_module(name)
        return
    adapter = make()
    for line in sys.stdin:
        print(json.dumps(_answer(adapter, json.loads(line))), file=answers, flush=True)


def _answer(adapter: Adapter, request: dict[str, Any]) -> dict[str, Any]:
    verb = request.pop("do")
    texts = request.pop("texts", False)
    if verb in ("again", "changed", "deleted"):
        shared_vectors.stop()  # these are timed
    places = {name: Path(request[name]) for name in ("corpus", "store", "folder") if name in request}
    try:
        started = time.perf_counter()
        result = getattr(adapter, verb)(**(request | places))
        seconds = time.perf_counter() - started
    except NoWay as error:
        return {"no_way": str(error)}
    # Whatever a system may raise is a result here: it is reported, and the next request comes.
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        return {"failure": f"{type(error).__name__}: {str(error)[:400]}"}
    if verb == "search" and not texts:
        result = [(name, "") for name, _ in result]
    return {"seconds": seconds, "result": result}
