"""The maps of one library: drawn in the background when somebody looks, and again when the library changes.

Principal components are there after seconds; t-SNE runs in a process of its
own when it is asked for, with progress, and can be cancelled. Only the
coordinates of a t-SNE are kept on the disk (`maps/` in the library's folder),
under the state of the library that they belong to: they tell nothing of any
text, cost minutes, and are deleted with the first map of another state.

Refused: drawing while a request waits; and a map drawn again after each of a
thousand changes: while a library is being filled, the last map is shown and
drawn anew at most for a sixth of the time.
"""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openbook.errors import OpenbookError, UsageError
from openbook.serve.map_shapes import MapCluster, MapDocument, MapState, MapSummary, Method

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbook.lab.atlas import Atlas
    from openbook.lab.projections import TsneRun
    from openbook.library import Library
    from openbook.types import FloatMatrix

FOLDER: Final = "maps"
MOST_NAMED: Final = 2_000
"""Documents that a map names, the largest first. Points of the others have higher numbers."""
_REST: Final = 5.0
"""A map is drawn again after so many times the seconds that the last one took, and at least
`_LEAST_REST` seconds after it."""
_LEAST_REST: Final = 1.0
_LOG: Final = logging.getLogger("openbook.serve")


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """An atlas, its documents (largest first), and the number of each point's document, shape (n,)."""

    atlas: Atlas
    documents: tuple[MapDocument, ...]
    document_count: int
    numbers: NDArray[np.uint32]


@dataclass(slots=True)
class _Tsne:
    """How far the t-SNE of one atlas is."""

    state: MapState = "waiting"
    progress: float | None = None
    note: str = ""
    layout: FloatMatrix | None = None
    run: TsneRun | None = None


class Maps:
    """The maps of one library. Thread-safe. `hidden` gives the ids of documents that nobody should see."""

    def __init__(self, library: Library, name: str, hidden: Callable[[], frozenset[int]]) -> None:
        self._library = library
        self._name = name
        self._hidden = hidden
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="openbook-maps")
        self._drawn: Drawn | None = None
        self._version: tuple[int, int] | None = None
        self._drawing: Future[None] | None = None
        self._failure = ""
        self._rest_until = 0.0
        self._tsne = _Tsne()
        self._tsne_thread: threading.Thread | None = None
        self._closed = False

    def summary(self, method: Method, dimensions: int) -> MapSummary:
        """The map as it stands; it begins to be drawn where it is missing or outdated."""
        with self._lock:
            outdated = self._draw_if_due()
            drawn, tsne, computing = self._drawn, self._tsne, self._drawing is not None
            failure, version = self._failure, self._version
        if drawn is None:
            state: MapState = "computing" if computing else "failed" if failure else "empty"
            if state == "empty" and version is None:
                state = "computing"  # closed before the first one, or about to begin
            return MapSummary(self._name, method, dimensions, state, note=failure)
        note = failure
        progress = None
        if method == "tsne":
            state, note, progress = self._tsne_state(drawn, tsne)
        else:
            state = "ready"
        return self._described(
            drawn, method, dimensions, state=state, note=note, progress=progress, outdated=outdated
        )

    def points(self, method: Method, dimensions: int) -> tuple[bytes, str] | None:
        """The points of a map that is ready, and its version; None for any other.

        The bytes are little-endian, one array after the other: float32
        coordinates (n, dimensions), uint32 numbers of documents (n,), uint32
        chunk ids (n,), uint16 numbers of clusters (n,).
        """
        drawn = self._drawn
        layout = None if drawn is None else self._layout(drawn, method, dimensions)
        if drawn is None or layout is None:
            return None
        shown = self._shown(drawn)
        parts = (
            layout[shown].astype("<f4"),
            drawn.numbers[shown].astype("<u4"),
            drawn.atlas.chunk_ids[shown].astype("<u4"),
            drawn.atlas.clusters.labels[shown].astype("<u2"),
        )
        return b"".join(part.tobytes() for part in parts), self._version_of(drawn, layout)

    def place(self, question: str, method: Method, dimensions: int) -> tuple[float, ...] | None:
        """Where a question belongs on a map that is ready; None where it has no vector, or there is no map.

        On principal components it is projected like any chunk. On a t-SNE it
        goes among its nearest chunks (see `Atlas.place`).
        """
        drawn = self._drawn
        layout = None if drawn is None else self._layout(drawn, method, dimensions)
        vector = None if layout is None else self._library.question_vector(question)
        if drawn is None or layout is None or vector is None:
            return None
        from openbook.lab.atlas import flat

        features = drawn.atlas.basis.project(vector[None, :])
        if method == "pca":
            return tuple(flat(features, dimensions)[0].tolist())
        return tuple(drawn.atlas.place(features[0], layout).tolist())

    def start_tsne(self) -> None:
        """Begin the t-SNE of the map that is shown, unless it runs or is there.

        Raises UsageError where there is no map yet, or no t-SNE of this one.
        """
        from openbook.lab.projections import TsneRun, tsne_refusal

        with self._lock:
            drawn, tsne = self._drawn, self._tsne
            if drawn is None:
                raise UsageError("There is no map yet that t-SNE could begin with. Ask again in a moment.")
            if refusal := tsne_refusal(len(drawn.atlas)):
                raise UsageError(refusal)
            if tsne.state in ("computing", "ready") or self._closed:
                return

            def progress(share: float) -> None:
                tsne.progress = share

            tsne.state, tsne.progress, tsne.note = "computing", None, ""
            tsne.run = TsneRun(drawn.atlas.features, progress=progress)
            self._tsne_thread = threading.Thread(
                target=self._run_tsne, args=(drawn, tsne, tsne.run), name="openbook-tsne", daemon=True
            )
            self._tsne_thread.start()

    def cancel_tsne(self) -> None:
        """Stop a t-SNE that runs."""
        run = self._tsne.run
        if run is not None:
            run.cancel()

    def close(self) -> None:
        """Stop what runs, and wait until nothing reads the library any more."""
        with self._lock:
            self._closed = True
            self.cancel_tsne()
            thread = self._tsne_thread
        self._worker.shutdown(wait=True, cancel_futures=True)
        if thread is not None:
            thread.join()

    # -- drawing ---------------------------------------------------------------

    def _draw_if_due(self) -> bool:
        """Begin to draw where the library has changed (under the lock); returns whether it has."""
        outdated = self._version != self._library.version()
        rested = time.monotonic() >= self._rest_until
        if outdated and rested and self._drawing is None and not self._closed:
            self._drawing = self._worker.submit(self._draw)
        return outdated

    def _draw(self) -> None:
        started = time.monotonic()
        drawn, failure = None, ""
        version = self._library.version()
        try:
            drawn = self._atlas()
        except OpenbookError as error:
            failure = str(error)
        except Exception:  # noqa: BLE001
            _LOG.exception("The map of %s could not be drawn.", self._name)
            failure = "The map could not be drawn. The server's log says more."
        spent = time.monotonic() - started
        with self._lock:
            self._rest_until = time.monotonic() + max(_LEAST_REST, _REST * spent)
            self._drawing, self._failure = None, failure
            if failure:
                return
            self.cancel_tsne()
            self._drawn, self._version, self._tsne = drawn, version, _Tsne()
            if drawn is not None:
                self._tsne.layout = self._kept(drawn)
                self._tsne.state = "waiting" if self._tsne.layout is None else "ready"

    def _atlas(self) -> Drawn | None:
        import numpy as np

        from openbook.lab.atlas import draw

        atlas = draw(self._library)
        if atlas is None:
            return None
        ids, numbers, sizes = np.unique(atlas.document_ids, return_inverse=True, return_counts=True)
        order = np.argsort(-sizes, kind="stable")
        places = np.empty(len(ids), dtype=np.uint32)
        places[order] = np.arange(len(ids), dtype=np.uint32)
        largest = {int(ids[row]): int(sizes[row]) for row in order[:MOST_NAMED]}
        records = {record.id: record for record in self._library.documents() if record.id in largest}
        documents = tuple(
            MapDocument(number, records[number].path, records[number].title, chunks)
            if number in records
            else MapDocument(number, "", "", chunks)  # removed since its vectors were read
            for number, chunks in largest.items()
        )
        return Drawn(atlas, documents, len(ids), places[numbers])

    def _run_tsne(self, drawn: Drawn, tsne: _Tsne, run: TsneRun) -> None:
        from openbook.lab.projections import Cancelled

        try:
            layout = run.coordinates()
        except Cancelled:
            tsne.state = "cancelled"
        except OpenbookError as error:
            tsne.note, tsne.state = str(error), "failed"
        except Exception:  # noqa: BLE001
            _LOG.exception("The t-SNE of %s failed.", self._name)
            tsne.note, tsne.state = "The map could not be computed. The server's log says more.", "failed"
        else:
            tsne.note = self._keep(drawn, layout)
            tsne.layout = layout
            tsne.state = "ready"

    # -- what is shown -----------------------------------------------------------

    def _tsne_state(self, drawn: Drawn, tsne: _Tsne) -> tuple[MapState, str, float | None]:
        from openbook.lab.projections import tsne_refusal

        if tsne.state == "waiting" and (refusal := tsne_refusal(len(drawn.atlas))):
            return "unavailable", refusal, None
        return tsne.state, tsne.note, tsne.progress if tsne.state == "computing" else None

    def _described(
        self,
        drawn: Drawn,
        method: Method,
        dimensions: int,
        *,
        state: MapState,
        note: str,
        progress: float | None,
        outdated: bool,
    ) -> MapSummary:
        import numpy as np

        from openbook.lab.projections import window

        layout = self._layout(drawn, method, dimensions) if state == "ready" else None
        if layout is None:
            return MapSummary(
                self._name, method, dimensions, state, outdated=outdated, progress=progress, note=note,
                count=len(drawn.atlas), total=drawn.atlas.total,
            )  # fmt: skip
        hidden = self._hidden()
        shown = self._shown(drawn)
        frame = window(layout[shown])
        atlas = drawn.atlas
        sizes = np.bincount(atlas.clusters.labels[shown], minlength=len(atlas.labels)).tolist()
        return MapSummary(
            library=self._name,
            method=method,
            dimensions=dimensions,
            state=state,
            version=self._version_of(drawn, layout),
            outdated=outdated,
            progress=progress,
            note=note,
            count=int(np.count_nonzero(shown)),
            total=atlas.total,
            centre=frame.centre,
            half=frame.half,
            shares=tuple(atlas.basis.shares[:dimensions].tolist()) if method == "pca" else (),
            document_count=drawn.document_count - len(hidden & set(np.unique(atlas.document_ids).tolist())),
            documents=tuple(
                one if one.id not in hidden else MapDocument(one.id, "", "", 0) for one in drawn.documents
            ),
            clusters=tuple(MapCluster(words, size) for words, size in zip(atlas.labels, sizes, strict=True)),
        )

    def _shown(self, drawn: Drawn) -> NDArray[np.bool_]:
        import numpy as np

        return ~np.isin(drawn.atlas.document_ids, sorted(self._hidden()))

    def _layout(self, drawn: Drawn, method: Method, dimensions: int) -> FloatMatrix | None:
        if method == "pca":
            return drawn.atlas.principal(dimensions)
        layout = self._tsne.layout if drawn is self._drawn else None
        return layout if layout is not None and dimensions == layout.shape[1] else None

    def _version_of(self, drawn: Drawn, layout: FloatMatrix) -> str:
        """Changes with the library, the layout, and what is hidden."""
        hidden = zlib.crc32(repr(sorted(self._hidden())).encode("ascii"))
        return f"{'-'.join(map(str, drawn.atlas.version))}-{zlib.crc32(layout.tobytes()):08x}-{hidden:08x}"

    # -- on the disk -----------------------------------------------------------

    def _file(self, drawn: Drawn) -> Path:
        state = "-".join(map(str, drawn.atlas.version))
        chunks = zlib.crc32(drawn.atlas.chunk_ids.tobytes())
        return self._library.path / FOLDER / f"tsne-{state}-{chunks:08x}.f32"

    def _kept(self, drawn: Drawn) -> FloatMatrix | None:
        """The t-SNE of exactly these chunks, if it was kept; those of other states are deleted."""
        import numpy as np

        file = self._file(drawn)
        with suppress(OSError):  # a folder that cannot be written keeps what it has; nothing depends on it
            for other in file.parent.glob("tsne-*.f32*"):
                if other != file:
                    other.unlink()
        try:
            found = np.fromfile(file, dtype="<f4") if file.stat().st_size == 8 * len(drawn.atlas) else None
        except OSError:
            return None
        if found is None or not np.isfinite(found).all():
            return None
        return found.reshape(-1, 2)

    def _keep(self, drawn: Drawn, layout: FloatMatrix) -> str:
        """Write a t-SNE to the disk; returns a note where that is impossible."""
        file = self._file(drawn)
        fresh = file.with_name(f"{file.name}.new")
        try:
            file.parent.mkdir(exist_ok=True)
            fresh.write_bytes(layout.astype("<f4").tobytes())
            fresh.replace(file)
        except OSError as error:
            return f"The map could not be kept for the next time: {error.strerror or error}."
        return ""
