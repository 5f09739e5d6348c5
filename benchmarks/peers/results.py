"""The results file: what was measured so far, written after each measurement, so that a run can go on.

It is one JSON object. A measurement that is there, failed ones included, is
not made again unless it is asked for.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of one system in one run.

    `figures` are named numbers, times in seconds and sizes in bytes; `notes`
    words; `questions` hold values by question for the statistics. `failure`
    says in one line why there are no figures.
    """

    system: str
    what: str
    run: int
    when: str = ""
    took: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    questions: dict[str, dict[str, float]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    failure: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What it is a measurement of."""
        return self.system, self.what, self.run


class Results:
    """The measurements of a results file, in the order in which they were made."""

    def __init__(self, path: Path, description: dict[str, Any] | None = None) -> None:
        self.path = path
        content: dict[str, Any] = {}
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
        self.description: dict[str, Any] = content.get("description", {}) | (description or {})
        self._made = {m.key: m for m in (Measurement(**row) for row in content.get("measurements", []))}

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self._made.values())

    def get(self, system: str, what: str, run: int = 1) -> Measurement | None:
        """One measurement, if it was made."""
        return self._made.get((system, what, run))

    def runs(self, system: str, what: str) -> list[Measurement]:
        """All runs of a measurement that did not fail."""
        return [m for m in self if (m.system, m.what) == (system, what) and not m.failure]

    def forget_failures(self) -> None:
        """Let what failed be tried again."""
        self._made = {key: m for key, m in self._made.items() if not m.failure}

    def keep(self, measurement: Measurement) -> None:
        """Add a measurement and write the file; a crash leaves the old file or the new one."""
        self._made[measurement.key] = measurement
        content = {"description": self.description, "measurements": [asdict(m) for m in self]}
        new = self.path.with_suffix(".new")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        new.replace(self.path)


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine() -> dict[str, str]:
    """What the figures depend on, in words."""
    cpu = "unknown"
    information = Path("/proc/cpuinfo")
    if information.is_file():
        rows = information.read_text(encoding="utf-8").splitlines()
        cpu = next((row.partition(":")[2].strip() for row in rows if row.startswith("model name")), cpu)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "processor": cpu,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "openbook commit": commit.stdout.strip() or "unknown",
    }
