"""Files that people hand to a server: streamed to the disk, under names that stay in their folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from openbook.errors import FileTooLarge


class Uploads:
    """The folder of uploaded files of one library."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self._limit = limit

    async def receive(self, name: str, content: AsyncIterator[bytes]) -> Path:
        """Write one file. Raises FileTooLarge beyond the limit; nothing of it stays then."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / Path(name).name
        size = 0
        with target.open("wb") as stream:
            async for block in content:
                size += len(block)
                if size > self._limit:
                    raise FileTooLarge(f"{name!r} is larger than {self._limit:,} bytes.")
                stream.write(block)
        return target
