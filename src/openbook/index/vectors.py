"""Cosine search over chunks: a scan of sign bits, then exact scores of the best few hundred.

Rows are derived from the ledger: the vector of a chunk, mixed with those of
its neighbours (see `surroundings`), in float16. In memory are 48 bytes of bits
a row (384 dimensions) and its ids; the rows themselves are read from disk as
needed. Whatever is wrong with the folder (missing, damaged, of another
library, generation or weight), `catch_up` makes it anew from the ledger and
says so in `note`.

Refused: a graph or inverted-list index. It must be built and trained, holds
the vectors in memory, and filters after the search, so that a filter may leave
too few or none. The scan filters before, and a new row is there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.index.bit_rows import products, sign_bits
from openbook.index.distinct import distinct
from openbook.index.row_files import Header, Loaded, RowFiles, Unusable
from openbook.index.surroundings import mix
from openbook.index.widening import widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.index.ledger import Ledger
    from openbook.index.records import Change

_REMOVED_SHARE: Final = 0.2
"""Above this share of removed rows the living ones are copied to new files."""
_SCREENED: Final = 4_000
"""So many rows with the fewest differing bits are looked at more closely …"""
_RESCORED: Final = 600
"""… and so many of them are read and scored exactly. Up to `_SMALL` rows half as many of each will do.

Recall@10 against exact search is .995 in a million rows drawn around 24,000 real sentences, .999 among those
themselves. Without the closer look, which costs a millisecond, it takes 2,500 rows read from disk.
"""
_SMALL: Final = 200_000
_FOR_ONE: Final = 400
"""So many rows are screened, and a quarter of them scored, where only the greatest cosine is asked for."""
_TOLERANCE: Final = 2e-3
"""Two float16 numbers this near are the same: another machine may round a sum differently."""
_STRETCH: Final = 16_384
"""Rows copied at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows as they were read: the ids of their chunks, shape (n,), and the rows, shape (n, dimension)."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def cosines(self, query: NDArray[np.float32]) -> dict[int, float]:
        """Return chunk id → cosine with a unit vector, shape (dimension,)."""
        return dict(zip(self.ids.tolist(), self._cosines(query).tolist(), strict=True))

    def nearest(self, query: NDArray[np.float32], limit: int) -> list[tuple[int, float]]:
        """Return the best `limit` (chunk id, cosine), best first, equal scores by lower id."""
        cosines = self._cosines(query)
        best = np.lexsort((self.ids, -cosines))[:limit]
        return list(zip(self.ids[best].tolist(), cosines[best].tolist(), strict=True))

    def _cosines(self, query: NDArray[np.float32]) -> NDArray[np.float64]:
        found = products(self.vectors, query)
        # The last digits depend on how the product was cut up; garbage on the disk must not be a best hit.
        bounded = np.where(np.isfinite(found), np.clip(found, -1.0, 1.0), -1.0)
        return bounded.astype(np.float64).round(6)


class VectorIndex:
    """Vector search over the chunks of one library in one generation of vectors.

    Searching is thread-safe; writing needs the library's write lock. Opening
    never writes and never fails: an index that is missing or unusable is empty
    (`sequence` 0) until the next `catch_up`, and `note` says why. With
    `library_id`, an index made from another library is unusable too.
    """

    def __init__(
        self,
        folder: Path,
        generation_id: int,
        dimension: int,
        *,
        surroundings_weight: float,
        library_id: str | None = None,
    ) -> None:
        self.note = ""
        self._files = RowFiles(folder)
        self._expected = Header(library_id or "", generation_id, dimension, surroundings_weight)
        self._loaded: Loaded | None = None
        self._stamp: tuple[int, ...] = ()
        self._open()

    @property
    def sequence(self) -> int:
        """The ledger's sequence number that the index holds; 0 when it holds nothing."""
        return self._loaded.header.sequence if self._loaded else 0

    @property
    def count(self) -> int:
        """Number of chunks."""
        return len(self._loaded.bits) if self._loaded else 0

    def close(self) -> None:
        """Let go of the files. The index is empty then; `reload` opens it again."""
        self._loaded, self._stamp = None, ()

    def reload(self) -> None:
        """See what another process has committed. Costs one `stat` when nothing has changed."""
        if self._files.stamp() != self._stamp:
            self._open()

    def catch_up(self, ledger: Ledger) -> int:
        """Follow the ledger; return how many of its changes were applied.

        An index that cannot be followed up is rebuilt, and `note` says why.
        Raises StorageFull, and LibraryError if the folder cannot be written.
        """
        self._expect(ledger.library_id)
        self.reload()
        if self._loaded is None:
            self.rebuild(ledger)
            return self.sequence
        changes = ledger.changes_since(self.sequence)
        if changes is None:
            self.note = "The vector index was too far behind and has been rebuilt."
            self.rebuild(ledger)
            return self.sequence
        if changes:
            self._apply(self._loaded, ledger, changes)
            self._open()
            self.purge()
        return len(changes)

    def rebuild(self, ledger: Ledger) -> None:
        """Make the index anew from the ledger, whatever is there, in flat memory.

        A usable index goes on serving readers until the new one is complete.
        """
        note = self.note
        self._expect(ledger.library_id)
        sequence = ledger.sequence
        with self._files.writing(self._beginning(ledger.library_id)) as writer:
            for _, ids, vectors in ledger.iterate_vectors(self._expected.generation_id):
                writer.add(ids, mix(vectors, self._expected.surroundings_weight))
            writer.commit(sequence)
        self._open()
        self.note = note

    def purge(self) -> None:
        """Copy the living rows to new files where many are removed. (Removed rows are zeros already.)"""
        loaded = self._loaded
        if loaded is None or loaded.header.removed <= _REMOVED_SHARE * loaded.header.rows:
            return
        with self._files.writing(self._beginning(loaded.header.library_id)) as writer:
            for start in range(0, len(loaded.bits), _STRETCH):
                part = slice(start, start + _STRETCH)
                writer.add(loaded.bits.ids[part], loaded.vectors.read(loaded.bits.rows[part]))
            writer.commit(loaded.header.sequence)
        self._open()

    def check(self, ledger: Ledger) -> list[str]:
        """Compare every row with the ledger; return problems in words."""
        self._expect(ledger.library_id)
        self._open()
        if self._loaded is None:
            return [self.note]
        problems = []
        if self.sequence != ledger.sequence:
            problems.append(f"The vector index is at change {self.sequence} of {ledger.sequence}.")
        expected = wrong = 0
        for _, ids, vectors in ledger.iterate_vectors(self._expected.generation_id):
            expected += len(ids)
            wrong += len(ids) - self._matching(
                self._loaded, ids, mix(vectors, self._expected.surroundings_weight)
            )
        if wrong or self.count != expected:
            problems.append(
                f"The vector index holds {self.count} rows of {expected}; {wrong} are missing or differ."
            )
        return problems

    def search(
        self, query: NDArray[np.float32], *, limit: int, within: NDArray[np.int64] | None = None
    ) -> list[tuple[int, float]]:
        """Return up to `limit` (chunk id, cosine), best first, equal scores by lower id.

        `query` is a unit vector, shape (dimension,). `within` holds the sorted
        ids of the chunks that may be found; None means all.
        """
        loaded = self._loaded
        if loaded is None or limit < 1:
            return []
        bits = loaded.bits
        positions = None if within is None else bits.positions_within(within)
        if not len(bits if positions is None else positions):
            return []
        part = 2 if len(bits) <= _SMALL else 1
        screened = bits.nearest(sign_bits(query[np.newaxis])[0], max(_SCREENED // part, 8 * limit), positions)
        likeliest = bits.likeliest(query, max(_RESCORED // part, 3 * limit // 2), screened)
        return _read(loaded, likeliest).nearest(query, limit)

    def nearest(self, query: NDArray[np.float32], *, within: NDArray[np.int64] | None = None) -> float | None:
        """Return the greatest cosine of all rows (or those `within`), None if there is none.

        Takes a third of the time of a search, because few rows are looked at
        closely: a row that is nearer by a hair may be missed.
        """
        loaded = self._loaded
        if loaded is None:
            return None
        bits = loaded.bits
        positions = None if within is None else bits.positions_within(within)
        if not len(bits if positions is None else positions):
            return None
        screened = bits.nearest(sign_bits(query[np.newaxis])[0], _FOR_ONE, positions)
        return _read(loaded, bits.likeliest(query, _FOR_ONE // 4, screened)).nearest(query, 1)[0][1]

    def cosines(self, query: NDArray[np.float32], chunk_ids: Sequence[int]) -> dict[int, float]:
        """Return the cosine of those of these chunks that have a row."""
        rows = self.rows(chunk_ids)
        return {} if rows is None else rows.cosines(query)

    def rows(self, chunk_ids: Sequence[int]) -> Rows | None:
        """Read the rows of those of these chunks that have one, before it is known what is asked of them."""
        loaded = self._loaded
        if loaded is None or not len(chunk_ids):
            return None
        wanted = np.array(sorted(set(chunk_ids)), dtype=np.int64)
        return _read(loaded, loaded.bits.positions(wanted))

    def _beginning(self, library_id: str) -> Header:
        """Return the header of new files without rows."""
        return replace(self._expected, library_id=library_id, epoch=self._files.next_epoch())

    def _expect(self, library_id: str) -> None:
        if self._expected.library_id != library_id:
            self._expected = replace(self._expected, library_id=library_id)
            self._stamp = ()

    def _open(self) -> None:
        """Load what is in the folder, or note why that is impossible."""
        self._stamp = self._files.stamp()
        try:
            self._reject_strangers(self._files.header())
            self._loaded, self.note = self._files.load(self._loaded), ""
        except Unusable as problem:
            self._loaded, self.note = None, str(problem)

    def _reject_strangers(self, header: Header) -> None:
        if self._expected.library_id and header.library_id != self._expected.library_id:
            raise Unusable("The vector index belongs to another library.")
        found = (header.generation_id, header.dimension)
        if found != (self._expected.generation_id, self._expected.dimension):
            raise Unusable("The vector index belongs to another model's vectors.")
        if header.surroundings_weight != self._expected.surroundings_weight:
            raise Unusable("The vector index was made with another weight of the surroundings.")

    def _apply(self, loaded: Loaded, ledger: Ledger, changes: Sequence[Change]) -> None:
        """Write the rows that the changes add and remove. Applying them again does no harm."""
        generation = self._expected.generation_id
        gone = [np.arange(c.first_chunk, c.last_chunk + 1) for c in changes if c.kind == "removed"]
        documents = {c.document_id for c in changes if c.kind == "vectors" and c.generation_id == generation}
        with self._files.writing(loaded.header) as writer:
            removed = [_rows(loaded, np.concatenate(gone))] if gone else []
            for _, ids, vectors in ledger.iterate_vectors(generation, sorted(documents)) if documents else ():
                mixed = mix(vectors, self._expected.surroundings_weight)
                if self._matching(loaded, ids, mixed) == len(ids):
                    continue
                removed.append(_rows(loaded, ids))
                writer.add(ids, mixed)
            if removed:
                writer.remove(distinct(np.concatenate(removed)))
            writer.commit(changes[-1].sequence)

    @staticmethod
    def _matching(loaded: Loaded, ids: NDArray[np.int64], vectors: NDArray[np.float16]) -> int:
        """Return how many of these chunks have such a row, bits included."""
        positions = loaded.bits.positions(ids)
        if len(positions) != len(ids):
            return len(positions)
        rows = loaded.bits.rows[positions]
        order = np.argsort(rows)
        stored = loaded.vectors.read(rows[order])
        with np.errstate(invalid="ignore"):  # garbage may hold infinite numbers
            near = np.abs(stored.astype(np.float32) - vectors[order].astype(np.float32)) <= _TOLERANCE
        same_bits = loaded.bits.bits_at(positions[order]) == sign_bits(stored)
        return int(np.count_nonzero(near.all(axis=1) & same_bits.all(axis=1)))


def _rows(loaded: Loaded, chunk_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row numbers of those of these chunks that have a row."""
    return loaded.bits.rows[loaded.bits.positions(chunk_ids)]


def _read(loaded: Loaded, positions: NDArray[np.int64]) -> Rows:
    """Return the rows at these positions."""
    rows = loaded.bits.rows[positions]
    order = np.argsort(rows)
    return Rows(loaded.bits.ids[positions][order], widened(loaded.vectors.recall(rows[order])))
