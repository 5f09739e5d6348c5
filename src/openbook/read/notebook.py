"""Jupyter notebooks as a person reads them: text, code and short printed results, cell by cell.

Sources stand in the text as they are in the notebook. Pictures, HTML and
widgets are left out, long results are cut: what they show cannot be quoted.
Notebook formats 3 and 4 are read, with the standard library's JSON.

Refused: nbformat, which validates against a schema and refuses notebooks that
everybody can still open, and nbconvert, which loses the places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from openbook.errors import ReadError
from openbook.read.decoding import decode, without_surrogates
from openbook.read.markdown import find_marks
from openbook.read.metadata import choose_title, encoding_note, read_front_matter, scalars
from openbook.types import Document, Mark, Scalar

MEDIA_TYPE: Final = "application/x-ipynb+json"

_LONGEST_OUTPUT: Final = 2_000
"""Characters of printed results that are kept for one cell."""
_TERMINAL_CODE: Final = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]"
)
_OBJECT: Final = re.compile(r"<[^<>\n]*>|\[?<[^<>\n]* at 0x[0-9a-f]+>.*|\w+\(children=.*", re.DOTALL)
"""How Python shows what has no text of its own."""
_INLINE_DATA: Final = re.compile(r"(data:[\w.+-]+/[\w.+-]+;base64,)[A-Za-z0-9+/=]{100,}")
_CELL_LANGUAGE: Final = re.compile(r"%%(bash|sh|sql|html|javascript|js|latex|perl|ruby|R|writefile)\b")
_OLD_TYPES: Final = {"pyout": "execute_result", "pyerr": "error"}
_SOURCES: Final = {"markdown": "markdown", "code": "code", "raw": "raw", "heading": "markdown", "html": "raw"}


class NotebookReader:
    """Reads .ipynb."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises ReadError for what is no notebook. A cell's mark has its number in the notebook as level."""
        decoded = decode(data, path)
        if not decoded.text.strip():
            return Document(path, "", MEDIA_TYPE)
        notebook = _parse(decoded.text, path)
        cells = _cells(notebook, path)
        language = _kernel_language(notebook)
        text, marks = _assemble(cells, language)
        metadata = {**_metadata(notebook, cells), **encoding_note(decoded)}
        title = choose_title(metadata, marks, path)
        return Document(path, text, MEDIA_TYPE, title=title, marks=marks, metadata=metadata)


def _parse(text: str, path: str) -> Mapping[str, Any]:
    try:
        notebook = json.loads(text)
    except RecursionError as error:
        raise ReadError(
            f"{path!r} is nested too deeply for a notebook. Open and save it in Jupyter."
        ) from error
    except ValueError as error:
        raise ReadError(
            f"{path!r} is a broken notebook: its JSON cannot be read ({error}). "
            "Restore it from a checkpoint or repair it in a text editor."
        ) from error
    if not isinstance(notebook, dict):
        raise ReadError(
            f"{path!r} is no notebook: a JSON object was expected, not {type(notebook).__name__}. "
            "Rename it to .json to read it as data."
        )
    return notebook


def _cells(notebook: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    """The cells in order; format 3 keeps them in worksheets."""
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets := notebook.get("worksheets"), list):
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))]
    if not isinstance(cells, list):
        raise ReadError(
            f"{path!r} is no notebook: it has no list of cells. Rename it to .json to read it as data."
        )
    return [cell if isinstance(cell, dict) else {} for cell in cells]


def _assemble(cells: Sequence[Mapping[str, Any]], language: str) -> tuple[str, tuple[Mark, ...]]:
    """The text of all cells, separated by blank lines, and its marks."""
    parts: list[str] = []
    marks: list[Mark] = []
    length = 0
    for number, cell in enumerate(cells, 1):
        kind = _SOURCES.get(str(cell.get("cell_type")), "raw")
        source = _source(cell, kind)
        printed = _printed(cell) if kind == "code" else ""
        text = "\n\n".join(filter(None, (source, printed)))
        if not text.strip():
            continue
        if parts:
            parts.append("\n\n")
            length += 2
        marks.append(Mark("cell", length, length + len(text), f"{kind} {number}", number))
        marks += [
            replace(mark, start=mark.start + length, end=mark.end + length)
            for mark in _inner_marks(source, kind, str(cell.get("language") or language))
        ]
        parts.append(text)
        length += len(text)
    # Stable: where a cell is no more than its heading, the cell stays in front.
    return "".join(parts), tuple(sorted(marks, key=lambda mark: (mark.start, -mark.end)))


def _inner_marks(source: str, kind: str, language: str) -> Iterator[Mark]:
    if kind == "markdown":
        yield from find_marks(source)
    elif kind == "code" and source:
        named = _CELL_LANGUAGE.match(source)
        yield Mark("code", 0, len(source), (named.group(1) if named else language).lower())


def _source(cell: Mapping[str, Any], kind: str) -> str:
    """What was typed into a cell, without blank lines around it."""
    text = _text(cell.get("source", cell.get("input")))
    if cell.get("cell_type") == "heading":
        level = cell.get("level")
        text = (
            "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1) + " " + " ".join(text.split())
        )
    if kind == "markdown":
        text = _INLINE_DATA.sub(r"\1…", text)
    return re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip()


def _printed(cell: Mapping[str, Any]) -> str:
    """The text that running a cell printed: results and messages, no warnings, cut to a limit."""
    texts: list[str] = []
    for output in _list(cell.get("outputs")):
        if isinstance(output, dict) and (text := _output_text(output).strip("\n").rstrip()):
            texts.append(text)
    printed = "\n".join(texts)
    if len(printed) <= _LONGEST_OUTPUT:
        return printed
    end = printed.rfind("\n", _LONGEST_OUTPUT // 2, _LONGEST_OUTPUT)
    return printed[: end if end > 0 else _LONGEST_OUTPUT] + "\n…"


def _output_text(output: Mapping[str, Any]) -> str:
    kind = str(output.get("output_type"))
    kind = _OLD_TYPES.get(kind, kind)
    if kind == "stream":
        stderr = "stderr" in (output.get("name"), output.get("stream"))
        return "" if stderr else _plain(_text(output.get("text")))
    if kind == "error":
        return _plain(f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}")
    data = output.get("data")
    if not isinstance(data, dict):
        data = {"text/plain": output.get("text")}  # format 3
    if "application/vnd.jupyter.widget-view+json" in data:
        return ""
    text = _plain(_text(data.get("text/markdown") or data.get("text/plain")))
    return "" if _OBJECT.fullmatch(text.strip()) or _INLINE_DATA.search(text) else text


def _plain(text: str) -> str:
    """Printed text without colours; of a line that was written over, the last state."""
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _TERMINAL_CODE.sub("", text)


def _metadata(notebook: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> dict[str, Scalar]:
    raw = notebook.get("metadata")
    raw = raw if isinstance(raw, dict) else {}
    found: dict[str, Scalar] = {}
    if cells and cells[0].get("cell_type") == "raw":
        found |= read_front_matter(_text(cells[0].get("source")) + "\n").metadata
    authors = [name.get("name") for name in _list(raw.get("authors")) if isinstance(name, dict)]
    known = {"title": raw.get("title"), "author": [str(name) for name in authors if name] or None}
    found |= scalars({key: value for key, value in known.items() if value})
    kernel = raw.get("kernelspec")
    if isinstance(kernel, dict) and (name := kernel.get("display_name") or kernel.get("name")):
        found |= scalars({"kernel": str(name)})
    return found


def _kernel_language(notebook: Mapping[str, Any]) -> str:
    raw = notebook.get("metadata")
    if not isinstance(raw, dict):
        return ""
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        part = raw.get(key)
        if isinstance(part, dict) and isinstance(part.get(name), str):
            return str(part[name]).lower()
    return ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    """Text from a string or a list of lines, as notebooks keep it; "" for anything else."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    return without_surrogates(value.replace("\r\n", "\n").replace("\0", "\ufffd"))
