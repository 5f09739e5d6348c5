"""Damaged, encrypted and hostile office files: each has its own clear error, and none costs much."""

# ruff: noqa: E501 (the objects of a PDF are easier to read unbroken)

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from openbook.errors import LimitExceeded, ReadError
from openbook.read.office import OfficeReader
from scripts.office_writers import assemble_pdf, write_docx, write_package, write_pdf, write_xlsx
from tests.read_office.packages_for_tests import (
    ENTITIES,
    changed,
    with_entity_bomb,
    write_epub,
    write_odt,
    write_pptx,
)

WORD = write_docx([("p", "placeholder")], title="")
EXCEL = write_xlsx({"S": [["placeholder", "b"], ["c", "d"]]})


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("a.docx", WORD[: len(WORD) // 2]),
        ("a.xlsx", EXCEL[: len(EXCEL) // 2]),
        ("a.odt", b"PK\x03\x04 and no more"),
        ("a.epub", b"no archive at all"),
        ("a.doc", b"no document at all"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000)),
        ("a.msg", b"no mail at all"),
        ("a.ppt", b"no slides at all"),
        ("a.pdf", b"%PDF-1.7\nno pages at all"),
    ],
)
def test_damaged_files_say_so(path: str, data: bytes) -> None:
    with pytest.raises(ReadError, match="damaged") as caught:
        OfficeReader().read(data, path)
    assert repr(path) in str(caught.value)


def test_a_word_file_whose_text_is_cut_off() -> None:
    with pytest.raises(ReadError, match=r"'a\.docx'"):
        OfficeReader().read(changed(WORD, "word/document.xml", lambda xml: xml[: len(xml) // 2]), "a.docx")


def test_a_word_file_with_flipped_bytes() -> None:
    place = WORD.index(b"word/document.xml") + 40
    broken = WORD[:place] + bytes(byte ^ 0xFF for byte in WORD[place : place + 20]) + WORD[place + 20 :]
    with pytest.raises(ReadError, match="damaged"):
        OfficeReader().read(broken, "a.docx")


def test_encrypted_pdf() -> None:
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [] /Count 0 >>",
        f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{'ab' * 32}> /U <{'cd' * 32}> >>",
    ]
    data = assemble_pdf(objects, f"/Root 1 0 R /Encrypt 3 0 R /ID [<{'00' * 16}> <{'00' * 16}>]")
    with pytest.raises(ReadError, match="is encrypted \\(needs a password\\)"):
        OfficeReader().read(data, "secret.pdf")


def test_encrypted_office_file() -> None:
    with pytest.raises(ReadError, match="is encrypted \\(needs a password\\)"):
        OfficeReader().read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000), "secret.docx")


def test_encrypted_archive() -> None:
    data = bytearray(WORD)
    place = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, place + 8, 1)
    with pytest.raises(ReadError, match="is encrypted"):
        OfficeReader().read(bytes(data), "secret.docx")


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("a.docx", with_entity_bomb(WORD, "word/document.xml", "placeholder")),
        ("a.xlsx", with_entity_bomb(EXCEL, "xl/worksheets/sheet1.xml", "placeholder")),
        (
            "a.pptx",
            with_entity_bomb(
                write_pptx([("placeholder", ["b"], "")]), "ppt/slides/slide1.xml", "placeholder"
            ),
        ),
        ("a.odt", with_entity_bomb(write_odt("<text:p>placeholder</text:p>"), "content.xml", "placeholder")),
        (
            "a.epub",
            with_entity_bomb(write_epub(["<p>placeholder</p>"], title="t"), "c0.xhtml", "placeholder"),
        ),
        (
            "a.fb2",
            f'<?xml version="1.0"?>{ENTITIES}<FictionBook><body><p>&e9;</p></body></FictionBook>'.encode(),
        ),
    ],
)
def test_entities_do_not_expand(path: str, data: bytes) -> None:
    try:
        document = OfficeReader().read(data, path)
    except ReadError:
        return
    assert len(document.text) < 1000
    assert "boom" not in document.text


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    data = changed(WORD, "word/document.xml", lambda xml: xml.replace("placeholder", "A" * 50_000_000))
    assert len(data) < 100_000
    with pytest.raises(LimitExceeded, match="times its size"):
        OfficeReader().read(data, "a.docx")


@pytest.mark.parametrize("path", ["a.docx", "a.xlsx", "a.pptx", "a.odt", "a.ods", "a.epub"])
def test_every_package_format_is_checked(path: str) -> None:
    data = write_package({"content.xml": "A" * 30_000_000, "word/document.xml": ""})
    with pytest.raises(LimitExceeded):
        OfficeReader().read(data, path)


def test_an_archive_of_too_many_parts() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(20_001):
            archive.writestr(zipfile.ZipInfo(f"{number}"), b"")
    with pytest.raises(LimitExceeded, match="parts"):
        OfficeReader().read(target.getvalue(), "a.docx")


def test_a_part_that_lies_about_its_size_is_not_read_further() -> None:
    """The directory says ten bytes, the stream holds fifty million."""
    data = bytearray(
        changed(WORD, "word/document.xml", lambda xml: xml.replace("placeholder", "A" * 50_000_000))
    )
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = -1
        while (place := data.find(signature, place + 1)) >= 0:
            name_start = place + (46 if signature == b"PK\x01\x02" else 30)
            if data[name_start : name_start + 17] == b"word/document.xml":
                struct.pack_into("<I", data, place + offset, 10)
    with pytest.raises(ReadError):
        OfficeReader().read(bytes(data), "a.docx")


def test_a_scanned_pdf_has_no_text() -> None:
    image = "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /I 4 0 R >> >> /Contents 5 0 R >>",
        f"{image}\nstream\n\x80\nendstream",
        "<< /Length 28 >>\nstream\nq 595 0 0 842 0 0 cm /I Do Q\nendstream",
    ]
    document = OfficeReader().read(assemble_pdf(objects, "/Root 1 0 R"), "scans/scanned_letter.pdf")
    assert document.text == ""
    assert document.marks == ()
    assert document.title == "scanned letter"


def test_a_pdf_cut_in_half_never_crashes() -> None:
    data = write_pdf([("h1", "Title"), ("p", "Words. " * 200), ("page", ""), ("p", "More words.")], title="t")
    for cut in range(100, len(data), len(data) // 20):
        words = _text_or_error(data[:cut])
        assert "damaged" in words or set(words.split()) <= {"Title", "Words.", "More", "words."}


def _text_or_error(data: bytes) -> str:
    try:
        return OfficeReader().read(data, "a.pdf").text
    except ReadError as error:
        return str(error)
