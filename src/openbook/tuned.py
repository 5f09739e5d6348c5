"""What a library keeps of its tuning: values, an adapter, a calibration, and those before, to go back to.

All of it lies in the ledger's settings, so that an export carries it and an
older openbook, which does not know it, still opens the library:

    cosine_weight, surroundings_weight, chunk_tokens, candidates, title_weight, answer_threshold,
    sentence_distance   the values in use (see `openbook.settings`)
    adapter             the id of the adapter in use
    kept:adapter:ID     the adapter itself (see `openbook.adapting`)
    calibration         the id of the calibration of confidence in use
    kept:calibration:ID the calibration itself (see `openbook.calibrating`)
    kept:tunings        a list of what was changed, oldest first

Refused: a table of their own, which would be a new format of the ledger that
older programs cannot open, for a few hundred bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from openbook.errors import LibraryDamaged, UsageError

if TYPE_CHECKING:
    from openbook.adapting import Adapter
    from openbook.answer.calibration import Calibration
    from openbook.calibrating import FittedCalibration
    from openbook.embed import Embedder
    from openbook.index.derived import DerivedIndexes
    from openbook.index.ledger import Ledger
    from openbook.types import Chunk, Document

ADAPTER: Final = "adapter"
CALIBRATION: Final = "calibration"
CHANGEABLE: Final = (
    "cosine_weight", "surroundings_weight", "chunk_tokens", "candidates", "title_weight", "answer_threshold",
    "sentence_distance",
)  # fmt: skip
_ADAPTERS: Final = "kept:adapter:"
_CALIBRATIONS: Final = "kept:calibration:"
_TUNINGS: Final = "kept:tunings"
_MOST: Final = 20
"""Earlier tunings that can be taken back; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """One change: settings by name, as they are kept, before and after. None: the library kept none.

    `at` is UTC, ISO 8601. `measured` holds what was found when it was adopted
    (`gain`, `low`, `high`, `p`, `questions`).
    """

    at: str
    before: Mapping[str, str | None]
    after: Mapping[str, str | None]
    measured: Mapping[str, float] = field(default_factory=dict)


def tunings(ledger: Ledger) -> list[Tuning]:
    """What was adopted and not taken back, oldest first. Raises LibraryDamaged."""
    stored = ledger.kept(_TUNINGS)
    if stored is None:
        return []
    try:
        rows = json.loads(stored)
        return [
            Tuning(str(row["at"]), _texts(row["before"]), _texts(row["after"]), dict(row["measured"]))
            for row in rows
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LibraryDamaged(f"What this library keeps of its tunings cannot be read ({error!r}).") from error


@dataclass(frozen=True, slots=True)
class Tuner:
    """Changes the settings of one library, under its write lock.

    `chunk_anew` cuts all documents into chunks of so many tokens and embeds
    what is new.
    """

    ledger: Ledger
    indexes: DerivedIndexes
    chunk_anew: Callable[[int], None]

    def adopt(
        self,
        changes: Mapping[str, float | FittedCalibration],
        *,
        adapter: Adapter | None,
        measured: Mapping[str, float],
    ) -> Tuning:
        """Keep changed settings, a calibration and an adapter, together with what they replace.

        Raises UsageError for a setting that cannot be tuned.
        """
        wanted: dict[str, str | None] = {}
        texts: dict[str, str | None] = {}
        for name, value in changes.items():
            if isinstance(value, float | int) and name in CHANGEABLE:
                wanted[name] = str(value)
            elif not isinstance(value, float | int) and name == CALIBRATION:
                from openbook.calibrating import written as calibration_text

                wanted[name] = value.id
                texts[_CALIBRATIONS + value.id] = calibration_text(value)
            else:
                expected = ", ".join((*CHANGEABLE, CALIBRATION))
                raise UsageError(f"{name!r} cannot be tuned to {value!r}; expected {expected}.")
        if adapter is not None:
            from openbook.adapting import written

            wanted[ADAPTER] = adapter.id
            texts[_ADAPTERS + adapter.id] = written(adapter)
        present = self.ledger.settings()
        before = {name: present.get(name) for name in wanted}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        tuning = Tuning(now, before, wanted, dict(measured))
        self._change(wanted, [*tunings(self.ledger), tuning], texts)
        return tuning

    def undo(self) -> Tuning:
        """Restore what the newest tuning replaced. Raises UsageError if there is none."""
        earlier = tunings(self.ledger)
        if not earlier:
            raise UsageError("This library keeps no tuning that could be taken back.")
        self._change(earlier[-1].before, earlier[:-1], {})
        return earlier[-1]

    def _change(
        self,
        wanted: Mapping[str, str | None],
        entries: Sequence[Tuning],
        texts: Mapping[str, str | None],
    ) -> None:
        weight = wanted.get("surroundings_weight")
        if weight is not None:
            # The index first: should this process die now, the next one builds it for the old weight again.
            self.indexes.reweigh(float(weight))
            self.indexes.publish_vectors()
        with self.ledger.transaction():
            self.ledger.change_settings(texts)
            self.ledger.change_settings(wanted)
            _write(self.ledger, entries[-_MOST:])
        if tokens := wanted.get("chunk_tokens"):
            self.chunk_anew(int(tokens))


def rechunk(ledger: Ledger, chunk: Callable[[Document], list[Chunk]]) -> None:
    """Cut every document into chunks again, in one transaction. Vectors of texts known before are kept."""
    with ledger.transaction():
        # In the order of their chunks, which decides between hits that score the same.
        for record in sorted(ledger.documents(), key=lambda one: ledger.chunk_ids_at(one.id, [0])):
            file = ledger.file_of(record.id)
            document = ledger.document(record.id)
            if file is not None and (chunks := chunk(document)):
                ledger.put_document(record.source_id, document, chunks, file)


class AdapterInUse:
    """The library's adapter, read when it is first wanted and again when another one is in use."""

    def __init__(self) -> None:
        self._read: tuple[tuple[str, str], tuple[Adapter | None, str]] | None = None

    def of(self, ledger: Ledger, stored: Mapping[str, str], embedder: Embedder) -> tuple[Adapter | None, str]:
        """See `adapter_in_use`; several threads may ask."""
        key = (stored.get(ADAPTER, ""), embedder.fingerprint)
        read = self._read
        if read is None or read[0] != key:
            read = self._read = (key, adapter_in_use(ledger, stored, embedder))
        return read[1]


def adapter_in_use(
    ledger: Ledger, stored: Mapping[str, str], embedder: Embedder
) -> tuple[Adapter | None, str]:
    """The library's adapter for this embedder's questions, and a note for people.

    `stored` are the ledger's settings. A damaged adapter, and one of another
    model, is not used; the note says so. Without one, both are empty.
    """
    name = stored.get(ADAPTER)
    if name is None:
        return None, ""
    from openbook.adapting import read_adapter

    text = ledger.kept(_ADAPTERS + name)
    try:
        if text is None:
            raise LibraryDamaged(f"The adapter {name!r} is not in the library.")
        adapter = read_adapter(text)
    except LibraryDamaged as error:
        return None, f"The library's adapter is not used: {error} Take it back with: openbook tune --undo"
    if adapter.id != name:
        return None, f"The library's adapter is not used: it is {adapter.id!r}, not {name!r}."
    if (adapter.fingerprint, adapter.dimension) != (embedder.fingerprint, embedder.dimension):
        return None, "The library's adapter is not used: it was learned with another model's vectors."
    return adapter, f"Questions are adapted to this library (adapter {name})."


def calibration_in_use(
    ledger: Ledger, stored: Mapping[str, str], embedder: Embedder | None
) -> tuple[Calibration | None, tuple[str, ...]]:
    """The library's own calibration of confidence for this embedder, and notes for people.

    `stored` are the ledger's settings. A damaged one, and one of another model,
    is not used; a note says so. Without one, both are empty.
    """
    name = stored.get(CALIBRATION)
    if name is None or embedder is None:
        return None, ()
    from openbook.calibrating import read_calibration

    text = ledger.kept(_CALIBRATIONS + name)
    unused = "The library's own calibration of confidence is not used: "
    try:
        if text is None:
            raise LibraryDamaged(f"The calibration {name!r} is not in the library.")
        fitted = read_calibration(text)
    except LibraryDamaged as error:
        return None, (f"{unused}{error} Take it back with: openbook tune --undo",)
    if fitted.id != name:
        return None, (f"{unused}it is {fitted.id!r}, not {name!r}.",)
    if fitted.fingerprint != embedder.fingerprint:
        return None, (f"{unused}it was fitted with another model's vectors.",)
    return fitted.calibration, ()


def _write(ledger: Ledger, entries: Sequence[Tuning]) -> None:
    """Keep these tunings, and no adapter or calibration that none of them names (inside a transaction)."""
    settings = ledger.settings()
    changes: dict[str, str | None] = {}
    for name, prefix in ((ADAPTER, _ADAPTERS), (CALIBRATION, _CALIBRATIONS)):
        used = {one[name] for entry in entries for one in (entry.before, entry.after) if name in one}
        used.add(settings.get(name))
        kept = ledger.kept_names(prefix)
        changes |= dict.fromkeys(key for key in kept if key.removeprefix(prefix) not in used)
    changes[_TUNINGS] = json.dumps([asdict(entry) for entry in entries]) if entries else None
    ledger.change_settings(changes)


def _texts(row: Any) -> dict[str, str | None]:
    return {str(name): None if value is None else str(value) for name, value in row.items()}
