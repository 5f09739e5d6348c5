"""Text to vectors by an OpenAI-compatible server: OpenAI's own, Ollama, llama.cpp, vLLM, TEI and others.

Texts leave in batches, several at a time, within the limits per minute, and are
tried again after passing failures; rows come back in the order of the texts
and of unit length, whatever the server does.

A vector belongs to the model's name: the same name at another address is taken
for the same model, so that a server can move. What else changes vectors
(dimension, cut, prefixes) is part of the fingerprint too.

Refused: the address as part of the fingerprint (to move a server would cost a
whole embedding), telling models apart by the vector of a probe (servers differ
in the last bits from one reply to the next), and counting with a tokenizer that
has to be downloaded first: tokens are estimated, on the high side.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import numpy as np

from openbook.backends.embedding_request import Endpoint, PassingFailure, check_url
from openbook.backends.in_threads import in_threads, nap
from openbook.backends.limiter import Limiter
from openbook.backends.retrying import LONGEST_WAIT, retrying
from openbook.chunk_tokens import EstimatingCounter
from openbook.errors import PromptTooLong, ReplyBroken, UsageError

if TYPE_CHECKING:
    from openbook.embed import Role
    from openbook.types import FloatMatrix

OPENAI: Final = "https://api.openai.com/v1"
KEYS: Final = ("OPENBOOK_MODEL_KEY", "OPENAI_API_KEY")
"""Where a key is looked for in the environment, the first that is set being taken; see `_key_for`."""
BATCH_TEXTS: Final = 64
BATCH_TOKENS: Final = 16_000
"""Most texts and (estimated) tokens of one request. Servers take at least as many, or say so; see `_rows`."""
_SHORTEST_CUT: Final = 64
_DIMENSIONS: Final = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""OpenAI's models at OpenAI's address, where a library can be opened without asking first."""


class EmbeddingApi:
    """An embedder behind an address (see the module's description).

    `dimension` asks for vectors of that length (not every model can), 0 takes
    the model's own, which the first reply tells. `sleep` replaces the waits
    between tries, for tests.
    """

    tokenizer = None

    def __init__(
        self,
        model: str,
        *,
        url: str = OPENAI,
        dimension: int = 0,
        max_tokens: int = 8000,
        prefixes: Mapping[Role, str] | None = None,
        parallel: int = 4,
        retries: int = 4,
        seconds: float = 120.0,
        limiter: Limiter | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        if not model:
            raise UsageError("The embedder 'openai:' names no model; expected openai:NAME.")
        self.model = model
        self.max_tokens = max_tokens
        check_url(url)
        at_openai = url.rstrip("/") == OPENAI
        self._endpoint = Endpoint(url, key=_key_for(url), seconds=seconds, needs_key=at_openai)
        self._asked = dimension
        self._dimension = dimension or (_DIMENSIONS.get(model, 0) if at_openai else 0)
        self._prefixes = {role: text for role, text in (prefixes or {}).items() if text}
        self._parallel, self._retries = parallel, retries
        self._limiter = limiter if limiter is not None else Limiter()
        self._sleep = sleep
        self._counter = EstimatingCounter()

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.model} (API, {self.dimension})"

    @property
    def fingerprint(self) -> str:
        """See Embedder. Raises LanguageModelError where the dimension must be asked for and cannot be."""
        parts = ["api", self.model, str(self.dimension), str(self.max_tokens)]
        if self._prefixes:
            text = "\0".join(f"{role}\0{self._prefixes[role]}" for role in sorted(self._prefixes))
            parts.append(hashlib.blake2b(text.encode(), digest_size=6).hexdigest())
        return "-".join([*parts, "1"])

    @property
    def dimension(self) -> int:
        """Length of a vector; asks the server once if nobody has said."""
        if not self._dimension:
            self.embed([""], "document")
        return self._dimension

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Estimated number of tokens of each text, rather too high than too low."""
        return self._counter.counts(texts)

    def embed(self, texts: Sequence[str], role: Role) -> FloatMatrix:
        """Unit rows, shape (len(texts), dimension). Raises LanguageModelError, UsageError."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        prepared = [self._prepared(text, role) for text in texts]
        batches = list(self._batches(prepared))
        rows: dict[int, FloatMatrix] = {}
        self._endpoint.prepare()
        if len(batches) == 1:
            rows[0] = self._rows(prepared, self._sleep or time.sleep)
        else:

            def call(batch: range, stop: threading.Event) -> FloatMatrix:
                return self._rows([prepared[n] for n in batch], self._sleep or nap(stop))

            threads = min(self._parallel, len(batches))
            rows = {batch.start: part for batch, part in in_threads(call, batches, threads=threads)}
        return np.concatenate([rows[start] for start in sorted(rows)])

    def _prepared(self, text: str, role: Role) -> str:
        """What is sent for a text: with its prefix, cut to the model's size, and never blank."""
        text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
        text = self._prefixes.get(role, "") + text
        if len(text) > self.max_tokens:  # else it cannot have more tokens
            starts = self._counter.starts(text)
            text = text[: starts[self.max_tokens]] if len(starts) > self.max_tokens else text
        return text if text.strip() else "."  # servers refuse a blank text, but each text has a row

    def _batches(self, texts: Sequence[str]) -> Iterator[range]:
        """Ranges of texts that are sent together."""
        room = BATCH_TOKENS
        if self._limiter.tokens_per_minute:
            room = min(room, self._limiter.tokens_per_minute)
        start = tokens = 0
        for number, count in enumerate(self._counter.counts(texts)):
            if number > start and (tokens + count > room or number - start == BATCH_TEXTS):
                yield range(start, number)
                start, tokens = number, 0
            tokens += count
        yield range(start, len(texts))

    def _rows(self, texts: Sequence[str], sleep: Callable[[float], None]) -> FloatMatrix:
        """Embed one batch; where the server finds it too large, in halves, a single text cut in half.

        How a single text is cut does not depend on those beside it.
        """
        try:
            return self._requested(texts, sleep)
        except PromptTooLong:
            if len(texts) == 1 and len(texts[0]) < _SHORTEST_CUT:
                raise
        if len(texts) == 1:
            return self._rows([texts[0][: len(texts[0]) // 2]], sleep)
        half = len(texts) // 2
        return np.concatenate([self._rows(texts[:half], sleep), self._rows(texts[half:], sleep)])

    def _requested(self, texts: Sequence[str], sleep: Callable[[float], None]) -> FloatMatrix:
        body: dict[str, Any] = {"model": self.model, "input": list(texts), "encoding_format": "float"}
        if self._asked:
            body["dimensions"] = self._asked
        tokens = sum(self._counter.counts(texts))

        def call() -> FloatMatrix:
            with self._limiter.request(tokens, sleep=sleep) as slot:
                try:
                    reply = self._endpoint.post(body)
                except PassingFailure as failure:
                    if failure.wait is not None and failure.wait <= LONGEST_WAIT:  # else nobody waits for it
                        self._limiter.pause(failure.wait)
                    raise
                slot.used(_used(reply, tokens))
            return self._checked(reply["data"], len(texts))

        try:
            return retrying(
                call,
                retries=self._retries,
                should_retry=lambda error: isinstance(error, PassingFailure),
                wait_of=lambda error: error.wait if isinstance(error, PassingFailure) else None,
                sleep=sleep,
            )
        except PassingFailure as failure:
            error = failure.error
            if (failure.wait or 0.0) > LONGEST_WAIT:
                rest = f"It wants to be left alone for {failure.wait:.0f} s; try again after that."
            else:
                rest = f"Tried {1 + self._retries} times (setting model_retries); try again later."
            raise type(error)(f"{error} {rest}") from failure

    def _checked(self, data: Sequence[Any], expected: int) -> FloatMatrix:
        """The rows of a reply, in the order of the texts and of unit length."""
        what = f"The model {self.model!r} at {self._endpoint.url!r}"
        try:
            # Servers may answer in any order; those that do not number their rows keep it.
            numbered = {int(entry.get("index", n)): entry["embedding"] for n, entry in enumerate(data)}
            with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
                rows = np.asarray([numbered[number] for number in range(expected)], dtype=np.float32)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            found = f"{what} gave {len(data)} rows for {expected} texts, or rows that are no vectors."
            raise ReplyBroken(
                f"{found} Expected one list of numbers, all of one length, for each text."
            ) from error
        if rows.ndim != 2 or len(numbered) != expected or not np.isfinite(rows).all():
            raise ReplyBroken(
                f"{what} gave rows of shape {rows.shape}; expected {expected} of finite numbers."
            )
        if self._dimension and rows.shape[1] != self._dimension:
            raise ReplyBroken(
                f"{what} gave vectors of length {rows.shape[1]}; expected {self._dimension}. Either it is "
                "not the model that it was, or it cannot shorten vectors: set embedding_dimension to 0."
            )
        norms = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        if not norms.all():
            raise ReplyBroken(
                f"{what} gave a vector of zeros, which has no direction. Is it an embedding model?"
            )
        self._dimension = rows.shape[1]
        return np.ascontiguousarray(rows / norms, dtype=np.float32)


def _key_for(url: str) -> str:
    """The key of the environment for an address; OpenAI's goes only to OpenAI's own, as in `model_names`."""
    parts, own = urlsplit(url), urlsplit(OPENAI)
    at_home = (parts.scheme, parts.hostname) == (own.scheme, own.hostname)
    names = KEYS if at_home else KEYS[:1]
    return next((os.environ[name] for name in names if os.environ.get(name)), "").strip()


def _used(reply: Mapping[str, Any], estimated: int) -> int:
    """The tokens that a request cost: what the server says, or else the estimate."""
    usage = reply.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if isinstance(total, int) and total > 0 else estimated
