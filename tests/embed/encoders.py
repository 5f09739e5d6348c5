"""Small random encoders in the layout of sentence-transformers, and what their vectors must be.

The reference follows the formulas of the BERT paper (Devlin et al. 2019) one by
one in float64 and shares no code with the library: slow, and plain to check.
"""

from __future__ import annotations

import json
import math
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = (
    "red",
    "green",
    "blue",
    "cat",
    "dog",
    "house",
    "runs",
    "sleeps",
    "the",
    "a",
    "and",
    "query",
    "text",
    ":",
)


def write_encoder(
    folder: Path,
    *,
    model_type: str = "bert",
    pooling: str = "mean",
    max_tokens: int = 24,
    prompts: dict[str, str] | None = None,
    seed: int = 0,
    dimension: int = 32,
    layers: int = 2,
    tensor_prefix: str = "",
    config: dict[str, Any] | None = None,
) -> Path:
    """Write an encoder with random weights and a WordPiece tokenizer; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(model_type)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings: dict[str, Any] = {
        "architectures": ["SomethingModel"],
        "model_type": model_type,
        "vocab_size": tokenizer.get_vocab_size(),
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "hidden_size": dimension,
        "intermediate_size": 2 * dimension,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 40,
        "pad_token_id": 0 if model_type == "bert" else 1,
        "hidden_act": "gelu",
        **(config or {}),
    }
    _write(folder / "config.json", settings)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens})
    _write(
        folder / "modules.json",
        [{"path": "", "type": "x.Transformer"}, {"path": "1_Pooling", "type": "x.Pooling"}],
    )
    flags = {f"pooling_mode_{mode}": mode == pooling for mode in ("cls_token", "mean_tokens", "max_tokens")}
    flags |= {"pooling_mode_mean_tokens": pooling == "mean", "pooling_mode_cls_token": pooling == "cls"}
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": dimension, **flags})
    if prompts:
        _write(folder / "config_sentence_transformers.json", {"prompts": prompts})
    weights = _random_weights(settings, np.random.default_rng(seed))
    save_file({tensor_prefix + name: value for name, value in weights.items()}, folder / "model.safetensors")
    return folder


def reference_vectors(folder: Path, texts: Sequence[str]) -> NDArray[np.float64]:
    """The vectors of `texts` by the book, shape (len(texts), dimension)."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(
        json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    )
    config = json.loads((folder / "config.json").read_text())
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    weights = {
        name[name.find("embeddings.") if "encoder." not in name else name.find("encoder.") :]: value.astype(
            np.float64
        )
        for name, value in load_file(folder / "model.safetensors").items()
        if value.dtype == np.float32
    }
    rows = []
    for text in texts:
        states = _states(weights, config, tokenizer.encode(text).ids)
        pooled = states[0] if pooling["pooling_mode_cls_token"] else states.mean(axis=0)
        rows.append(pooled / np.linalg.norm(pooled))
    return np.array(rows)


def _states(
    weights: dict[str, NDArray[np.float64]], config: dict[str, Any], ids: list[int]
) -> NDArray[np.float64]:
    """The last layer's state of each token."""

    def norm(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + config["layer_norm_eps"])
        result: NDArray[np.float64] = (
            centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]
        )
        return result

    def linear(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        return result

    first = 0 if config["model_type"] == "bert" else config["pad_token_id"] + 1
    state = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][first : first + len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    state = norm("embeddings.LayerNorm", state)
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        query, key, value = (
            _heads(linear(f"{layer}.attention.self.{part}", state), config["num_attention_heads"])
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        attended = (shares @ value).transpose(1, 0, 2).reshape(state.shape)
        state = norm(
            f"{layer}.attention.output.LayerNorm", state + linear(f"{layer}.attention.output.dense", attended)
        )
        wide = linear(f"{layer}.intermediate.dense", state)
        wide = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        state = norm(f"{layer}.output.LayerNorm", state + linear(f"{layer}.output.dense", wide))
    return state


def _heads(x: NDArray[np.float64], heads: int) -> NDArray[np.float64]:
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def _random_weights(config: dict[str, Any], random: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    dimension, wide = config["hidden_size"], config["intermediate_size"]
    weights: dict[str, NDArray[np.float32]] = {}

    def add(name: str, *shape: int, around: float = 0.0, spread: float = 0.2) -> None:
        weights[name] = (around + spread * random.standard_normal(shape)).astype(np.float32)

    def add_linear(name: str, inputs: int, outputs: int) -> None:
        add(f"{name}.weight", outputs, inputs)
        add(f"{name}.bias", outputs)

    def add_norm(name: str) -> None:
        add(f"{name}.weight", dimension, around=1.0)
        add(f"{name}.bias", dimension)

    add("embeddings.word_embeddings.weight", config["vocab_size"], dimension, spread=1.0)
    add("embeddings.position_embeddings.weight", config["max_position_embeddings"], dimension)
    add("embeddings.token_type_embeddings.weight", 2 if config["model_type"] == "bert" else 1, dimension)
    add_norm("embeddings.LayerNorm")
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            add_linear(f"{layer}.attention.self.{part}", dimension, dimension)
        add_linear(f"{layer}.attention.output.dense", dimension, dimension)
        add_norm(f"{layer}.attention.output.LayerNorm")
        add_linear(f"{layer}.intermediate.dense", dimension, wide)
        add_linear(f"{layer}.output.dense", wide, dimension)
        add_norm(f"{layer}.output.LayerNorm")
    return weights


def _tokenizer(model_type: str) -> Tokenizer:
    start, end = ("[CLS]", "[SEP]") if model_type == "bert" else ("<s>", "</s>")
    letters = [*string.ascii_lowercase, *string.digits]
    pieces = ["[PAD]", start, end, "[UNK]", *letters, *(f"##{letter}" for letter in letters), *WORDS]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])]
    )
    # Many published tokenizers come with both switched on, which must not have any effect.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=16)
    return tokenizer


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
