"""Vectors that one system computed, taken over by the next one that embeds the same text.

Several systems call the same `SentenceTransformer.encode` with the same weights
on many of the same texts; computing each vector once makes it possible to
measure quality on 27,000 passages in an hour. Only runs that measure quality
share, never one that is timed. Vectors are kept by the versions of what
computes them and the tokens that the model reads: two long texts that begin
alike are one text to a model that cuts them off.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from typing import Any, Final

STEP: Final = 1024
"""Texts after which new vectors are written, so that a run that is cut short loses little."""

_sharing = False


def share() -> None:
    """Put a cache around `SentenceTransformer.encode`, in the file PEERS_VECTORS, if it is set."""
    global _sharing
    place = os.environ.get("PEERS_VECTORS")
    if not place:
        return
    from sentence_transformers import SentenceTransformer

    _sharing = True
    connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")
    encode = SentenceTransformer.encode

    def shared(model: Any, *given: Any, **options: Any) -> Any:
        texts = given[0] if given else None
        prompt = options.get("prompt") or model.prompts.get(options.get("prompt_name") or "")
        if not _sharing or not isinstance(texts, list) or len(texts) < 2 or prompt:
            return encode(model, *given, **options)
        return _known_or_new(connection, encode, model, texts)

    SentenceTransformer.encode = shared


def stop() -> None:
    """Compute every vector from now on."""
    global _sharing
    _sharing = False


def _known_or_new(connection: sqlite3.Connection, encode: Any, model: Any, texts: list[str]) -> Any:
    """Vectors of texts, float32 in rows: from the cache, the missing ones computed and put there."""
    import numpy as np

    kind = _kind(model)
    read = model.tokenizer(texts, truncation=True, max_length=model.max_seq_length)["input_ids"]
    keys = [hashlib.sha256(f"{kind}\0{tokens}".encode()).digest() for tokens in read]
    known: dict[bytes, bytes] = {}
    missing: dict[bytes, str] = {}
    for key, text in zip(keys, texts, strict=True):
        row = connection.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        if row:
            known[key] = row[0]
        else:
            missing[key] = text
    new = list(missing.items())
    for start in range(0, len(new), STEP):
        part = new[start : start + STEP]
        vectors = encode(
            model, [text for _, text in part], normalize_embeddings=True, show_progress_bar=False
        )
        rows = [
            (key, vector.astype(np.float32).tobytes()) for (key, _), vector in zip(part, vectors, strict=True)
        ]
        connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        known |= dict(rows)
    return np.array([np.frombuffer(known[key], dtype=np.float32) for key in keys])


def _kind(model: Any) -> str:
    """What a vector depends on besides the text. Refused: a model whose vectors are not of unit length."""
    import sentence_transformers
    import torch

    last = type(list(model.children())[-1]).__name__
    if last != "Normalize":
        raise ValueError(
            f"The model ends with {last!r}; vectors are shared only where it ends with Normalize."
        )
    return f"{sentence_transformers.__version__} {torch.__version__}"
