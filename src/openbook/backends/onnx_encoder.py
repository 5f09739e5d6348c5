"""The default embedder: an installed sentence encoder run by ONNX Runtime.

Made from a folder that `model_store` wrote. Constructing it reads one small
manifest, so that asking for the fingerprint or the dimension costs nothing;
tokenizer and weights are loaded by the first call that needs them.

Refused: PyTorch (gigabytes, and slower on a processor than this), and ONNX
Runtime's own telemetry, which from release 1.29 on writes a device id into the
user's cache and uploads events unless the environment forbids it before the
import.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openbook.backends.model_store import read_manifest
from openbook.embed import Role, batches
from openbook.errors import ModelError

if TYPE_CHECKING:
    import onnxruntime
    import tokenizers
    from numpy.typing import NDArray

    from openbook.backends.onnx_graph import Precision
    from openbook.types import FloatMatrix

BATCH_TOKENS = 2048
"""Padded tokens per run: the activations of a layer then stay in a core's cache."""


class OnnxEmbedder:
    """A BERT-like sentence encoder in int8 or float32 (see `openbook.embed.Embedder`).

    `folder` is what `find_model` or `install_model` returned. `threads` is the
    number of threads for one call; 0 means one per usable core.

    Raises ModelNotInstalled if `folder` holds no installed model, ModelError if
    it is damaged or was not installed in this precision.
    """

    def __init__(self, folder: Path, *, precision: Precision = "int8", threads: int = 0) -> None:
        manifest = read_manifest(folder)
        if precision not in manifest.graphs:
            known = ", ".join(sorted(manifest.graphs))
            raise ModelError(f"Precision {precision!r} was asked for; {manifest.name} is installed in {known}.")
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
        """Number of tokens of each text, special tokens and prefixes not counted."""
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encodings]

    def embed(self, texts: Sequence[str], role: Role) -> FloatMatrix:
        """Unit rows, shape (len(texts), dimension), in the order of `texts`.

        A text is cut off at `max_tokens`. The empty text has a vector too.
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        if not texts:
            return vectors
        prefix = self._manifest.prefixes.get(role, "")
        encodings = self.tokenizer.encode_batch_fast([prefix + text for text in texts])
        ids = [self._cut(encoding.ids) for encoding in encodings]
        with self._loading:
            session = self._session
        for batch in batches([len(row) for row in ids], budget=BATCH_TOKENS):
            vectors[batch] = session.run(None, _padded([ids[index] for index in batch], self._manifest.padding_id))[0]
        return vectors

    def _cut(self, ids: list[int]) -> list[int]:
        # The last id is the closing special token, which a text that is cut off keeps.
        return ids if len(ids) <= self.max_tokens else [*ids[: self.max_tokens - 1], ids[-1]]

    @cached_property
    def _tokenizer(self) -> tokenizers.Tokenizer:
        import tokenizers

        return tokenizers.Tokenizer.from_file(str(self._folder / self._manifest.tokenizer.file))

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # Spinning threads would burn the other cores between two queries.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        path = self._folder / self._graph.file
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _padded(rows: Sequence[Sequence[int]], padding_id: int) -> dict[str, NDArray[np.int32]]:
    lengths = np.array([len(row) for row in rows], np.int32)
    ids = np.full((len(rows), int(lengths.max())), padding_id, np.int32)
    for line, row in zip(ids, rows, strict=True):
        line[: len(row)] = row
    return {"ids": ids, "lengths": lengths}


def _usable_cores() -> int:
    # A container may allow fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
