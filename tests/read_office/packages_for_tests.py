"""Minimal PowerPoint, OpenDocument, EPUB and e-mail files, and archives that are up to no good."""

# ruff: noqa: E501 (templates of XML are easier to read unbroken)

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from scripts.office_writers import write_package

_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_CONTENT = "application/vnd.openxmlformats-officedocument.presentationml"

ENTITIES = (
    '<!DOCTYPE bomb [<!ENTITY e0 "boom">'
    + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)
"""Declares an entity, &e9;, that stands for four billion characters."""


def with_entity_bomb(package: bytes, part: str, word: str) -> bytes:
    """A copy of a package in which `word` of one part has become the bomb's last entity."""

    def inject(xml: str) -> str:
        head, _, body = xml.partition("?>")
        return f"{head}?>{ENTITIES}{body.replace(word, '&e9;')}"

    return changed(package, part, inject)


def changed(package: bytes, part: str, change: Callable[[str], str]) -> bytes:
    """A copy of a package with one part's text changed."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        parts: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    content = parts[part]
    assert isinstance(content, bytes)
    parts[part] = change(content.decode())
    return write_package(parts)


def write_pptx(slides: Sequence[tuple[str, Sequence[str], str]]) -> bytes:
    """A presentation of (title, lines, notes)."""
    parts: dict[str, str | bytes] = {}
    types = f'<Override PartName="/ppt/presentation.xml" ContentType="{_CONTENT}.presentation.main+xml"/>'
    ids, relations = "", ""
    for number, (title, lines, notes) in enumerate(slides, 1):
        name = f"ppt/slides/slide{number}.xml"
        types += f'<Override PartName="/{name}" ContentType="{_CONTENT}.slide+xml"/>'
        ids += f'<p:sldId id="{255 + number}" r:id="rId{number}"/>'
        relations += _relation(number, "slide", f"slides/slide{number}.xml")
        shapes = _shape("title", [title]) + _shape("body", lines)
        parts[name] = f"<p:sld {_A} {_P} {_R}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        if notes:
            note = f"ppt/notesSlides/notesSlide{number}.xml"
            types += f'<Override PartName="/{note}" ContentType="{_CONTENT}.notesSlide+xml"/>'
            tree = f"<p:cSld><p:spTree>{_shape('body', [notes])}</p:spTree></p:cSld>"
            parts[note] = f"<p:notes {_A} {_P} {_R}>{tree}</p:notes>"
            parts[f"ppt/slides/_rels/slide{number}.xml.rels"] = _relationships(
                _relation(1, "notesSlide", f"../notesSlides/notesSlide{number}.xml")
            )
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    parts = {
        name: content if name.endswith(".rels") else f"{head}{content!s}" for name, content in parts.items()
    }
    return write_package(
        {
            "[Content_Types].xml": f'{head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/>{types}</Types>',
            "_rels/.rels": _relationships(_relation(1, "officeDocument", "ppt/presentation.xml")),
            "ppt/presentation.xml": f"{head}<p:presentation {_A} {_P} {_R}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
            "ppt/_rels/presentation.xml.rels": _relationships(relations),
            **parts,
        }
    )


def _shape(kind: str, lines: Sequence[str]) -> str:
    paragraphs = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in lines)
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="{kind}"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>'
        f"<p:spPr/><p:txBody><a:bodyPr/>{paragraphs}</p:txBody></p:sp>"
    )


def _relation(number: int, kind: str, target: str) -> str:
    return f'<Relationship Id="rId{number}" Type="{_KIND}/{kind}" Target="{target}"/>'


def _relationships(entries: str) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="{_RELATIONS}">{entries}</Relationships>'
    )


def write_odt(body: str, *, title: str = "") -> bytes:
    """An OpenDocument text whose body is given in its own XML."""
    spaces = " ".join(
        f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for prefix, name in (("office", "office"), ("text", "text"), ("table", "table"), ("meta", "meta"))
    )
    dc = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    content = f"<office:body><office:text>{body}</office:text></office:body>"
    meta = f"<office:meta><dc:title>{escape(title)}</dc:title></office:meta>"
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return write_package(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"{head}<office:document-content {spaces}>{content}</office:document-content>",
            "meta.xml": f"{head}<office:document-meta {spaces} {dc}>{meta}</office:document-meta>",
            "META-INF/manifest.xml": f'{head}<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:'
            'manifest:1.0"><manifest:file-entry manifest:full-path="/" '
            'manifest:media-type="application/vnd.oasis.opendocument.text"/></manifest:manifest>',
        }
    )


def write_epub(chapters: Sequence[str], *, title: str) -> bytes:
    """A book of chapters given as the inside of an XHTML body."""
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    manifest = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    package = (
        f'{head}<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">x</dc:identifier>'
        f"<dc:title>{escape(title)}</dc:title><dc:creator>Ann Author</dc:creator><dc:language>en</dc:language></metadata>"
        f"<manifest>{manifest}</manifest><spine>{spine}</spine></package>"
    )
    return write_package(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": f'{head}<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:'
            'container"><rootfiles><rootfile full-path="book.opf" media-type="application/oebps-package+xml"/>'
            "</rootfiles></container>",
            "book.opf": package,
            **{
                f"c{n}.xhtml": f'{head}<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
                f"<body>{chapter}</body></html>"
                for n, chapter in enumerate(chapters)
            },
        }
    )
