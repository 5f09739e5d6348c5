"""What a map tells of itself: its state, its documents and clusters, and where a question belongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from openbook.types import Hits

Method: TypeAlias = Literal["pca", "tsne"]
MapState: TypeAlias = Literal["empty", "waiting", "computing", "ready", "cancelled", "failed", "unavailable"]


@dataclass(frozen=True, slots=True)
class MapDocument:
    """A document on a map. Its place in the list is its number at the points."""

    id: int
    path: str
    title: str
    chunks: int


@dataclass(frozen=True, slots=True)
class MapCluster:
    """A cluster of a map, named by its most telling words. Its place in the list is its number."""

    words: tuple[str, ...]
    chunks: int


@dataclass(frozen=True, slots=True)
class MapSummary:
    """A map without its points.

    state        what it means
    empty        no chunk has a vector, so there is nothing to draw
    waiting      nobody has asked for this layout yet (t-SNE only)
    computing    it is being drawn; `progress` (0 to 1) says how far it is, None while unknown
    ready        the points can be fetched
    cancelled    somebody stopped it
    failed       `note` says why; it is tried again when it is asked for
    unavailable  it cannot be drawn here; `note` says why, and what to install

    `version` changes with the points. `outdated` says that the library has
    changed since. `count` points are on the map, of `total` chunks with a
    vector. `centre` and `half` are the window that shows nearly all of them.
    `documents` names the largest ones of `document_count`. `shares` say how much
    of the variance lies along each axis, for principal components.
    """

    library: str
    method: Method
    dimensions: int
    state: MapState
    version: str = ""
    outdated: bool = False
    progress: float | None = None
    note: str = ""
    count: int = 0
    total: int = 0
    centre: tuple[float, ...] = ()
    half: float = 1.0
    shares: tuple[float, ...] = ()
    document_count: int = 0
    documents: tuple[MapDocument, ...] = ()
    clusters: tuple[MapCluster, ...] = ()


@dataclass(frozen=True, slots=True)
class MapChunk:
    """The chunk of one point, for a reader. `text` is its beginning; `more` says that it goes on."""

    chunk_id: int
    document_id: int
    path: str
    title: str
    place: str
    heading: str
    start: int
    end: int
    text: str
    more: bool


@dataclass(frozen=True, slots=True)
class MapPlace:
    """Where a question belongs on a map, and what a search for it finds.

    `coordinates` is None where the question has no vector (words are searched
    alone) or the map is not ready. `how` is "projected" (principal components)
    or "neighbours" (t-SNE: the mean of its nearest chunks, the nearer the heavier).
    """

    coordinates: tuple[float, ...] | None
    how: Literal["projected", "neighbours"]
    hits: Hits
