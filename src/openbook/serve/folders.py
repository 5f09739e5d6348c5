"""Which folders of the machine a caller may have read: what the server was told, and what the library holds.

Refused: comparing paths as they are written. A link inside an allowed folder
may lead anywhere, so a path counts as the place that it really names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openbook.errors import UsageError

if TYPE_CHECKING:
    from openbook.library import Library


class Folders:
    """The folders and files that may be synchronised into one library on request."""

    def __init__(self, allowed: Sequence[Path], library: Library) -> None:
        self._allowed = tuple(folder.resolve() for folder in allowed)
        self._library = library

    def check(self, path: str | Path) -> Path:
        """Return the place that `path` names, with all links resolved, if it may be synchronised.

        Allowed is what lies in an allowed folder or a source of the library,
        and a source whose files are all gone. Raises UsageError for any other
        place, for a relative path, for nothing that is there, and for the
        library's own folder.
        """
        place = self._resolved(path)
        own = self._library.path.resolve()
        if place.is_relative_to(own):
            raise UsageError(
                f"{str(path)!r} is part of the library itself. Name the folder with the documents."
            )
        roots = (*self._allowed, *self.sources())
        if not any(place.is_relative_to(root) for root in roots):
            raise UsageError(
                f"{str(path)!r} may not be read by this server. Allowed are: {_listed(roots)}. "
                "Allow more with: openbook serve --allow FOLDER"
            )
        if place not in roots and not place.exists():
            raise UsageError(f"There is nothing at {str(path)!r}. Name an existing folder or file.")
        return place

    def allowed(self) -> tuple[Path, ...]:
        """The folders that the server was told to allow, with links resolved."""
        return self._allowed

    def sources(self) -> tuple[Path, ...]:
        """The folders and files that the library holds already, but for its own uploads."""
        own = self._library.path.resolve()
        places = (Path(source.root) for source in self._library.sources() if source.kind != "memory")
        return tuple(place for place in places if not place.is_relative_to(own))

    def _resolved(self, path: str | Path) -> Path:
        if not str(path) or "\0" in str(path):
            raise UsageError(f"{str(path)!r} is no path; expected that of a folder or file on the server.")
        place = Path(path)
        if not place.is_absolute():
            raise UsageError(f"{str(path)!r} is relative; expected an absolute path on the server.")
        try:
            return place.resolve()
        except (OSError, RuntimeError) as error:
            raise UsageError(f"{str(path)!r} cannot be followed ({error}); check its links.") from error


def _listed(roots: Sequence[Path]) -> str:
    return ", ".join(repr(str(root)) for root in roots) or "none so far"
