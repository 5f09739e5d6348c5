"""What a person can do about a file that could not be taken in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openbook.index.records import FileEntry


def advice(entry: FileEntry) -> str:
    """One sentence of advice; "" for a file that has no problem."""
    if entry.outcome == "empty":
        return "If it is a scan, run it through text recognition (OCR) and add it again."
    if entry.outcome == "skipped":
        return "Save it in a format that can be read, such as PDF, Word, Markdown or plain text."
    if entry.outcome != "failed":
        return ""
    root = Path(entry.source)
    if not (root if root.is_file() else root / entry.path).exists():
        return "The file is gone; the next synchronisation takes it off this list."
    return "Put the file right and synchronise again; it is tried anew at every run."
