"""An encoder small enough to be installed in every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.embed.encoders import write_encoder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with the weights of a random encoder."""
    return write_encoder(tmp_path / "tiny-encoder")
