"""Each office format, read from a file whose content is known to the letter."""

from __future__ import annotations

import re
from email.message import EmailMessage
from itertools import pairwise

import pytest

from openbook.errors import UnsupportedFile
from openbook.read.office import MEDIA_TYPES, OfficeReader
from openbook.types import Document
from scripts.office_writers import Block, write_docx, write_xlsx
from tests.read_office.packages_for_tests import changed, write_epub, write_odt, write_pptx

# ruff: noqa: E501 (templates of XML are easier to read unbroken)

HARD = "Smith & Co: 3 < 4 > 2, “R&D”, x * y, a_b_c, ½ | é"
"""Characters that XML, Markdown and sloppy parsers stumble over."""

BLOCKS: list[Block] = [
    ("h1", "Wheels & <rims>"),
    ("p", HARD),
    ("h2", "Parts"),
    ("li", "one"),
    ("li", "two"),
    ("table", [["Part", "Price"], ["A & B", "1"], ["a | b", ""]]),
    ("p", "The end."),
]


def _read(data: bytes, path: str) -> Document:
    document = OfficeReader().read(data, path)
    _check_marks(document)
    return document


def _check_marks(document: Document) -> None:
    """What holds for the marks of every document."""
    assert list(document.marks) == sorted(document.marks, key=lambda mark: (mark.start, -mark.end))
    places = [mark for mark in document.marks if mark.kind in ("page", "slide", "sheet")]
    assert all(one.end <= other.start for one, other in pairwise(places))
    for mark in document.marks:
        span = document.text[mark.start : mark.end]
        assert span == span.strip()
        if mark.kind == "heading":
            assert span == mark.label
        if mark.kind == "table":
            assert span.split("\n")[0] == mark.label
            assert all(line.startswith("|") for line in span.split("\n"))


def _labels(document: Document, kind: str) -> list[tuple[str, int]]:
    return [(mark.label, mark.level) for mark in document.marks if mark.kind == kind]


def test_word() -> None:
    data = write_docx(BLOCKS, title="R&D <plan>", author="Ann & Bob", created="2024-03-16T09:30:00Z")
    document = _read(data, "notes/plan.docx")
    assert document.text == (
        f"Wheels & <rims>\n\n{HARD}\n\nParts\n\n- one\n- two\n\n"
        "| Part | Price |\n| --- | --- |\n| A & B | 1 |\n| a \\| b |  |\n\nThe end."
    )
    assert _labels(document, "heading") == [("Wheels & <rims>", 1), ("Parts", 2)]
    assert _labels(document, "table") == [("| Part | Price |", 0)]
    assert document.title == "R&D <plan>"
    assert document.metadata["author"] == "Ann & Bob"
    assert document.metadata["created"] == "2024-03-16T09:30:00Z"
    assert document.media_type == MEDIA_TYPES[".docx"]


WORD_BODY = (
    "<w:p><w:r><w:t>Name:</w:t><w:tab/><w:t>Ann</w:t><w:br/><w:t>Berry</w:t></w:r></w:p>"
    '<w:p><w:pPr><w:pStyle w:val="berschrift1"/></w:pPr><w:r><w:t>Deutsch</w:t></w:r></w:p>'
    "<w:p><w:ins><w:r><w:t>kept </w:t></w:r></w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
    "<w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>"
    "<w:p><w:r><w:t>well</w:t><w:noBreakHyphen/><w:t>known so</w:t><w:softHyphen/><w:t>ft</w:t></w:r></w:p>"
    "<w:sdt><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    "<w:p><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>"
    "<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val='2'/></w:tcPr><w:p><w:r><w:t>wide</w:t></w:r></w:p></w:tc>"
    "<w:tc><w:tcPr><w:vMerge w:val='restart'/></w:tcPr><w:p><w:r><w:t>tall</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc>"
    "<w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc><w:tc><w:tcPr><w:vMerge/>"
    "</w:tcPr><w:p/></w:tc></w:tr></w:tbl>"
)
GERMAN = (
    '<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style></w:styles>'
)


def test_word_as_word_writes_it() -> None:
    data = changed(
        write_docx([], title=""),
        "word/document.xml",
        lambda xml: xml.replace("<w:body>", f"<w:body>{WORD_BODY}"),
    )
    data = changed(data, "word/styles.xml", lambda xml: xml.replace("</w:styles>", GERMAN))
    document = _read(data, "letter.docx")
    assert document.text == (
        "Name: Ann\nBerry\n\nDeutsch\n\nkept link\n\nwell-known soft\n\ncontrolled\n\nboxed\n\n"
        "| wide |  | tall |\n| --- | --- | --- |\n| a | b | tall |"
    )
    assert _labels(document, "heading") == [("Deutsch", 1)]


def test_automatic_numbers_of_word_are_part_of_headings_and_lists() -> None:
    levels = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for level, (form, text) in enumerate(
            (("decimal", "%1."), ("decimal", "%1.%2"), ("lowerLetter", "%3)"))
        )
    )
    numbering = f'<w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>'
    lines = (
        (1, 0, "Scope"),
        (2, 1, "Who"),
        (2, 1, "When"),
        (0, 2, "first"),
        (0, 2, "second"),
        (1, 0, "Costs"),
    )
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{f"Heading{heading}" if heading else "Normal"}"/><w:numPr>'
        f'<w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>{words}</w:t></w:r></w:p>'
        for heading, level, words in lines
    )
    data = changed(
        write_docx([], title=""), "word/document.xml", lambda xml: xml.replace("<w:body>", f"<w:body>{body}")
    )
    data = changed(
        data, "word/numbering.xml", lambda xml: re.sub("<w:abstractNum .*</w:abstractNum>", numbering, xml)
    )
    document = _read(data, "contract.docx")
    assert document.text == "1. Scope\n\n1.1 Who\n\n1.2 When\n\n  a) first\n  b) second\n\n2. Costs".replace(
        "  ", "    "
    )


def test_excel_marks_every_sheet_by_name_and_number() -> None:
    sheets: dict[str, list[list[str | float]]] = {
        "Prices & more": [["Item", "Price"], [HARD, 0.5], ["Rim\nbig", 25]],
        "Empty": [],
        "Sheet3": [["only"], ["one column"]],
    }
    document = _read(write_xlsx(sheets), "price-list_2024.xlsx")
    assert document.text == (
        "Prices & more\n\n| Item | Price |\n| --- | --- |\n"
        f"| {HARD.replace('|', chr(92) + '|')} | 0.5 |\n| Rim big | 25 |\n\nonly\none column"
    )
    assert _labels(document, "sheet") == [("Prices & more", 1), ("Sheet3", 3)]
    assert _labels(document, "heading") == [("Prices & more", 1)]
    assert document.title == "price list 2024"


def test_powerpoint_marks_slides_and_keeps_the_speakers_notes() -> None:
    slides = [
        ("First & best", ["one < two", HARD], "say hello"),
        ("Second", ["no notes"], ""),
        ("Last", ["end"], "bye"),
    ]
    document = _read(write_pptx(slides), "deck.pptx")
    assert _labels(document, "slide") == [("1", 1), ("2", 2), ("3", 3)]
    spans = [document.text[mark.start : mark.end] for mark in document.marks if mark.kind == "slide"]
    assert spans == [
        f"First & best\n\n- one < two\n- {HARD}\n\nNotes: say hello",
        "Second\n\nno notes",
        "Last\n\nend\n\nNotes: bye",
    ]
    assert [label for label, _ in _labels(document, "heading")] == ["First & best", "Second", "Last"]
    assert document.title == "First & best"


def test_an_indented_first_bullet() -> None:
    bullet = '<a:p><a:pPr lvl="1"><a:buChar char="•"/></a:pPr><a:r><a:t>deep</a:t></a:r></a:p>'
    data = changed(
        write_pptx([("T", ["placeholder"], "")]),
        "ppt/slides/slide1.xml",
        lambda xml: xml.replace("<a:p><a:r><a:t>placeholder</a:t></a:r></a:p>", bullet),
    )
    assert _read(data, "a.pptx").text == "T\n\n  - deep"


def test_open_document_text() -> None:
    body = (
        '<text:h text:outline-level="1">Wheels &amp; rims</text:h><text:p>Smith &amp; Co: 3 &lt; 4</text:p>'
        '<table:table table:name="T"><table:table-row><table:table-cell><text:p>A</text:p></table:table-cell>'
        "<table:table-cell><text:p>B</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell>"
        "<text:p>1</text:p></table:table-cell><table:table-cell><text:p>2</text:p></table:table-cell></table:table-row>"
        "</table:table>"
    )
    document = _read(write_odt(body, title="The title"), "a.odt")
    assert document.text == "Wheels & rims\n\nSmith & Co: 3 < 4\n\n| A | B |\n| --- | --- |\n| 1 | 2 |"
    assert document.title == "The title"


def test_epub() -> None:
    chapters = [
        f"<h1>Chapter {number} &amp; more</h1><p>Smith &amp; Co &#8211; <b>bold</b> text.</p>"
        f"<h2>Sub</h2><p>{word}</p>"
        for number, word in ((1, "alpha"), (2, "omega"))
    ]
    document = _read(write_epub(chapters, title="A book & a half"), "book.epub")
    assert document.text == "\n\n".join(
        f"Chapter {number} & more\n\nSmith & Co – bold text.\n\nSub\n\n{word}"
        for number, word in ((1, "alpha"), (2, "omega"))
    )
    assert _labels(document, "heading")[:2] == [("Chapter 1 & more", 1), ("Sub", 2)]
    assert (document.title, document.metadata["author"]) == ("A book & a half", "Ann Author")


def test_epub_keeps_what_is_no_paragraph() -> None:
    body = (
        "<h1>One</h1><dl><dt>Spoke</dt><dd>a wire</dd></dl><figure><figcaption>A caption</figcaption></figure>"
        "<blockquote>Quoted.</blockquote><div>Bare words.</div><table><tr><th>A</th><th>B</th></tr>"
        "<tr><td>1</td><td>2</td></tr></table>"
    )
    document = _read(write_epub([body], title="t"), "a.epub")
    for words in ("Spoke", "a wire", "A caption", "Quoted.", "Bare words.", "| 1 | 2 |"):
        assert words in document.text


def test_rtf() -> None:
    data = (
        rb"{\rtf1\ansi{\info{\title Plan}}\pard Smith & Co \'e9 \u8212? dash\par Second {\b bold} part\par}"
    )
    document = _read(data, "a.rtf")
    assert document.text == "Smith & Co é — dash\n\nSecond bold part"
    assert document.title == "Plan"


def test_mail_with_an_attachment() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Café & tea"
    mail["From"] = "Ann Author <ann@example.org>"
    mail["To"] = "bob@example.org, eve@example.org"
    mail["Date"] = "Mon, 04 Mar 2024 10:00:00 +0100"
    mail.set_content("Hello & welcome\n\nSee you at 3 < 4.\n")
    mail.add_attachment(b"attached words", maintype="text", subtype="plain", filename="note.txt")
    document = _read(bytes(mail), "letters/hello.eml")
    for words in ("Café & tea", "Hello & welcome", "See you at 3 < 4.", "attached words"):
        assert words in document.text
    assert _labels(document, "heading") == [("Attachment: note.txt", 2)]
    assert document.title == "Café & tea"
    assert document.text.endswith("Attachment: note.txt\n\nattached words")
    assert document.metadata["author"] == "Ann Author <ann@example.org>"
    assert document.metadata["created"] == "2024-03-04T10:00:00+01:00"


def test_mail_in_html_only() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Hello"
    mail.set_content("<html><body><p>Smith &amp; Co</p><p>3 &lt; 4</p></body></html>", subtype="html")
    document = _read(bytes(mail), "hello.eml")
    assert "Smith & Co" in document.text
    assert "3 < 4" in document.text
    assert "<p>" not in document.text


def test_attachments_of_a_mail_are_read_like_files() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Minutes"
    mail.set_content("See the attachments.")
    word = write_docx(BLOCKS, title="")
    mail.add_attachment(word, maintype="application", subtype="octet-stream", filename="minutes.docx")
    mail.add_attachment(b"\x89PNG\r\n", maintype="image", subtype="png", filename="photo.png")
    mail.add_attachment(b"PK\x03\x04 broken", maintype="application", subtype="zip", filename="broken.docx")
    document = _read(bytes(mail), "minutes.eml")
    assert HARD in document.text
    names = [label for label, _ in _labels(document, "heading")]
    assert names == [
        "Attachment: minutes.docx",
        "Wheels & <rims>",
        "Parts",
        "Attachment: photo.png",
        "Attachment: broken.docx",
    ]
    assert _labels(document, "table") == [("| Part | Price |", 0)]


@pytest.mark.parametrize("path", ["plan.doc", "plan.pdf", "plan", "plan.txt", "PLAN.DOCX"])
def test_the_bytes_decide_where_the_name_is_wrong(path: str) -> None:
    assert "Wheels & <rims>" in _read(write_docx(BLOCKS, title=""), path).text


def test_an_empty_file_is_an_empty_document() -> None:
    assert OfficeReader().read(b"", "a.docx").text == ""


def test_a_format_of_another_reader_is_refused() -> None:
    with pytest.raises(UnsupportedFile, match=r"'a\.png'"):
        OfficeReader().read(b"\x89PNG", "a.png")
