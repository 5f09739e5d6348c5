"""BERT weights to an ONNX graph that ONNX Runtime runs fast, in float32 or int8.

The graph is written by hand with ONNX Runtime's fused operators instead of
being traced and optimised: tracing needs PyTorch, and a graph that is fused
already loads without any optimiser pass (18 ms instead of 47 here).

Input:    ids      int32 (1, tokens): one text, special tokens included
Output:   vectors  float32 (1, dimension), of unit length

One text at a time, on purpose. Dynamic int8 products take the scale of their
input from the whole tensor, so in a batch every text would change the vectors
of its neighbours (cosine .993 in the mean between a text alone and in a batch,
as much as int8 itself costs), and a run that was interrupted would not give
the vectors of one that was not. It costs nothing: no token is padding, the
activations stay in a core's cache, and texts run side by side on all cores.
Measured on 512 forum posts: 8,000 tokens a second and core one by one, 7,300
in batches of 2,048 tokens; in float32 3,750 and 3,450.

Refused: reading other people's ONNX files (every exporter names its inputs and
outputs differently, and nobody can check what their graph does), approximated
GELU (the models were trained with the exact one), and int8 in blocks
(MatMulNBits: cosine to float32 .9997, but only 1.2 times as fast as float32).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from openbook.errors import ModelError

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from openbook.backends.encoder_files import Architecture

Precision: TypeAlias = Literal["int8", "float32"]
Weights: TypeAlias = Mapping[str, "NDArray[Any]"]
Balance: TypeAlias = Mapping[str, "NDArray[np.float32]"]
"""For a product's name: the number by which each channel of its input is divided before rounding."""

GRAPH_VERSION: Final = 1
"""Raised whenever the same constants would give other vectors; part of the fingerprint."""

_MICROSOFT: Final = "com.microsoft"
_FLOAT: Final = 1  # onnx.TensorProto.FLOAT
_RANGE: Final = "_range"


def float_graph(weights: Weights, architecture: Architecture) -> onnx.ModelProto:
    """The encoder in float32.

    `weights` are named and shaped as in a Hugging Face BERT or RoBERTa file.

    Raises ModelError if a weight is missing or has an unexpected shape.
    """
    return _Graph(weights, architecture).model()


def int8_graph(weights: Weights, architecture: Architecture, balance: Balance) -> onnx.ModelProto:
    """The encoder with all products of weights in int8 and the word table in half floats."""
    return _Graph(weights, architecture, balance=balance).model()


def observed_graph(weights: Weights, architecture: Architecture) -> onnx.ModelProto:
    """The float32 encoder with a further output for each product, named after it.

    That output holds the largest magnitude of each channel of the product's input.
    """
    return _Graph(weights, architecture, observed=True).model()


class _Graph:
    """Nodes and constants under construction. One method per part of the encoder."""

    def __init__(
        self,
        weights: Weights,
        architecture: Architecture,
        *,
        balance: Balance | None = None,
        observed: bool = False,
    ) -> None:
        # Files saved from a larger model carry a prefix such as "bert.".
        mark = "embeddings.word_embeddings.weight"
        prefixes = [name.removesuffix(mark) for name in weights if name.endswith(mark)]
        if not prefixes:
            raise ModelError(f"The weights have no tensor {mark!r}; expected those of a BERT-like encoder.")
        self._prefix = prefixes[0]
        self._weights = weights
        self._architecture = architecture
        self._balance = balance
        self._observed = observed
        self._observations: list[str] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        from onnx import TensorProto, helper

        state = self._embeddings()
        for number in range(self._architecture.layers):
            state = self._layer(number, state)
        self._pool(state)
        shape: list[int | str | None] = [1, "tokens"]
        inputs = [helper.make_tensor_value_info("ids", TensorProto.INT32, shape)]
        vector = helper.make_tensor_value_info("vectors", _FLOAT, [1, self._architecture.dimension])
        ranges = [helper.make_tensor_value_info(name, _FLOAT, ["channels"]) for name in self._observations]
        graph = helper.make_graph(self._nodes, "encoder", inputs, [vector, *ranges], self._constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="openbook")

    def _embeddings(self) -> str:
        """Word + position + the one token type in use, normalised."""
        words = self._weight("embeddings.word_embeddings.weight")
        first = self._architecture.first_position
        positions = self._weight("embeddings.position_embeddings.weight")
        positions = positions[first : first + self._architecture.max_tokens]
        # Sentences are single segments, so the first token type is the same for every token.
        positions = positions + self._weight("embeddings.token_type_embeddings.weight")[0]
        if self._balance is not None:
            # Halves the file; the error is far below that of int8.
            words = words.astype(np.float16)
        rows = self._node("Gather", [self._constant("words", words), "ids"], "word_rows")
        if self._balance is not None:
            rows = self._node("Cast", [rows], "word_rows_float", to=_FLOAT)
        zero, one, two = (self._constant(f"number{n}", np.array([n], np.int64)) for n in range(3))
        tokens = self._node("Slice", [self._node("Shape", ["ids"], "shape"), one, two], "tokens")
        places = self._node("Slice", [self._constant("positions", positions), zero, tokens], "position_rows")
        total = self._node("Add", [rows, places], "embedded")
        parts = ("weight", "bias")
        norm = [
            self._constant(f"norm_{part}", self._weight(f"embeddings.LayerNorm.{part}")) for part in parts
        ]
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
        biases = np.concatenate([self._weight(f"{source}.{part}.bias") for part in parts])
        bias = self._constant(f"{name}_bias", biases)
        self._observe(name, state)
        if self._balance is None:
            inputs = [state, self._constant(f"{name}_weight", matrix), bias]
            return self._node(
                "Attention", inputs, name, domain=_MICROSOFT, num_heads=self._architecture.heads
            )
        state, weight, scale, zero = self._quantised(name, state, matrix)
        rounded = [f"{name}_input", f"{name}_input_scale", f"{name}_input_zero"]
        self._node("DynamicQuantizeLinear", [state], *rounded)
        inputs = [rounded[0], weight, bias, rounded[1], scale, "", rounded[2], zero]
        return self._node("QAttention", inputs, name, domain=_MICROSOFT, num_heads=self._architecture.heads)

    def _product(self, source: str, name: str, state: str) -> str:
        """state · weight, without the bias: the next operator adds it."""
        matrix = self._weight(f"{source}.weight").T
        self._observe(name, state)
        if self._balance is None:
            return self._node("MatMul", [state, self._constant(f"{name}_weight", matrix)], name)
        inputs = self._quantised(name, state, matrix)
        return self._node("DynamicQuantizeMatMul", list(inputs), name, domain=_MICROSOFT)

    def _add_and_normalise(self, source: str, name: str, change: str, state: str) -> str:
        parts = ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
        constants = [self._constant(f"{name}_{part}", self._weight(f"{source}.{part}")) for part in parts]
        epsilon = self._architecture.epsilon
        inputs = [change, state, *constants]
        return self._node("SkipLayerNormalization", inputs, name, domain=_MICROSOFT, epsilon=epsilon)

    def _pool(self, state: str) -> None:
        if self._architecture.pooling == "cls":
            pooled = self._node("Gather", [state, self._constant("first", np.array(0))], "pooled", axis=1)
        else:
            pooled = self._node("ReduceMean", [state], "pooled", axes=[1], keepdims=0)
        self._node("LpNormalization", [pooled], "vectors", axis=-1, p=2)

    def _quantised(self, name: str, state: str, matrix: NDArray[Any]) -> tuple[str, str, str, str]:
        """The input, balanced, and the int8 weight with scale and zero point of each column.

        Weights stay within 7 bits: without VNNI instructions the sum of two
        products of 8 bits overflows, and vectors would depend on the processor.
        """
        divisors = (self._balance or {}).get(name)
        if divisors is not None and (divisors != 1).any():
            matrix = matrix * divisors[:, None]
            factors = self._constant(f"{name}_balance", (1 / divisors).astype(np.float32))
            state = self._node("Mul", [state, factors], f"{name}_balanced")
        scale = (np.maximum(np.abs(matrix).max(axis=0), 1e-12) / 63).astype(np.float32)
        values = {"weight": np.rint(matrix / scale).astype(np.int8), "scale": scale}
        values["zero"] = np.zeros(len(scale), np.int8)
        weight, scales, zero = (self._constant(f"{name}_{part}", value) for part, value in values.items())
        return state, weight, scales, zero

    def _observe(self, name: str, state: str) -> None:
        if self._observed:
            magnitudes = self._node("Abs", [state], f"{name}_magnitudes")
            self._node("ReduceMax", [magnitudes], name + _RANGE, axes=[0, 1], keepdims=0)
            self._observations.append(name + _RANGE)

    def _weight(self, name: str) -> NDArray[Any]:
        try:
            return np.asarray(self._weights[self._prefix + name], dtype=np.float32)
        except KeyError as error:
            missing = self._prefix + name
            raise ModelError(f"The weights lack the tensor {missing!r}; is the file complete?") from error

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _node(
        self, operator: str, inputs: list[str], *outputs: str, domain: str = "", **attributes: Any
    ) -> str:
        from onnx import helper

        name = f"{outputs[0]}_node"
        node = helper.make_node(operator, inputs, list(outputs), name=name, domain=domain, **attributes)
        self._nodes.append(node)
        return outputs[0]


def product_ranges(outputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The observed ranges among the outputs of an `observed_graph`, by product."""
    return {name.removesuffix(_RANGE): value for name, value in outputs.items() if name.endswith(_RANGE)}
