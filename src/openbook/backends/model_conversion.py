"""From the files of a sentence encoder to what `OnnxEmbedder` loads: graphs, tokenizer, manifest.

Only the precisions that are asked for are written: float32 is 90 MB that few
need. Asking for another one later fetches the weights again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbook.backends.encoder_files import Architecture, read_architecture, read_json, read_prefixes
from openbook.backends.model_source import PINNED, load_weights
from openbook.backends.model_store import MANIFEST, Manifest, ProgressHook, StoredFile, stored_file
from openbook.backends.onnx_graph import GRAPH_VERSION, Weights
from openbook.errors import ModelError

if TYPE_CHECKING:
    import onnx
    import tokenizers


def convert_model(
    name: str,
    folder: Path,
    target: Path,
    *,
    precisions: Sequence[str],
    origin: str,
    source: Mapping[str, Any],
    report: ProgressHook,
) -> None:
    """Write graphs in these precisions, tokenizer and manifest of the encoder in `folder` into `target`.

    `source` identifies a user's own folder; it is empty for a model fetched by
    its name, whose weights then must be the known ones.

    Raises ModelError for weights, a tokenizer or an architecture that cannot be used.
    """
    architecture = read_architecture(folder)
    weights, digest = load_weights(folder, report=report)
    if source:
        # A copy of a known model keeps its name wherever it lies.
        name = {known: name for name, known in PINNED.items()}.get(digest, folder.resolve().name)
    elif PINNED.get(name, digest) != digest:
        raise ModelError(
            f"The weights of {name!r} from {origin} have the SHA-256 {digest}; expected {PINNED[name]}. "
            "They are not used. To use them all the same, name a folder that holds them."
        )
    tokenizer, text = read_tokenizer(folder / "tokenizer.json", architecture.vocabulary)
    (target / "tokenizer.json").write_text(text, encoding="utf-8")
    stored_tokenizer = stored_file(target / "tokenizer.json")
    prefixes = read_prefixes(folder, name)
    identity = [digest, stored_tokenizer.sha256, asdict(architecture), prefixes, GRAPH_VERSION]
    graphs: dict[str, StoredFile] = {}
    for number, precision in enumerate(sorted(precisions)):
        report(f"Converting {name} to {precision}", number, len(precisions))
        model = _graph(precision, weights, architecture, tokenizer)
        path = target / f"{precision}.onnx"
        path.write_bytes(model.SerializeToString())
        graphs[precision] = stored_file(path, fingerprint=_fingerprint(model, precision, identity))
    report(f"Converted {name}", len(precisions), len(precisions))
    manifest = Manifest(
        name=name,
        origin=origin,
        weights_sha256=digest,
        dimension=architecture.dimension,
        max_tokens=architecture.max_tokens,
        tokenizer=stored_tokenizer,
        graphs=graphs,
        prefixes=prefixes,
        source=source,
    )
    (target / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")


def read_tokenizer(path: Path, vocabulary: int) -> tuple[tokenizers.Tokenizer, str]:
    """A model's tokenizer with truncation and padding taken out, and the JSON text of it.

    The text is written here and not by the tokenizers library, so that its
    hash, a part of the fingerprint, is the same under every release.
    """
    import tokenizers

    text = json.dumps({**read_json(path), "truncation": None, "padding": None}, ensure_ascii=False)
    try:
        tokenizer = tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing more exact
        raise ModelError(f"{str(path)!r} cannot be read as a tokenizer: {error}.") from error
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= vocabulary:
        raise ModelError(
            f"{str(path)!r} has a token with the id {highest}, but the model knows {vocabulary} tokens. "
            "The files come from different models."
        )
    return tokenizer, text


def _graph(
    precision: str, weights: Weights, architecture: Architecture, tokenizer: tokenizers.Tokenizer
) -> onnx.ModelProto:
    from openbook.backends import onnx_balance, onnx_graph

    if precision == "float32":
        return onnx_graph.float_graph(weights, architecture)
    marked = tokenizer.encode("a").ids
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    start = next((at for at in range(len(marked)) if marked[at : at + len(plain)] == plain), 0)
    balance = onnx_balance.find_balance(
        weights,
        architecture,
        special=(marked[:start], marked[start + len(plain) :]),
    )
    return onnx_graph.int8_graph(weights, architecture, balance)


def _fingerprint(model: onnx.ModelProto, precision: str, identity: list[Any]) -> str:
    """Of everything that a vector depends on, the rounded weights themselves included."""
    digest = hashlib.blake2b(json.dumps([precision, *identity], sort_keys=True).encode(), digest_size=8)
    for constant in sorted(model.graph.initializer, key=lambda constant: str(constant.name)):
        digest.update(constant.name.encode())
        digest.update(constant.raw_data)
    return f"onnx-{precision}-{digest.hexdigest()}"
