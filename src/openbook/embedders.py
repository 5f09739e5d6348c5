"""From settings to the embedder that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openbook.backends import load
from openbook.errors import UsageError

if TYPE_CHECKING:
    from openbook.backends.onnx_graph import Precision
    from openbook.embed import Embedder
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
