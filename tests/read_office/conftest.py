"""Files of the formats that the office reader takes, made here so that every byte of them is known."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # for the writers in scripts/


@pytest.fixture(name="formats")
def _formats() -> Path:
    """The folder of real files that are not part of the project."""
    data = Path(os.environ.get("OPENBOOK_DATA", ROOT.parent / "shared" / "data"))
    folder = data / "formats"
    if not folder.is_dir():
        pytest.skip(f"no evaluation data at {folder}; set OPENBOOK_DATA to its folder")
    return folder
