"""The same documents in chunks of other sizes, each in a library that is gone afterwards.

Everything is embedded again for each size: so many times what the first `add`
took, in time, and once the library's size on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from openbook.lab.tuning_scores import Scores
from openbook.types import Progress

if TYPE_CHECKING:
    from openbook.lab.tuning_questions import Asked
    from openbook.library import Library

RATIOS: Final = (0.5, 0.75, 1.5, 2.0)
"""Of the size that the library has; never more than the model reads of a text."""


def sizes(library: Library) -> list[int]:
    """The sizes to try, in the embedder's tokens."""
    embedder = library.embedder()
    most = embedder.max_tokens if embedder is not None else 0
    current = library.settings.chunk_tokens
    return sorted({min(round(current * ratio), most) for ratio in RATIOS} - {current})


def other_chunks(
    library: Library, asked: Sequence[Asked], progress: Callable[[Progress], None]
) -> Iterator[tuple[int, Scores]]:
    """Yield (tokens a chunk, the questions' scores) for every other size."""
    for size in sizes(library):
        with (
            TemporaryDirectory(prefix="openbook-tune-") as folder,
            _copied(library, folder, size, progress) as copy,
        ):
            yield size, Scores(copy, asked, progress=progress)


def _copied(
    library: Library, folder: str, chunk_tokens: int, progress: Callable[[Progress], None]
) -> Library:
    from openbook.library import Library as Opened

    settings = replace(library.settings, chunk_tokens=chunk_tokens)
    copy = Opened(folder, settings=settings, embedder=library.embedder())
    records = list(library.documents())
    for source in library.sources():
        copy.add_documents(
            (library.document(record.id) for record in records if record.source_id == source.id),
            source=source.root,
            progress=progress,
        )
    return copy
