"""BERT weights to an ONNX graph that ONNX Runtime runs fast, in float32 or int8.

The graph is written by hand with ONNX Runtime's fused operators instead of
being traced and optimised: tracing needs PyTorch, and the fused graph loads
without any optimiser pass. The int8 form is written directly too, because only
matrix products are worth quantising and each has one obvious operator.

Inputs:   ids      int32 (texts, tokens), padded on the right with any valid id
          lengths  int32 (texts,), the number of real tokens of each text, at least 1
Output:   vectors  float32 (texts, dimension), rows of unit length

Refused: reading other people's ONNX files (they are as trustworthy as code, and
every exporter names its inputs and outputs differently), and approximated GELU
(the models were trained with the exact one).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from openbook.errors import ModelError

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

Precision: TypeAlias = Literal["int8", "float32"]
Pooling: TypeAlias = Literal["mean", "cls"]
Weights: TypeAlias = Mapping[str, "NDArray[Any]"]

MODEL_TYPES: Final = ("bert", "roberta", "xlm-roberta", "camembert")
"""Values of `model_type` in config.json that share BERT's layers and weight names."""

GRAPH_VERSION: Final = 1
"""Raised whenever the same weights would give other vectors; part of the fingerprint."""

_MICROSOFT: Final = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of an encoder, as its own configuration files give it.

    `first_position` is the row of the position table that the first token
    takes: 0 for BERT; RoBERTa starts after its padding id.
    `max_tokens` counts special tokens.
    """

    layers: int
    heads: int
    dimension: int
    epsilon: float
    max_tokens: int
    first_position: int
    padding_id: int
    pooling: Pooling


def read_architecture(folder: Path) -> Architecture:
    """Read the configuration files of a sentence encoder in `folder`.

    Raises ModelError, naming the file and the value, for anything that this
    graph cannot represent faithfully.
    """
    config = read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind not in MODEL_TYPES:
        named = config.get("architectures") or kind
        raise ModelError(
            f"The model in {str(folder)!r} has the architecture {named!r}. "
            f"Supported are sentence encoders of the types {', '.join(MODEL_TYPES)}."
        )
    expected = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise ModelError(
                f"{str(folder / 'config.json')!r} has {key} = {config[key]!r}; only {value!r} is supported."
            )
    try:
        padding_id = int(config.get("pad_token_id") or 0)
        first_position = 0 if kind == "bert" else padding_id + 1
        positions = int(config["max_position_embeddings"]) - first_position
        return Architecture(
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            dimension=int(config["hidden_size"]),
            epsilon=float(config["layer_norm_eps"]),
            max_tokens=_max_tokens(folder, positions),
            first_position=first_position,
            padding_id=padding_id,
            pooling=_pooling(folder),
        )
    except KeyError as error:
        raise ModelError(f"{str(folder / 'config.json')!r} lacks the key {error}; is it complete?") from error


def read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """The object in a JSON file; {} for an optional file that is not there."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if optional:
            return {}
        raise ModelError(
            f"{str(path)!r} is missing; expected the folder of a sentence encoder with config.json, "
            "tokenizer.json and model.safetensors."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{str(path)!r} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{str(path)!r} holds {type(content).__name__}; expected a JSON object.")
    return content


def _max_tokens(folder: Path, positions: int) -> int:
    """The model's own limit; never more than it has positions for."""
    limits = [positions]
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        value = read_json(folder / name, optional=True).get(key)
        if value is not None:
            limits.append(int(value))
            if name == "sentence_bert_config.json":
                break
    return min(limits)


def _pooling(folder: Path) -> Pooling:
    """Mean or first token; other modules or poolings are refused rather than ignored."""
    modules_file = folder / "modules.json"
    known = ("Transformer", "Pooling", "Normalize")
    pooling_folder = "1_Pooling"
    if modules_file.is_file():
        for module in json.loads(modules_file.read_text(encoding="utf-8")):
            kind = str(module.get("type", "")).rpartition(".")[2]
            if kind not in known:
                raise ModelError(f"{str(modules_file)!r} has a module {kind!r}; supported are {', '.join(known)}.")
            if kind == "Pooling":
                pooling_folder = str(module.get("path", pooling_folder))
    path = folder / pooling_folder / "config.json"
    config = read_json(path, optional=True)
    modes = {key.removeprefix("pooling_mode_") for key, on in config.items() if key.startswith("pooling_mode_") and on}
    if isinstance(config.get("pooling_mode"), str):
        modes = {config["pooling_mode"]}
    if not config or modes in ({"mean_tokens"}, {"mean"}):
        return "mean"
    if modes in ({"cls_token"}, {"cls"}):
        return "cls"
    raise ModelError(f"{str(path)!r} asks for pooling by {sorted(modes)}; supported are mean and cls.")


def build_graph(weights: Weights, architecture: Architecture, precision: Precision) -> onnx.ModelProto:
    """Write the graph of an encoder.

    `weights` are named and shaped as in a Hugging Face BERT or RoBERTa file.

    Raises ModelError if a weight is missing or has an unexpected shape.
    """
    return _Graph(weights, architecture, precision).model()


class _Graph:
    """Nodes and constants under construction. One method per part of the encoder."""

    def __init__(self, weights: Weights, architecture: Architecture, precision: Precision) -> None:
        # Files saved from a larger model carry a prefix such as "bert.".
        mark = "embeddings.word_embeddings.weight"
        prefixes = [name.removesuffix(mark) for name in weights if name.endswith(mark)]
        if not prefixes:
            raise ModelError(f"The weights have no tensor {mark!r}; expected those of a BERT-like encoder.")
        self._prefix = prefixes[0]
        self._weights = weights
        self._architecture = architecture
        self._precision = precision
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        from onnx import TensorProto, helper

        state = self._embeddings()
        for number in range(self._architecture.layers):
            state = self._layer(number, state)
        self._pool(state)
        inputs = [
            helper.make_tensor_value_info("ids", TensorProto.INT32, ["texts", "tokens"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["texts"]),
        ]
        shape = ["texts", self._architecture.dimension]
        outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self._nodes, "encoder", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="openbook")

    def _embeddings(self) -> str:
        """Word + position + the one token type in use, normalised."""
        words = self._weight("embeddings.word_embeddings.weight")
        positions = self._weight("embeddings.position_embeddings.weight")
        positions = positions[self._architecture.first_position :][: self._architecture.max_tokens]
        # Sentences are single segments, so the first token type is the same for every token.
        positions = positions + self._weight("embeddings.token_type_embeddings.weight")[0]
        if self._precision == "int8":
            # A table of half floats halves the file; its error is far below that of int8.
            words = words.astype(np.float16)
        looked_up = self._node("Gather", [self._constant("words", words), "ids"], "word_rows")
        if self._precision == "int8":
            looked_up = self._node("Cast", [looked_up], "word_rows_float", to=1)
        one = self._constant("one", np.array([1], np.int64))
        two = self._constant("two", np.array([2], np.int64))
        zero = self._constant("zero", np.array([0], np.int64))
        self._node("Shape", ["ids"], "shape")
        tokens = self._node("Slice", ["shape", one, two], "tokens")
        rows = self._node("Slice", [self._constant("positions", positions), zero, tokens], "position_rows")
        total = self._node("Add", [looked_up, rows], "embedded")
        norm = [self._constant(f"embedded_{part}", self._weight(f"embeddings.LayerNorm.{part}")) for part in ("weight", "bias")]
        return self._node("LayerNormalization", [total, *norm], "state", epsilon=self._architecture.epsilon)

    def _layer(self, number: int, state: str) -> str:
        source = f"encoder.layer.{number}"
        name = f"layer{number}"
        attended = self._attention(f"{source}.attention.self", f"{name}_attention", state)
        projected = self._product(f"{source}.attention.output.dense", f"{name}_projected", attended)
        state = self._add_and_normalise(f"{source}.attention.output", f"{name}_middle", projected, state)
        wide = self._product(f"{source}.intermediate.dense", f"{name}_wide", state)
        bias = self._constant(f"{name}_wide_bias", self._weight(f"{source}.intermediate.dense.bias"))
        wide = self._node("BiasGelu", [wide, bias], f"{name}_gelu", domain=_MICROSOFT)
        narrow = self._product(f"{source}.output.dense", f"{name}_narrow", wide)
        return self._add_and_normalise(f"{source}.output", f"{name}_state", narrow, state)

    def _attention(self, source: str, name: str, state: str) -> str:
        parts = ("query", "key", "value")
        matrix = np.concatenate([self._weight(f"{source}.{part}.weight").T for part in parts], axis=1)
        bias = self._constant(f"{name}_bias", np.concatenate([self._weight(f"{source}.{part}.bias") for part in parts]))
        heads = self._architecture.heads
        if self._precision == "float32":
            inputs = [state, self._constant(f"{name}_weight", matrix), bias, "lengths"]
            return self._node("Attention", inputs, name, domain=_MICROSOFT, num_heads=heads)
        weight, scale, zero = self._quantised(name, matrix)
        values = [f"{name}_input{part}" for part in ("", "_scale", "_zero")]
        self._node("DynamicQuantizeLinear", [state], *values)
        inputs = [values[0], weight, bias, values[1], scale, "lengths", values[2], zero]
        return self._node("QAttention", inputs, name, domain=_MICROSOFT, num_heads=heads)

    def _product(self, source: str, name: str, state: str) -> str:
        """state · weight, without the bias: the next operator adds it."""
        matrix = self._weight(f"{source}.weight").T
        if self._precision == "float32":
            return self._node("MatMul", [state, self._constant(f"{name}_weight", matrix)], name)
        inputs = [state, *self._quantised(name, matrix)]
        return self._node("DynamicQuantizeMatMul", inputs, name, domain=_MICROSOFT)

    def _add_and_normalise(self, source: str, name: str, change: str, state: str) -> str:
        names = ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
        constants = [self._constant(f"{name}_{part}", self._weight(f"{source}.{part}")) for part in names]
        inputs = [change, state, *constants]
        return self._node("SkipLayerNormalization", inputs, name, domain=_MICROSOFT, epsilon=self._architecture.epsilon)

    def _pool(self, state: str) -> None:
        if self._architecture.pooling == "cls":
            first = self._constant("first", np.array(0, np.int64))
            pooled = self._node("Gather", [state, first], "pooled", axis=1)
        else:
            # A sum, as a product with the mask: the division by the count falls away in the unit length.
            start, step = (self._constant(f"range_{n}", np.array(n, np.int32)) for n in (0, 1))
            count = self._node("Cast", [self._node("Squeeze", ["tokens"], "token_count")], "token_count32", to=6)
            places = self._node("Range", [start, count, step], "places")
            ends = self._node("Unsqueeze", ["lengths", "one"], "ends")
            mask = self._node("Cast", [self._node("Less", [places, ends], "real")], "mask", to=1)
            mask = self._node("Unsqueeze", [mask, "one"], "mask_rows")
            pooled = self._node("Squeeze", [self._node("MatMul", [mask, state], "sums"), "one"], "pooled")
        self._node("LpNormalization", [pooled], "vectors", axis=-1, p=2)

    def _quantised(self, name: str, matrix: NDArray[Any]) -> tuple[str, str, str]:
        """int8 weight, scale and zero point of each column, symmetric.

        Values stay within 7 bits: without VNNI instructions the sum of two
        products of 8 bits overflows, and vectors would depend on the processor.
        """
        scale = np.maximum(np.abs(matrix).max(axis=0), 1e-12).astype(np.float32) / 63
        rounded = np.rint(matrix / scale).astype(np.int8)
        zero = np.zeros(matrix.shape[1], np.int8)
        parts = (("weight", rounded), ("scale", scale), ("zero", zero))
        weight, scales, zeros = (self._constant(f"{name}_{part}", value) for part, value in parts)
        return weight, scales, zeros

    def _weight(self, name: str) -> NDArray[Any]:
        try:
            return np.asarray(self._weights[self._prefix + name], dtype=np.float32)
        except KeyError as error:
            raise ModelError(f"The weights lack the tensor {self._prefix + name!r}; is the file complete?") from error

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _node(self, operator: str, inputs: list[str], *outputs: str, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = f"{outputs[0]}_node"
        self._nodes.append(helper.make_node(operator, inputs, list(outputs), name=name, domain=domain, **attributes))
        return outputs[0]
