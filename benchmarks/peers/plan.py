"""Which measurements there are, in which order, and about how long each takes.

What is timed is timed in rounds in which the systems take turns, so that a
machine that is slower for a while is slower for all. The order is by value:
when the total time is up, what is left out is what matters least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.peers.corpora import COLLECTIONS
from benchmarks.peers.systems import System

TIMED: Final = ("imports", "book", "questions", "changes")
"""Measured once in each round."""


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement to be made."""

    system: System
    what: str
    run: int

    def __str__(self) -> str:
        return f"{self.what} of {self.system.name}" + (f", run {self.run}" if self.what in TIMED else "")


def steps(systems: Sequence[System], *, runs: int, only: Sequence[str] = ()) -> Iterator[Step]:
    """Yield the steps: environments, quality, a timed round, the largest collection, the other rounds."""
    order = [("install", 1), ("quality:book", 1), ("quality:cranfield", 1), ("quality:mtrag-fiqa", 1)]
    rounds = [[(what, run) for what in TIMED] for run in range(1, runs + 1)]
    order += [*rounds[0], ("quality:mtrag-cloud", 1), *(step for later in rounds[1:] for step in later)]
    for what, run in order:
        if only and what not in only and what.split(":")[0] not in only:
            continue
        for system in systems:
            if _applies(system, what):
                yield Step(system, what, run)


def _applies(system: System, what: str) -> bool:
    """Limits follow no folder, and what ranks nothing by itself is only timed."""
    if what == "changes":
        return system.kind != "limit"
    return system.ranks or what in ("install", "imports", "book")


NAMES: Final = ("install", *(f"quality:{name}" for name in ("book", *COLLECTIONS)), *TIMED)
"""Every kind of measurement."""
