"""What a library holds and how well it is, gathered from the ledger, the indexes and the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from openbook.tuned import tunings
from openbook.types import LibraryStatus, Outcome

if TYPE_CHECKING:
    from openbook.index.derived import DerivedIndexes
    from openbook.index.ledger import Ledger
    from openbook.tuned import Tuning


def library_status(path: Path, ledger: Ledger, indexes: DerivedIndexes) -> LibraryStatus:
    """What the library at `path` holds, how complete it is, and which files have problems."""
    counts = ledger.counts()
    active = ledger.active_generation()
    return LibraryStatus(
        path=str(path),
        documents=counts.documents,
        chunks=counts.chunks,
        embedded=indexes.embedded_chunks(),
        sequence=ledger.sequence,
        sources=tuple(source.root for source in ledger.sources()),
        outcomes=ledger.outcome_counts(),
        problems=tuple(_problems(ledger)),
        model=active.name if active else "",
        fingerprint=active.fingerprint if active else "",
        generations=tuple(f"{g.name}: {g.state}" for g in ledger.generations()),
        behind=indexes.behind(),
        bytes=_sizes(path),
        tunings=tuple(_in_words(tuning) for tuning in tunings(ledger)),
    )


def _in_words(tuning: Tuning) -> str:
    """ "2026-01-31: cosine_weight 0.8 → 0.65": what was changed, on which day."""
    changes = (f"{name} {tuning.before[name] or 'default'} → {new}" for name, new in tuning.after.items())
    return f"{tuning.at[:10]}: {', '.join(changes)}"


def _problems(ledger: Ledger) -> Iterator[Outcome]:
    for source in ledger.sources():
        for record in ledger.files(source.id).values():
            if record.outcome in ("failed", "skipped", "empty"):
                yield Outcome(record.path, record.outcome, record.reason, record.document_id)


def _sizes(path: Path) -> dict[str, int]:
    sizes = {"ledger": 0, "lexical": 0, "vectors": 0}
    for folder, _, files in os.walk(path):
        part = Path(folder).relative_to(path).parts
        for name in files:
            key = part[0] if part else "ledger"
            with suppress(FileNotFoundError):  # a writer in another process replaces files meanwhile
                sizes[key] = sizes.get(key, 0) + (Path(folder) / name).stat().st_size
    return sizes
