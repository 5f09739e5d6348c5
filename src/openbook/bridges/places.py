"""What a framework is told about a hit beside its text: plain values, under the same names for each."""

from __future__ import annotations

from typing import TypeAlias

from openbook.types import Hit

Metadata: TypeAlias = dict[str, str | int | float | None]


def metadata_of(hit: Hit) -> Metadata:
    """Where a hit stands and how good it is. `start`/`end` are character offsets into its document.

    `source` is the path once more, under the name that both frameworks' own
    chains look for. `page` is None where the document has no pages.
    """
    return {
        "source": hit.path,
        "path": hit.path,
        "title": hit.title,
        "place": hit.place,
        "page": hit.page,
        "heading": hit.heading,
        "start": hit.start,
        "end": hit.end,
        "score": hit.score,
        "document_id": hit.document_id,
        "chunk_id": hit.chunk_id,
    }


def name_of(hit: Hit) -> str:
    """An id of this stretch of text within its library: the same as long as the document does not change."""
    return f"{hit.document_id}:{hit.start}-{hit.end}"
