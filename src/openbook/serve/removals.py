"""Removals that can be undone for a few seconds: hidden at once, carried out when the time is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openbook.errors import UsageError
from openbook.serve.jobs import Jobs
from openbook.serve.uploads import Uploads

if TYPE_CHECKING:
    from openbook.library import Library


@dataclass(frozen=True, slots=True)
class Removal:
    """Documents that are about to be removed. `until` is when (UTC, ISO 8601)."""

    id: str
    documents: tuple[int, ...]
    paths: tuple[str, ...]
    until: str


class Removals:
    """The pending removals of one library. Thread-safe."""

    def __init__(self, library: Library, jobs: Jobs, uploads: Uploads, undo_seconds: float) -> None:
        self._library = library
        self._jobs = jobs
        self._uploads = uploads
        self._undo_seconds = undo_seconds
        self._pending: dict[str, Removal] = {}

    def remove(self, document_ids: Sequence[int]) -> Removal:
        """Hide these documents now, and remove them when the time is over. Raises UsageError for others."""
        raise UsageError(f"{len(document_ids)} documents cannot be removed yet.")

    def undo(self, removal_id: str) -> Removal:
        """Bring back what a removal hid. Raises UsageError if it is carried out already, or unknown."""
        raise UsageError(f"There is no removal {removal_id!r} to undo.")

    def pending(self) -> list[Removal]:
        """What can still be undone."""
        return list(self._pending.values())

    def pending_documents(self) -> frozenset[int]:
        """The ids of all documents that are about to be removed."""
        return frozenset(number for removal in self._pending.values() for number in removal.documents)

    async def close(self) -> None:
        """Carry out at once what is pending."""
