"""From settings to the embedder that they name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from openbook.backends import load
from openbook.errors import UsageError

if TYPE_CHECKING:
    from openbook.backends.onnx_graph import Precision
    from openbook.embed import Embedder
    from openbook.index.records import Generation
    from openbook.settings import Settings


def open_embedder(settings: Settings) -> Embedder | None:
    """The embedder of `settings.embedder` ("scheme:name"); None if its model is not installed.

    Raises UsageError for an unknown scheme, ModelError for a damaged model.
    Nobody is contacted here, also where the embedder is an address.
    """
    scheme, _, name = settings.embedder.partition(":")
    if scheme == "onnx":
        from openbook.backends.model_store import find_model
        from openbook.backends.onnx_encoder import OnnxEmbedder

        precision: Precision = "float32" if settings.precision == "float32" else "int8"
        folder = find_model(
            name, precision=precision, model_folder=settings.model_folder, cache=settings.cache
        )
        if folder is None:
            return None
        return OnnxEmbedder(folder, precision=precision, threads=settings.threads)
    if scheme == "hash":
        if not name.isdecimal():
            raise UsageError(f"Setting embedder is {settings.embedder!r}; expected a dimension: 'hash:384'.")
        from openbook.embed import HashEmbedder

        return HashEmbedder(int(name))
    if scheme == "openai":
        return _embedding_api(name, settings)
    opened: Embedder = load("embedder", scheme)(name)
    return opened


def _embedding_api(name: str, settings: Settings) -> Embedder:
    """An embedder behind the address of the settings. The limits are those of one process."""
    from openbook.backends.embedding_api import EmbeddingApi
    from openbook.backends.embedding_request import is_loopback
    from openbook.backends.limiter import Limiter

    if settings.offline and not is_loopback(settings.embedding_url):
        raise UsageError(
            f"Setting embedder is {settings.embedder!r} and embedding_url {settings.embedding_url!r}, but "
            "offline forbids all network use. Name a server on this machine, or set offline to false."
        )
    return EmbeddingApi(
        name,
        url=settings.embedding_url,
        dimension=settings.embedding_dimension,
        max_tokens=settings.embedding_tokens,
        prefixes={"query": settings.embedding_query_prefix, "document": settings.embedding_document_prefix},
        parallel=settings.parallel,
        retries=settings.model_retries,
        seconds=settings.model_seconds,
        limiter=Limiter(
            requests_per_minute=settings.requests_per_minute, tokens_per_minute=settings.tokens_per_minute
        ),
    )


def find_embedder(fingerprint: str, settings: Settings) -> Embedder | None:
    """An installed embedder with exactly this fingerprint, or None.

    Lets a library be searched with the model that it was built with after the
    settings have moved on to another one.
    """
    from openbook.backends.model_store import installed_models
    from openbook.backends.onnx_encoder import OnnxEmbedder

    for model in installed_models(settings.cache):
        for precision in model.precisions:
            candidate = OnnxEmbedder(
                model.folder,
                precision="float32" if precision == "float32" else "int8",
                threads=settings.threads,
            )
            if candidate.fingerprint == fingerprint:
                return candidate
    return None


class Embedders:
    """The embedder that a library is written with, and the one that it is searched with.

    They differ after the settings have moved on to another model: vectors of
    two models never meet. `given` replaces the settings' embedder. Each is
    opened once, when it is first wanted; several threads may ask.
    """

    def __init__(self, settings: Settings, given: Embedder | None = None) -> None:
        self._settings = settings
        self._configured = given
        self._opened = given is not None
        self._earlier: dict[str, Embedder | None] = {}
        self._opening = threading.Lock()

    def configured(self) -> Embedder | None:
        """The embedder of the arguments or the settings; None if its model is not installed."""
        with self._opening:
            if not self._opened:
                self._configured = open_embedder(self._settings)
                self._opened = True
            return self._configured

    def for_writing(self) -> tuple[Embedder | None, tuple[str, ...]]:
        """The embedder for new vectors, and what a person should know if there is none."""
        embedder = self.configured()
        return embedder, () if embedder is not None else (_WITHOUT_MODEL,)

    def for_searching(self, active: Generation | None) -> tuple[Embedder | None, tuple[str, ...]]:
        """The embedder whose vectors the active generation holds, no other, and notes."""
        if active is None:
            return None, ("This library has no vectors yet; it was searched by words alone.",)
        embedder = self.configured()
        if embedder is not None and embedder.fingerprint == active.fingerprint:
            return embedder, ()
        other = self._of(active.fingerprint)
        if other is not None:
            return other, ()
        if embedder is None:
            return None, (f"The model {active.name} is not installed; searched by words alone. {_INSTALL}",)
        note = (
            f"The library's vectors come from {active.name}, the settings name {embedder.name}: searched "
            "by words alone. Run `openbook add` to embed the library with the new model."
        )
        return None, (note,)

    def _of(self, fingerprint: str) -> Embedder | None:
        """The installed embedder with this fingerprint; looked for once, because that reads every model."""
        with self._opening:
            if fingerprint not in self._earlier:
                self._earlier[fingerprint] = find_embedder(fingerprint, self._settings)
            return self._earlier[fingerprint]


_INSTALL: Final = "Install it with: openbook model install"
_WITHOUT_MODEL: Final = (
    "No embedding model is installed, so the text can be found by its words only. "
    "Install one with `openbook model install`, then run `openbook add` again."
)
