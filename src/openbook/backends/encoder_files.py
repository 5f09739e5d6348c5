"""What a sentence encoder's own configuration files say, and whether it can be run faithfully.

A folder in the layout of sentence-transformers: config.json (the encoder),
modules.json and 1_Pooling/config.json (how token states become one vector),
sentence_bert_config.json (the length it was trained for) and
config_sentence_transformers.json (words to put in front of queries and
documents). Whatever asks for something that the graph does not do is refused
with its name and value: an encoder that runs but gives other vectors than its
maker's is worse than none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from openbook.errors import ModelError

Pooling: TypeAlias = Literal["mean", "cls"]

MODEL_TYPES: Final = ("bert", "roberta", "xlm-roberta", "camembert")
"""Values of `model_type` in config.json that share BERT's layers and weight names."""

EXPECTED: Final = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
"""Keys of config.json whose other values would need another graph; absent means this value."""

MODULES: Final = ("Transformer", "Pooling", "Normalize")

PREFIXES: Final = (
    (re.compile(r"(^|/)(multilingual-)?e5-(small|base|large)(-v2)?$"), "query: ", "passage: "),
    (
        re.compile(r"(^|/)bge-(small|base|large)-en(-v1\.5)?$"),
        "Represent this sentence for searching relevant passages: ",
        "",
    ),
)
"""Name, words before a query, words before a document: models that tell their prefixes only in prose."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of an encoder.

    `first_position` is the row of the position table that the first token
    takes: 0 for BERT; RoBERTa starts after its padding id.
    `max_tokens` counts special tokens. `vocabulary` is the number of token ids.
    """

    vocabulary: int
    layers: int
    heads: int
    dimension: int
    epsilon: float
    max_tokens: int
    first_position: int
    pooling: Pooling


def read_architecture(folder: Path) -> Architecture:
    """The architecture of the encoder in `folder`.

    Raises ModelError, naming the file and the value, for anything missing or
    not supported.
    """
    path = folder / "config.json"
    config = read_json(path)
    kind = config.get("model_type")
    if kind not in MODEL_TYPES:
        named = config.get("architectures") or kind
        raise ModelError(
            f"The model in {str(folder)!r} has the architecture {named!r}. "
            f"Supported are sentence encoders of the types {', '.join(MODEL_TYPES)}."
        )
    for key, value in EXPECTED.items():
        if config.get(key, value) != value:
            raise ModelError(f"{str(path)!r} has {key} = {config[key]!r}; only {value!r} is supported.")
    try:
        first_position = 0 if kind == "bert" else int(config["pad_token_id"]) + 1
        return Architecture(
            vocabulary=int(config["vocab_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            dimension=int(config["hidden_size"]),
            epsilon=float(config["layer_norm_eps"]),
            max_tokens=_max_tokens(folder, int(config["max_position_embeddings"]) - first_position),
            first_position=first_position,
            pooling=_pooling(folder),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{str(path)!r} is incomplete or has a value of a wrong type: {error!r}.") from error


def read_prefixes(folder: Path, name: str) -> dict[str, str]:
    """The words that a model wants in front of the texts of each role."""
    prompts = read_json(folder / "config_sentence_transformers.json", optional=True).get("prompts") or {}
    query, document = prompts.get("query"), prompts.get("document") or prompts.get("passage")
    if not query and not document:
        for pattern, before_query, before_document in PREFIXES:
            if pattern.search(name):
                query, document = before_query, before_document
    return {"query": str(query or ""), "document": str(document or "")}


def read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """The object in a JSON file; {} for an optional file that is not there."""
    content = _load(path, optional=optional)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ModelError(f"{str(path)!r} holds a {type(content).__name__}; expected a JSON object.")
    return content


def _load(path: Path, *, optional: bool) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if optional:
            return None
        raise ModelError(
            f"{str(path)!r} is missing; expected the folder of a sentence encoder with config.json, "
            "tokenizer.json and model.safetensors."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{str(path)!r} cannot be read as JSON: {error}.") from error


def _max_tokens(folder: Path, positions: int) -> int:
    """The length that the model was trained for; never more than it has positions for."""
    trained = read_json(folder / "sentence_bert_config.json", optional=True).get("max_seq_length")
    if trained is None:
        trained = read_json(folder / "tokenizer_config.json", optional=True).get("model_max_length")
    return positions if trained is None else min(int(trained), positions)


def _pooling(folder: Path) -> Pooling:
    path = folder / _pooling_folder(folder) / "config.json"
    config = read_json(path, optional=True)
    # Older files have one flag for each kind of pooling, newer ones a name.
    flags = {key.removeprefix("pooling_mode_"): on for key, on in config.items()}
    modes = {mode for mode, on in flags.items() if on is True and f"pooling_mode_{mode}" in config}
    if isinstance(config.get("pooling_mode"), str):
        modes = {config["pooling_mode"]}
    if config.get("include_prompt", True) is False:
        raise ModelError(f"{str(path)!r} leaves the prompt out of the pooling, which is not supported.")
    if not config or modes in ({"mean_tokens"}, {"mean"}):
        return "mean"
    if modes in ({"cls_token"}, {"cls"}):
        return "cls"
    raise ModelError(f"{str(path)!r} asks for pooling by {sorted(modes)}; supported are mean and cls.")


def _pooling_folder(folder: Path) -> str:
    """Where modules.json puts the pooling; refuses modules that would change the vectors."""
    path = folder / "modules.json"
    modules = _load(path, optional=True)
    place = "1_Pooling"
    for module in modules or []:
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind not in MODULES:
            raise ModelError(f"{str(path)!r} has a module {kind!r}; supported are {', '.join(MODULES)}.")
        if kind == "Pooling":
            place = str(module.get("path") or place)
    if ".." in Path(place).parts or Path(place).is_absolute():
        raise ModelError(f"{str(path)!r} puts the pooling at {place!r}, outside the model's folder.")
    return place
