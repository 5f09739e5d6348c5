"""Damaging a file of an index as a failing disk or a half-restored backup does: another file in its place."""

from __future__ import annotations

from pathlib import Path


def replace_content(file: Path, content: bytes) -> None:
    """Put a new file with this content where `file` is.

    Writing into the file itself would first cut it to nothing, and a thread
    of tantivy's that still has it mapped would end this process (SIGBUS).
    """
    fresh = file.with_name(f"{file.name}.fresh")
    fresh.write_bytes(content)
    fresh.replace(file)


def cut_in_half(file: Path) -> None:
    """Leave the first half of a file."""
    content = file.read_bytes()
    replace_content(file, content[: len(content) // 2])
