"""Counts tokens as a language model does, where its tokenizer is on this machine; estimates them otherwise.

Looked for, in this order: a `tokenizer.json` that the user's settings name; one
in the folder that the model's name is, or in the cache of Hugging Face under
that name; for the models of OpenAI, the encoding in tiktoken's cache. What was
counted with is said (`counted_by`), so that nobody takes an estimate for a count.

Refused: tiktoken's own way of getting an encoding, which downloads it without
a word; `download_encoding` does that, on demand, naming the host. Refused too:
asking a server to count, which would put a request before every request.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from openbook.backends.token_estimate import LARGE, SMALL, Weights, estimate
from openbook.errors import ModelError, UsageError

if TYPE_CHECKING:
    from tiktoken import Encoding
    from tokenizers import Tokenizer

ESTIMATE: Final = "estimate"
"""What `counted_by` says where no tokenizer is at hand."""
HOST: Final = "openaipublic.blob.core.windows.net"
"""Where tiktoken gets the encodings of OpenAI's models from."""

_FILES: Final = {
    "cl100k_base": ("cl100k_base", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
    "o200k_base": ("o200k_base", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
    "o200k_harmony": ("o200k_base", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
}
"""Encodings of OpenAI's chat models: the file of each at HOST, and its SHA-256."""

_LARGE_VOCABULARIES: Final = re.compile(
    r"(?:^|[/:_.-])(?:gpt-?[45]|gpt-oss|chatgpt|o[134](?:$|-)|llama-?[34]|meta-llama-?3|qwen|qwq|deepseek|gemma"
    r"|gemini|command-[ar]|phi-?4|grok|glm-?4|kimi|mistral-(?:nemo|small|medium|large)|ministral|magistral|devstral)",
    re.IGNORECASE,
)
"""Names of models whose vocabularies have 100,000 entries and more.

Claude's are not among them: those of its newer models are not public, and are
said to need more tokens than the earlier ones.
"""
_WINDOW: Final = 200_000
"""Characters given to a tokenizer at once; longer texts are cut at white space, at a token more at most."""


class TokenCounter(Protocol):
    """Counts the tokens of texts, special tokens not counted.

    `counted_by` names the tokenizer, or is "estimate".
    """

    @property
    def counted_by(self) -> str: ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text."""
        ...

    def pieces(self, text: str) -> list[str]:
        """The text as its tokens, joined again exactly `text`; empty where only an estimate is possible.

        A character that several tokens share is with one of them, and the
        others are empty. What no token covers (blanks, for some tokenizers) is
        with the token after it.
        """
        ...


@dataclass(frozen=True, slots=True)
class EstimatingCounter:
    """Estimates, on the high side; see `token_estimate`."""

    weights: Weights
    counted_by: str = ESTIMATE

    def count(self, texts: Sequence[str]) -> list[int]:
        """See TokenCounter."""
        return [estimate(text, self.weights) for text in texts]

    def pieces(self, text: str) -> list[str]:  # noqa: ARG002
        """See TokenCounter."""
        return []


class TiktokenCounter:
    """Counts with an encoding of OpenAI. Special tokens in a text count as the text that they are."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self.counted_by = encoding.name

    def count(self, texts: Sequence[str]) -> list[int]:
        """See TokenCounter."""
        return [
            sum(len(self._encoding.encode_ordinary(part)) for part in _parts(_encodable(text)))
            for text in texts
        ]

    def pieces(self, text: str) -> list[str]:
        """See TokenCounter."""
        found: list[str] = []
        for part in _parts(_encodable(text)):
            tokens = self._encoding.encode_ordinary(part)
            # Characters; a token that goes on with a character starts where that does.
            _, starts = self._encoding.decode_with_offsets(tokens)
            found.extend(_split(part, starts[1:]))
        return found


class TokenizerCounter:
    """Counts with a `tokenizer.json`."""

    def __init__(self, tokenizer: Tokenizer, counted_by: str) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.counted_by = counted_by

    def count(self, texts: Sequence[str]) -> list[int]:
        """See TokenCounter."""
        encode = self._tokenizer.encode_batch_fast
        return [
            sum(map(len, encode(_parts(_encodable(text)), add_special_tokens=False))) if text else 0
            for text in texts
        ]

    def pieces(self, text: str) -> list[str]:
        """See TokenCounter."""
        found: list[str] = []
        for part in _parts(_encodable(text)):
            offsets = self._tokenizer.encode(part, add_special_tokens=False).offsets
            found.extend(_split(part, [end for _, end in offsets[:-1]]))
        return found


def counter_for(provider: str, name: str, *, tokenizer: str | os.PathLike[str] = "") -> TokenCounter:
    """The counter of the model `provider:name`.

    `tokenizer` is a `tokenizer.json`, or the folder of one, that replaces what
    is known of the model. Nothing is downloaded. Raises UsageError where
    `tokenizer` is named and not there, ModelError where it cannot be read.
    """
    if tokenizer:
        place = Path(tokenizer).expanduser()
        file = place / "tokenizer.json" if place.is_dir() else place
        if not file.is_file():
            raise UsageError(
                f"There is no tokenizer at {str(tokenizer)!r}; expected a tokenizer.json or its folder."
            )
        return tokenizer_counter(file)
    file_found = _tokenizer_file(name)
    if file_found is not None:
        return tokenizer_counter(file_found, name)
    encoding = encoding_of(provider, name)
    if encoding and encoding_file(encoding) is not None:
        return _tiktoken_counter(encoding)
    return EstimatingCounter(LARGE if encoding or _LARGE_VOCABULARIES.search(name) else SMALL)


def tokenizer_counter(file: Path, name: str = "") -> TokenCounter:
    """The counter of a `tokenizer.json`. Raises ModelError if it cannot be read."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises Exception itself, whatever is wrong
        raise ModelError(f"The tokenizer {str(file)!r} cannot be read: {error}.") from error
    return TokenizerCounter(tokenizer, name or file.parent.name or file.name)


def encoding_of(provider: str, name: str) -> str:
    """The name of tiktoken's encoding for a model of OpenAI, wherever it runs; "" for other models."""
    if not re.search(r"gpt|(?:^|/)(?:o[134]|text-embedding)(?:-|$)", name, re.IGNORECASE):
        return ""
    del provider  # Azure, OpenRouter and Ollama have OpenAI's models under the same names
    from tiktoken.model import encoding_name_for_model

    plain = name.rpartition("/")[2].lower().replace(":", "-")
    with suppress(KeyError):
        encoding = encoding_name_for_model(plain)
        return encoding if encoding in _FILES else ""
    return ""


def encoding_file(encoding: str) -> Path | None:
    """The file of an encoding in tiktoken's cache, if it is there and whole; None otherwise."""
    name, expected = _FILES[encoding]
    folder = _tiktoken_folder()
    if folder is None:
        return None
    file = folder / hashlib.sha1(_address(name).encode(), usedforsecurity=False).hexdigest()
    try:
        content = file.read_bytes()
    except OSError:
        return None
    # tiktoken would delete a file with another checksum and download it again.
    return file if hashlib.sha256(content).hexdigest() == expected else None


def download_encoding(encoding: str, *, offline: bool, announce: Callable[[str], None]) -> None:
    """Have tiktoken put an encoding into its cache, once `announce` was told from where.

    Raises UsageError where network use is forbidden, ModelError where it fails.
    """
    if encoding_file(encoding) is not None:
        return
    if offline:
        raise UsageError(
            f"The encoding {encoding!r} is not on this machine, "
            f"and OPENBOOK_OFFLINE forbids to get it from {HOST}."
        )
    announce(f"Getting the encoding {encoding} from {HOST}")
    import tiktoken

    try:
        tiktoken.get_encoding(encoding)
    except (OSError, ValueError) as error:  # errors of requests are OSErrors
        raise ModelError(f"The encoding {encoding!r} could not be had from {HOST}: {error}.") from error


@lru_cache(maxsize=4)
def _tiktoken_counter(encoding: str) -> TokenCounter:
    import tiktoken

    return TiktokenCounter(tiktoken.get_encoding(encoding))


def _address(file: str) -> str:
    return f"https://{HOST}/encodings/{file}.tiktoken"


def _tiktoken_folder() -> Path | None:
    """Where tiktoken keeps its files; None where it is told to keep none."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable]) if os.environ[variable] else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _tokenizer_file(name: str) -> Path | None:
    """The `tokenizer.json` in the folder that a name is, or in the cache of Hugging Face."""
    if Path(name).is_absolute():
        file = Path(name) / "tokenizer.json"
        return file if file.is_file() else None
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return None
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    snapshots = hub / f"models--{name.replace('/', '--')}" / "snapshots"
    files = sorted(snapshots.glob("*/tokenizer.json"), key=lambda file: file.stat().st_mtime)
    return files[-1] if files else None


def _encodable(text: str) -> str:
    """The text without lone surrogates, which no tokenizer takes."""
    return text if text.isascii() else re.sub(r"[\ud800-\udfff]", "\ufffd", text)


def _parts(text: str) -> list[str]:
    if len(text) <= _WINDOW:
        return [text] if text else []
    parts: list[str] = []
    start = 0
    while start < len(text):
        end = start + _WINDOW
        if end < len(text):
            blank = max(
                text.rfind(" ", start + _WINDOW // 2, end), text.rfind("\n", start + _WINDOW // 2, end)
            )
            end = blank if blank > 0 else end
        parts.append(text[start:end])
        start = end
    return parts


def _split(text: str, edges: Sequence[int]) -> list[str]:
    """A text cut between its tokens, of which there is one more than edges."""
    return [text[start:end] for start, end in pairwise((0, *edges, len(text)))]
