"""Gives the ledger's documents their vectors, newest document first.

Embedding is the one slow step, so it comes last, in small commits, and only
for texts whose vector is not known under this embedder. Stopping it at any
moment loses at most one slice of work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from openbook.types import Progress

if TYPE_CHECKING:
    from openbook.embed import Embedder
    from openbook.index.ledger import Ledger
    from openbook.index.records import Generation

GROUP_DOCUMENTS: Final = 64
"""Documents completed together. A document is searched by vector once all its chunks have one."""

SLICE_TEXTS: Final = 256
"""Texts embedded between two commits: a few seconds of work."""

PUBLISH_SECONDS: Final = 3.0
"""How often finished documents are shown to the vector index while the run goes on."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Embedded:
    """How many chunks' vectors were computed, and how many were known already."""

    computed: int = 0
    reused: int = 0


def embed_pending(
    ledger: Ledger,
    generation: Generation,
    embedder: Embedder,
    *,
    publish: Callable[[], None],
    progress: Callable[[Progress], None],
) -> Embedded:
    """Compute every vector that `generation` still lacks.

    `publish` is called now and then, and at the end, to bring the vector index
    up to date. `progress` counts chunks.
    """
    _, total = ledger.pending_counts(generation.id)
    started = published = time.monotonic()
    computed = done = 0
    while documents := ledger.pending_documents(generation.id, GROUP_DOCUMENTS):
        for part in _slices(ledger.missing_texts(generation.id, documents), SLICE_TEXTS):
            vectors = embedder.embed([text for _, text in part], "document")
            ledger.put_vectors(generation.id, [key for key, _ in part], vectors.astype(np.float16))
            computed += len(part)
            done = min(done + len(part), total)
            elapsed = time.monotonic() - started
            eta = elapsed / computed * (total - done) if elapsed > 1 else None
            progress(Progress("embedding", done, total, eta_seconds=eta))
        ledger.mark_embedded(generation.id, documents)
        done = total - ledger.pending_counts(generation.id)[1]
        if time.monotonic() - published > PUBLISH_SECONDS:
            publish()
            published = time.monotonic()
    publish()
    return Embedded(computed, max(total - computed, 0))


def _slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
