"""The default embedder: an installed sentence encoder run by ONNX Runtime.

Made from a folder that `model_store` wrote. Constructing it reads one small
manifest, so that asking for the fingerprint or the dimension costs nothing;
tokenizer and weights are loaded by the first call that needs them (about
60 ms, imports included).

Every text is run alone and several run side by side: the vector of a text is
the same whatever else is embedded with it, in which order and on how many
threads (see `onnx_graph` for what batches would do to it).

Refused: PyTorch (gigabytes, and slower on a processor than this).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.backends.model_store import read_manifest, verify_file
from openbook.embed import Role
from openbook.errors import ModelError

if TYPE_CHECKING:
    import onnxruntime
    import tokenizers

    from openbook.backends.onnx_graph import Precision
    from openbook.types import FloatMatrix

HEAD_CHARACTERS: Final = 32
"""A text of more characters than this for each token that fits is first tried by its beginning."""


class OnnxEmbedder:
    """A BERT-like sentence encoder in int8 or float32 (see `openbook.embed.Embedder`).

    `folder` is what `find_model` or `install_model` returned. `threads` is how
    many texts are run side by side; 0 means one per usable core.

    Raises ModelNotInstalled if `folder` holds no installed model, ModelError if
    it is damaged or was not installed in this precision.
    """

    def __init__(self, folder: Path, *, precision: Precision = "int8", threads: int = 0) -> None:
        manifest = read_manifest(folder)
        if precision not in manifest.graphs:
            known = " and ".join(sorted(manifest.graphs))
            raise ModelError(
                f"The precision {precision!r} was asked for; {manifest.name} is installed in {known}. "
                f"Install it with: OPENBOOK_PRECISION={precision} openbook model install"
            )
        self._folder = folder
        self._manifest = manifest
        self._graph = manifest.graphs[precision]
        self._threads = threads if threads > 0 else _usable_cores()
        self._loading = threading.Lock()
        self.name = f"{manifest.name} ({precision})"
        self.fingerprint = self._graph.fingerprint
        self.dimension = manifest.dimension
        self.max_tokens = manifest.max_tokens

    @property
    def tokenizer(self) -> tokenizers.Tokenizer:
        """The model's tokenizer, truncation and padding off. Not to be changed."""
        with self._loading:
            return self._tokenizer

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each whole text, special tokens and prefixes not counted."""
        encodings = self.tokenizer.encode_batch_fast(
            [_valid(text) for text in texts], add_special_tokens=False
        )
        return [len(encoding) for encoding in encodings]

    def embed(self, texts: Sequence[str], role: Role) -> FloatMatrix:
        """Unit rows, shape (len(texts), dimension), in the order of `texts`.

        A text is cut off at `max_tokens`. The empty text has a vector too.
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        if not texts:
            return vectors
        with self._loading:
            session, tokenizer = self._session, self._tokenizer
        prefix = self._manifest.prefixes.get(role, "")
        heads = [self._head(tokenizer, prefix + _valid(text)) for text in texts]
        # A question is not worth waking the tokenizer's threads for.
        encodings = tokenizer.encode_batch_fast(heads) if len(heads) > 1 else [tokenizer.encode(heads[0])]
        rows = [self._cut(encoding.ids) for encoding in encodings]

        def run(index: int) -> None:
            vectors[index] = session.run(None, {"ids": np.array([rows[index]], np.int32)})[0][0]

        # The longest first, so that no thread is left alone with one at the end.
        _side_by_side(run, sorted(range(len(rows)), key=lambda index: -len(rows[index])), self._threads)
        return vectors

    def _head(self, tokenizer: tokenizers.Tokenizer, text: str) -> str:
        """As much of a very long text as decides its first `max_tokens` tokens."""
        size = HEAD_CHARACTERS * self.max_tokens
        # Runs of blanks make no tokens, so no number of characters is enough for certain. A few
        # tokens more than needed, because a word that is cut in two gives others at the end.
        while size < len(text) and len(tokenizer.encode(text[:size])) < self.max_tokens + 16:
            size *= 4
        return text[:size]

    def _cut(self, ids: list[int]) -> list[int]:
        # The last id is the closing special token, which a text that is cut off keeps.
        return ids if len(ids) <= self.max_tokens else [*ids[: self.max_tokens - 1], ids[-1]]

    @cached_property
    def _tokenizer(self) -> tokenizers.Tokenizer:
        import tokenizers

        verify_file(self._folder, self._manifest.tokenizer)
        return tokenizers.Tokenizer.from_file(str(self._folder / self._manifest.tokenizer.file))

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        from openbook.backends.onnx_session import open_session

        verify_file(self._folder, self._graph)
        return open_session(str(self._folder / self._graph.file))


def _side_by_side(run: Callable[[int], None], indices: Sequence[int], threads: int) -> None:
    """Call run(index) for every index on up to `threads` threads; the first error is raised."""
    if min(threads, len(indices)) <= 1:
        for index in indices:
            run(index)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(threads, len(indices)), "openbook-embed") as pool:
        futures = [pool.submit(run, index) for index in indices]
        try:
            for future in futures:
                future.result()
        except BaseException:
            # Ctrl-C, or a text that failed: what has not begun is not begun.
            pool.shutdown(cancel_futures=True)
            raise


def _valid(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, replaced by question marks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _usable_cores() -> int:
    # A container may allow fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
