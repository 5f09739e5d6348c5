"""Vectors of texts, as a library has them of its own.

Refused: truncating a vector to the `dimensions` asked for (only models that
were trained for it allow that), and cutting long texts off in silence: the
numbers of those that the model could not take whole are in `openbook.cut_off`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.serve.openai_api.errors import Refused, short

if TYPE_CHECKING:
    from starlette.requests import Request

    from openbook.embed import Embedder
    from openbook.serve.desk import Desk, Shelf
    from openbook.serve.openai_api.requests import Texts
    from openbook.types import FloatMatrix

AT_ONCE: Final = 64
"""Texts embedded between two looks at whether the client is still there: a second or two of work."""


def embedding_name(embedder: Embedder) -> str:
    """The name under which an embedder is a model: without its precision, "all-MiniLM-L6-v2"."""
    return embedder.name.partition(" (")[0]


async def desk_that_embeds(shelf: Shelf, model: str) -> tuple[Desk, Embedder]:
    """The library with this embedder, or of this name, and its embedder. Raises Refused."""
    known = []
    for desk in shelf:
        embedder = await desk.background.run(desk.library.embedder)
        if desk.name == model and embedder is None:
            raise Refused(
                f"The library {model!r} has no vectors: it is searched by words alone. Install a model with "
                "`openbook model install`, then run `openbook add`.",
                param="model",
            )
        if embedder is not None and model in (desk.name, embedder.name, embedding_name(embedder)):
            return desk, embedder
        known += [] if embedder is None else [embedding_name(embedder)]
    raise Refused(
        f"There is no embedding model {short(model)} here. There is: "
        f"{', '.join(map(repr, dict.fromkeys(known))) or 'none'}.",
        param="model",
        code="model_not_found",
        status=404,
    )


async def embedded(request: Request, shelf: Shelf, wanted: Texts) -> bytes:
    """The JSON answer to a request for embeddings. Stops when the client goes away.

    It is written piece by piece, in the threads that embed: two thousand
    vectors in one piece would keep every other request waiting for a second.
    """
    desk, embedder = await desk_that_embeds(shelf, wanted.model)
    if wanted.dimensions not in (None, embedder.dimension):
        raise Refused(
            f"dimensions is {wanted.dimensions}; {embedder.name} has vectors of {embedder.dimension}, and "
            "they cannot be cut.",
            param="dimensions",
        )
    data: list[bytes] = []
    counts: list[int] = []
    for first in range(0, len(wanted.texts), AT_ONCE):
        if await request.is_disconnected():
            break
        texts = wanted.texts[first : first + AT_ONCE]
        data.append(await desk.background.run_long(_rows, desk, texts, wanted, first))
        counts += await desk.background.run(embedder.count_tokens, texts)
    # A model's own marks (two, in BERT's family) take part in the most that it reads.
    cut_off = [number for number, tokens in enumerate(counts) if tokens > embedder.max_tokens - 2]
    tokens = sum(counts)
    rest = {
        "object": "list",
        "model": embedding_name(embedder),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "openbook": {"cut_off": cut_off, "fingerprint": embedder.fingerprint},
    }
    return b'{"data":[' + b",".join(data) + b"]," + json.dumps(rest)[1:].encode("ascii")


def _rows(desk: Desk, texts: Sequence[str], wanted: Texts, first: int) -> bytes:
    """The JSON of some rows of the list, without the list's brackets."""
    vectors = desk.library.embed(texts, role="query" if wanted.query else "document")
    rows = [
        {"object": "embedding", "index": first + number, "embedding": _row(vector, wanted)}
        for number, vector in enumerate(vectors)
    ]
    return json.dumps(rows, separators=(",", ":"))[1:-1].encode("ascii")


def _row(vector: FloatMatrix, wanted: Texts) -> str | list[float]:
    if wanted.base64:
        return base64.b64encode(np.ascontiguousarray(vector, "<f4").tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers
