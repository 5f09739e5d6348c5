"""Notebooks: sources as typed, cell by cell; results short and in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openbook.errors import ReadError
from openbook.read.notebook import NotebookReader
from openbook.types import Document


def read(notebook: object) -> Document:
    data = notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
    return NotebookReader().read(data, "work/first-look.ipynb")


def of(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}


def markdown(source: str | list[str]) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "metadata": {},
        "execution_count": 1,
        "source": source,
        "outputs": list(outputs),
    }


def printed(text: str | list[str], name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def shown(**data: Any) -> dict[str, Any]:
    return {
        "output_type": "execute_result",
        "data": {key.replace("_", "/"): value for key, value in data.items()},
    }


PYTHON = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def test_cells_become_text_with_numbered_marks() -> None:
    document = read(
        of(
            markdown(["# Storks\n", "They return."]),
            code("count()", printed("17\n")),
            code(""),
            markdown("End."),
            **PYTHON,
        )
    )
    assert document.text == "# Storks\nThey return.\n\ncount()\n\n17\n\nEnd."
    cells = [mark for mark in document.marks if mark.kind == "cell"]
    assert [(mark.label, mark.level) for mark in cells] == [
        ("markdown 1", 1),
        ("code 2", 2),
        ("markdown 4", 4),
    ]
    assert [document.text[mark.start : mark.end] for mark in cells] == [
        "# Storks\nThey return.",
        "count()\n\n17",
        "End.",
    ]
    assert (document.title, document.metadata) == ("Storks", {"kernel": "Python 3"})


def test_headings_and_code_inside_cells_are_marked() -> None:
    document = read(of(markdown("text\n\n## Nests\n\n```r\n# no heading\n```"), code("x = 1"), **PYTHON))
    found = [(mark.kind, mark.label, document.text[mark.start : mark.end]) for mark in document.marks]
    assert ("heading", "Nests", "## Nests") in found
    assert ("code", "r", "```r\n# no heading\n```") in found
    assert ("code", "python", "x = 1") in found
    assert sum(kind == "heading" for kind, *_ in found) == 1


def test_marks_are_sorted_with_the_cell_in_front() -> None:
    document = read(of(markdown("# Only a heading")))
    assert [mark.kind for mark in document.marks] == ["cell", "heading"]


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (printed("plain\n"), "plain"),
        (printed("\x1b[31mred\x1b[0m"), "red"),
        (printed("10%\r50%\r100%\n"), "100%"),
        (printed("a warning", name="stderr"), ""),
        (shown(text_plain="   a  b\n0  1  2", text_html="<table>HIDDEN</table>"), "   a  b\n0  1  2"),
        (shown(text_plain="<Figure size 640x480 with 1 Axes>", image_png="iVBORHIDDEN"), ""),
        (shown(text_plain="[<matplotlib.lines.Line2D at 0x7f01>]"), ""),
        (
            {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": ["HIDDEN"]},
            "KeyError: 'x'",
        ),
        (
            {
                "output_type": "display_data",
                "data": {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "X"},
            },
            "",
        ),
        ({"output_type": "pyout", "text": ["17"]}, "17"),
        ({"output_type": 5, "data": [], "text": {}}, ""),
    ],
)
def test_results_are_kept_where_they_are_text(output: dict[str, Any], text: str) -> None:
    assert read(of(code("run()", output))).text == (f"run()\n\n{text}" if text else "run()")


def test_long_results_are_cut_at_a_line() -> None:
    text = read(of(code("run()", printed("a line of text\n" * 1_000)))).text
    assert len(text) < 2_100
    assert text.endswith("a line of text\n…")


def test_pictures_inside_markdown_are_left_out() -> None:
    text = read(of(markdown("![plot](data:image/png;base64," + "iVBOR" * 1_000 + ") shows"))).text
    assert text == "![plot](data:image/png;base64,…) shows"


def test_format_3_is_read() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Nests"]},
        {
            "cell_type": "code",
            "language": "python",
            "input": ["a = 1"],
            "outputs": [{"output_type": "pyout", "text": "1"}],
        },
    ]
    document = read({"nbformat": 3, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]})
    assert document.text == "## Nests\n\na = 1\n\n1"
    assert [(mark.kind, mark.label) for mark in document.marks] == [
        ("cell", "markdown 1"),
        ("heading", "Nests"),
        ("cell", "code 2"),
        ("code", "python"),
    ]


def test_title_and_author_come_from_the_metadata_or_a_raw_cell() -> None:
    assert read(of(markdown("# x"), title="Storks", authors=[{"name": "Ann"}])).metadata == {
        "title": "Storks",
        "author": "Ann",
    }
    raw = {"cell_type": "raw", "source": ["---\n", "title: Herons\n", "---"]}
    assert read(of(raw, markdown("# x"))).title == "Herons"


def test_the_language_of_a_cell_may_differ_from_the_kernel() -> None:
    document = read(of(code("%%sql\nselect 1"), **PYTHON))
    assert [mark.label for mark in document.marks] == ["code 1", "sql"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"cells": [', "broken notebook"),
        (b"[]", "no notebook"),
        (b"{}", "no list of cells"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"cells": ' + b"1" * 5_000 + b"}", "broken notebook"),
        (b"<html></html>", "broken notebook"),
    ],
)
def test_what_is_no_notebook_is_refused_with_the_reason(data: bytes, words: str) -> None:
    with pytest.raises(ReadError, match=rf"first-look\.ipynb.*{words}"):
        read(data)


def test_odd_values_are_passed_over() -> None:
    cells: list[Any] = [1, None, [], {}, {"cell_type": 3, "source": {"a": 1}, "outputs": 1}, markdown("text")]
    notebook = {"cells": cells, "metadata": ["x"]}
    assert read(notebook).text == "text"


def test_lone_surrogates_and_nul_become_replacement_characters() -> None:
    assert (
        read(b'{"cells": [{"cell_type": "markdown", "source": "a\\ud800b\\u0000c"}]}').text
        == "a\ufffdb\ufffdc"
    )


def test_empty_files_and_notebooks_are_blank_documents() -> None:
    assert read(b"").text == read(b" \n").text == read(of()).text == ""
