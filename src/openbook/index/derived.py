"""The two indexes that follow the ledger, kept as one: both are at the same truth or say so.

Writers call `publish_text` and `publish_vectors` under the write lock; readers
call `refresh`, which costs a few file stats when nothing changed. Nothing here
holds anything that the ledger does not: both indexes may be deleted at any
time and come back.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.errors import LibraryError, UsageError
from openbook.index.lexical import LexicalIndex
from openbook.types import Verification

if TYPE_CHECKING:
    from openbook.index.ledger import Ledger
    from openbook.index.records import Generation
    from openbook.index.vectors import VectorIndex

LEXICAL: Final = "lexical"
VECTORS: Final = "vectors"


class DerivedIndexes:
    """The lexical index and the vector index of the active generation."""

    def __init__(self, folder: Path, ledger: Ledger, *, surroundings_weight: float) -> None:
        self._folder = folder
        self._ledger = ledger
        self._surroundings_weight = surroundings_weight
        self._opening = threading.Lock()
        self._vectors: VectorIndex | None = None
        self._generation: Generation | None = None
        self._counted: tuple[tuple[int, int | None], tuple[int, int]] | None = None
        self.lexical = LexicalIndex(folder / LEXICAL)

    @property
    def vectors(self) -> VectorIndex | None:
        """The vector index of the active generation; None while there is no generation."""
        active = self._ledger.active_generation()
        with self._opening:
            if active is None:
                self._vectors, self._generation = None, None
            elif self._generation is None or self._generation.id != active.id:
                self._vectors, self._generation = self._open(active), active
            return self._vectors

    def refresh(self) -> None:
        """See what other processes have committed. Cheap when nothing changed."""
        self.lexical.reload()
        vectors = self.vectors
        if vectors is not None:
            vectors.reload()

    def behind(self) -> tuple[str, ...]:
        """Names of the indexes that do not hold the ledger's newest state."""
        newest = self._ledger.sequence
        late = [LEXICAL] if self.lexical.sequence != newest else []
        vectors = self.vectors
        if vectors is not None and vectors.sequence != newest:
            late.append(VECTORS)
        return tuple(late)

    def publish_text(self) -> None:
        """Make all text of the ledger findable by its words (under the write lock)."""
        self.lexical.catch_up(self._ledger)

    def publish_vectors(self) -> None:
        """Make all vectors of the active generation searchable (under the write lock)."""
        vectors = self.vectors
        if vectors is not None:
            vectors.catch_up(self._ledger)

    def reweigh(self, surroundings_weight: float) -> None:
        """From now on hold vectors that borrow so much from their neighbours.

        An index made with another weight is empty until `publish_vectors` has built it anew
        from the ledger, or until another process has.
        """
        with self._opening:
            if surroundings_weight != self._surroundings_weight:
                self._surroundings_weight = surroundings_weight
                self._vectors, self._generation = None, None

    def activate(self, generation: Generation) -> None:
        """Let a complete generation serve. Its index is built first, so that no search waits for it.

        The generation that served before is kept, so that it can be restored;
        older ones are dropped.
        """
        active = self._ledger.active_generation()
        if active is not None and active.id == generation.id:
            return
        self._open(generation).catch_up(self._ledger)
        self._ledger.activate_generation(generation.id)
        kept = {generation.id} | ({active.id} if active else set())
        for other in self._ledger.generations():
            if other.id not in kept and other.state == "retired":
                self._ledger.drop_generation(other.id)
                shutil.rmtree(self._vectors_folder(other), ignore_errors=True)

    def restore_generation(self) -> str:
        """Let the newest retired generation serve again, and return its name.

        Raises UsageError when there is none that covers the whole library.
        """
        retired = [g for g in self._ledger.generations() if g.state == "retired"]
        complete = [g for g in retired if self._ledger.pending_counts(g.id)[1] == 0]
        if not complete:
            incomplete = f" ({retired[-1].name} lacks vectors of newer documents)" if retired else ""
            raise UsageError(
                f"No earlier model's vectors can be restored{incomplete}. "
                "Name the model in the settings and run `openbook add` instead."
            )
        self.activate(complete[-1])
        return complete[-1].name

    def embedded_chunks(self) -> int:
        """Number of chunks that have a vector of the active generation."""
        return self._progress()[0]

    def _progress(self) -> tuple[int, int]:
        """(embedded chunks, all chunks). Counted once for each state of the ledger."""
        active = self._ledger.active_generation()
        key = (self._ledger.sequence, active.id if active is not None else None)
        if self._counted is None or self._counted[0] != key:
            chunks = self._ledger.counts().chunks
            pending = chunks if active is None else self._ledger.pending_counts(active.id)[1]
            self._counted = (key, (chunks - pending, chunks))
        return self._counted[1]

    def coverage(self) -> float:
        """Share (0 to 1) of the chunks that have a vector; 1 for an empty library."""
        embedded, chunks = self._progress()
        return embedded / chunks if chunks else 1.0

    def purge(self) -> tuple[str, ...]:
        """Leave no byte of removed text in any file (under the write lock). Returns notes."""
        self.lexical.purge(self._ledger)
        vectors = self.vectors
        if vectors is not None:
            vectors.purge()
        try:
            self._ledger.checkpoint()
        except LibraryError as error:
            return (f"Removed text may still be in the ledger's log: {error}",)
        return ()

    def verify(self, *, repair: bool) -> Verification:
        """Compare the ledger with itself and both indexes with the ledger."""
        problems = list(self._ledger.check())
        repaired: list[str] = []
        derived: list[LexicalIndex | VectorIndex] = [self.lexical]
        vectors = self.vectors
        if vectors is not None:
            derived.append(vectors)
        if self._ledger.sequence == 0:
            derived = []  # nothing was ever entered, so there is nothing that an index should hold
        for index in derived:
            found = index.check(self._ledger)
            if found and repair:
                index.rebuild(self._ledger)
                repaired.extend(found)
                found = index.check(self._ledger)
            problems.extend(found)
        counts = self._ledger.counts()
        checked = {
            "documents": counts.documents,
            "chunks": counts.chunks,
            "lexical": self.lexical.count,
            "embedded": self.embedded_chunks(),
            "vectors": vectors.count if vectors is not None else 0,
        }
        return Verification(tuple(problems), tuple(repaired), checked)

    def close(self) -> None:
        """Let go of all files."""
        self.lexical.close()
        if self._vectors is not None:
            self._vectors.close()

    def _open(self, generation: Generation) -> VectorIndex:
        from openbook.index.vectors import VectorIndex

        return VectorIndex(
            self._vectors_folder(generation),
            generation.id,
            generation.dimension,
            surroundings_weight=self._surroundings_weight,
        )

    def _vectors_folder(self, generation: Generation) -> Path:
        return self._folder / VECTORS / str(generation.id)
