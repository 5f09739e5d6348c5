"""CSV: the text is the file; the table, its header row and its long rows are marked."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.read.tables import TableReader
from openbook.types import Document


def read(data: bytes, path: str = "table.csv") -> Document:
    return TableReader().read(data, path)


def header(document: Document) -> str | None:
    """The label of the one table; None where there is none."""
    tables = [mark for mark in document.marks if mark.kind == "table"]
    assert len(tables) <= 1
    return tables[0].label if tables else None


def long_rows(document: Document) -> list[str]:
    return [document.text[mark.start : mark.end] for mark in document.marks if mark.kind == "row"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("name,price\npen,1\nink,2\n", "name,price"),
        ("name;price\npen;1,5\nink;2,5\n", "name;price"),
        ("name\tprice\npen\t1\nink\t2\n", "name\tprice"),
        ("name|price\npen|1\nink|2\n", "name|price"),
        ('"first, name","b"\n"x","1"\n"y","2"\n', '"first, name","b"'),
        ("country,2019,2020\nDE,1,2\nFR,3,4\n", "country,2019,2020"),
        ("sep=;\na;b\n1;2\n3;4\n", "a;b"),
        ("Report of 2024\n\nname,price\npen,1\nink,2\n", "name,price"),
        ("x,y\nrow1,1,2\nrow2,3,4\n", "x,y"),
        ("text,label\nHow are you?,greeting\nWhere is it?,question\n", "text,label"),
        ("1,2,3\n4,5,6\n", ""),
        ("2024-01-01,5\n2024-01-02,6\n", ""),
        ("Ann,Paris\nBo,Rome\nAnn,Oslo\n", ""),
        ("a,b\n", ""),
        ("no table at all\njust lines\n", None),
        ("", None),
        ("\n\n", None),
    ],
)
def test_delimiter_and_header_row_are_found(text: str, label: str | None) -> None:
    document = read(text.encode())
    assert document.text == text
    assert header(document) == label


def test_the_table_begins_at_its_header_row_and_ends_with_its_last() -> None:
    document = read(b"Report\n\na,b\n1,2\n3,4\n\n")
    (table,) = document.marks
    assert document.text[table.start : table.end] == "a,b\n1,2\n3,4"


def test_rows_of_several_lines_are_marked() -> None:
    document = read(b'id,text\n1,"two\nlines, ""quoted"""\n2,plain\n3,"\n\n"\n')
    assert long_rows(document) == ['1,"two\nlines, ""quoted"""', '3,"\n\n"']


def test_a_quotation_mark_inside_a_field_opens_nothing() -> None:
    document = read(b'pipe,size\n5" pipe,3\n7" pipe,4\n')
    assert not long_rows(document)


def test_a_quotation_mark_that_nobody_closes_costs_one_row_only() -> None:
    document = read(b'id,text\n1,"open\n2,plain\n3,plain\n')
    assert header(document) == "id,text"
    assert not long_rows(document)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings_of_spreadsheet_programs(encoding: str) -> None:
    document = read("Größe;Preis in €\nklein;1,5\nfür Große;2,5\n".encode(encoding))
    assert header(document) == "Größe;Preis in €"


def test_line_ends_of_windows_and_old_macs_become_one() -> None:
    assert read(b"a,b\r\n1,2\r\n").text == read(b"a,b\r1,2\r").text == "a,b\n1,2\n"


def test_a_suffix_prefers_its_delimiter() -> None:
    document = read(b"a,b\tc,d\n1,2\t3,4\n", "table.tsv")
    assert document.media_type == "text/tab-separated-values"


CELLS = st.text(alphabet=st.sampled_from('ab1 ,;"\n\t'), max_size=8)


@given(st.lists(st.tuples(st.just("key"), CELLS, CELLS), min_size=3, max_size=12))
def test_the_rows_found_are_those_of_the_csv_module(rows: list[tuple[str, str, str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    text = buffer.getvalue()
    document = read(b"sep=,\n" + text.encode())
    expected = []
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="", quoting=csv.QUOTE_ALL).writerow(row)
        if "\n" in line.getvalue():
            expected.append(line.getvalue())
    assert long_rows(document) == expected


def test_real_tables(data: Path) -> None:
    for name, label in (
        ("banking77/train.csv", "text,category"),
        ("formats/students.csv", "Student ID,Full Name,favourite.food,mealPlan,AGE"),
    ):
        content = (data / name).read_bytes()
        document = read(content, name)
        assert header(document) == label
        rows = list(csv.reader(io.StringIO(document.text)))
        assert sum(any("\n" in cell for cell in row) for row in rows) == len(long_rows(document))
