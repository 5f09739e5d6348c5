"""The replaceable parts of openbook: one optional or exchangeable dependency per file.

This module is the registry: one table from kind and scheme ("onnx" in
"onnx:all-MiniLM-L6-v2") to the place of a class, which is imported only when
asked for. Other packages extend the table with an entry point in the group
`openbook.<kind>`, in the same form as the built-ins; a built-in scheme cannot
be taken over, because a library's vectors depend on what it means.

Refused: importing all backends to see which work, and plug-ins that register
themselves when imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from openbook.errors import UsageError

TABLE: Final[dict[str, dict[str, str]]] = {
    "embedder": {
        "hash": "openbook.embed:HashEmbedder",
        "onnx": "openbook.backends.onnx_encoder:OnnxEmbedder",
        "openai": "openbook.backends.embedding_api:EmbeddingApi",
    },
    "generator": {
        "quote": "openbook.answer.quoting:QuotingGenerator",
    },
}


def load(kind: str, scheme: str) -> Any:
    """The class behind a scheme, such as load("embedder", "onnx").

    Raises UsageError for an unknown kind or scheme, naming the known ones, and
    for a place that holds no such class.
    """
    if kind not in TABLE:
        raise UsageError(f"Unknown kind of backend {kind!r}; expected one of: {', '.join(sorted(TABLE))}.")
    place = TABLE[kind].get(scheme)
    if place is None:
        places = schemes(kind)
        if scheme not in places:
            raise UsageError(f"Unknown {kind} {scheme!r}; known ones: {', '.join(sorted(places))}.")
        place = places[scheme]
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except AttributeError as error:
        message = f"The {kind} {scheme!r} is registered as {place!r}, which does not exist."
        raise UsageError(message) from error


def schemes(kind: str) -> dict[str, str]:
    """All schemes of a kind with their places, those of entry points included."""
    # Here, and not at the top: reading the entry points of all packages takes milliseconds.
    from importlib.metadata import entry_points

    added = {point.name: point.value for point in entry_points(group=f"openbook.{kind}")}
    return {**added, **TABLE[kind]}
