"""Which reader takes a file: its name, corrected by its content; and what is refused with a reason."""

from __future__ import annotations

import subprocess
import sys

import pytest

from openbook.errors import UnsupportedFile
from openbook.read import is_supported, kinds, read_bytes, unsupported_reason
from openbook.read.office import MEDIA_TYPES


def test_the_table_and_the_office_reader_agree() -> None:
    assert {suffix for suffix, reader in kinds.READERS.items() if reader == kinds.OFFICE} == set(MEDIA_TYPES)


def test_no_suffix_is_both_read_and_refused() -> None:
    assert not [suffix for suffix in kinds.READERS if unsupported_reason(f"file{suffix}")]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a/photo.JPG", "is an image"),
        ("song.mp3", "transcript"),
        ("film.mkv", "transcript"),
        ("backup.tar.gz", "Unpack it"),
        ("tool.exe", "is a program"),
        ("data.parquet", "CSV"),
        ("model.safetensors", "weights"),
        ("font.woff2", "is a font"),
        ("talk.key", "export as PDF"),
        ("book.mobi", "EPUB"),
        ("~$report.docx", "while the document is open"),
    ],
)
def test_what_is_not_read_says_why_and_what_would_be(path: str, words: str) -> None:
    assert words in unsupported_reason(path)
    assert repr(path) in unsupported_reason(path)
    assert not is_supported(path)
    with pytest.raises(UnsupportedFile, match=words):
        read_bytes(b"some text", path)


@pytest.mark.parametrize(
    "path", ["a.md", "b.PDF", "Makefile", "c/d.tar/e.txt", "x.csv", "y.ipynb", "Dockerfile"]
)
def test_what_is_read(path: str) -> None:
    assert is_supported(path)
    assert not unsupported_reason(path)


@pytest.mark.parametrize("path", ["LICENSE", "notes.xyz", "data.2024", ".profile", "READ.ME", "x."])
def test_a_text_of_unknown_kind_is_read_as_text(path: str) -> None:
    document = read_bytes(b"The storks return in March.\n", path)
    assert document.text == "The storks return in March.\n"
    assert document.media_type == "text/plain"


def test_a_page_of_unknown_kind_is_read_as_a_page() -> None:
    document = read_bytes(b"\n<!DOCTYPE html><title>River</title><p>Storks", "page")
    assert document.media_type == "text/html"
    assert "<p>" not in document.text


@pytest.mark.parametrize("data", [bytes(range(256)) * 2, b"\0\1\2\3" * 40])
def test_a_binary_of_unknown_kind_is_refused_by_its_suffix(data: bytes) -> None:
    with pytest.raises(UnsupportedFile, match=r"no reader takes files of kind '\.xyz'"):
        read_bytes(data, "a/thing.xyz")
    with pytest.raises(UnsupportedFile, match="binary files without a suffix"):
        read_bytes(data, "a/thing")


def test_the_content_corrects_the_name() -> None:
    document = read_bytes(rb"{\rtf1\ansi Storks return.}", "notes.txt")
    assert document.media_type == "application/rtf"
    assert document.text.strip() == "Storks return."


def test_a_page_saved_as_word_is_read_as_a_page() -> None:
    document = read_bytes(b"<html><body><h1>Storks</h1></body></html>", "report.doc")
    assert document.media_type == "text/html"


def test_a_text_about_pdf_stays_a_text() -> None:
    assert read_bytes(b"Files that begin with %PDF-1.7 are PDF.\n", "notes.txt").media_type == "text/plain"


def test_language_title_and_no_surrogates_in_the_end() -> None:
    document = read_bytes("Die Störche kehren im März an den Fluss zurück.".encode(), "der-fluss.txt")
    assert (document.language, document.title) == ("de", "der fluss")
    assert read_bytes(b"---\nlang: sv\n---\nHej\n", "a.md").language == "sv"


def test_asking_about_names_loads_no_reader() -> None:
    code = (
        "import sys; from openbook.read import is_supported; from openbook.read.discover import discover\n"
        "is_supported('a.pdf'); bad = [name for name in ('kreuzberg', 'yaml', 'markdown_it', "
        "'charset_normalizer', 'pathspec', 'openbook.read.office') if name in sys.modules]\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
