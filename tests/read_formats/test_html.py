"""HTML: what a person sees is read with exact marks, and nothing that a person does not see."""

from __future__ import annotations

import pytest

from openbook.errors import ReadError
from openbook.read.html import HtmlReader
from openbook.types import Document, Mark

PAGE = """<!DOCTYPE html>
<html lang="en-GB"><head>
<title>Joins &mdash; The Data Book</title>
<meta name="author" content="Ann Lee">
<meta property="article:published_time" content="2024-03-01T10:00:00Z">
<meta name="description" content="How  to join.">
<style>p { color: red }</style><script>var secret = "in a script";</script>
</head><body>
<nav><a href="/">menu entry</a></nav>
<h1>Joins<a class="headerlink" href="#joins">¶</a></h1>
<p>Two  tables &amp; one <b>key</b>.<br>A second
line.</p>
<!-- in a comment -->
<ul><li>left</li><li>right<ol start="3"><li>inner</li></ol></li></ul>
<table><caption>Prices</caption>
<thead><tr><th>Name</th><th>Price</th></tr></thead>
<tr><td rowspan="2">pen</td><td>1</td></tr><tr><td>2</td></tr></table>
<pre><code class="language-python">
def join(a, b):
    return a &lt; b
</code></pre>
<h2>Next</h2><footer>site footer</footer>
</body></html>"""


def read(page: str | bytes, path: str = "page.html") -> Document:
    return HtmlReader().read(page.encode() if isinstance(page, str) else page, path)


def of_kind(document: Document, kind: str) -> list[tuple[Mark, str]]:
    return [(mark, document.text[mark.start : mark.end]) for mark in document.marks if mark.kind == kind]


def test_a_page_becomes_text_in_order() -> None:
    assert read(PAGE).text == (
        "Joins\n\n"
        "Two tables & one key.\nA second line.\n\n"
        "- left\n- right\n  3. inner\n\n"
        "Prices\n\n"
        "| Name | Price |\n| --- | --- |\n| pen | 1 |\n| pen | 2 |\n\n"
        "def join(a, b):\n    return a < b\n\n"
        "Next"
    )


def test_marks_point_at_headings_tables_and_code() -> None:
    document = read(PAGE)
    assert [(mark.level, mark.label, text) for mark, text in of_kind(document, "heading")] == [
        (1, "Joins", "Joins"),
        (2, "Next", "Next"),
    ]
    ((table, table_text),) = of_kind(document, "table")
    assert table_text.startswith(table.label + "\n")
    ((code, code_text),) = of_kind(document, "code")
    assert (code.label, code_text) == ("python", "def join(a, b):\n    return a < b")


def test_title_language_and_metadata_come_from_the_page() -> None:
    document = read(PAGE)
    assert (document.title, document.language) == ("Joins", "en")
    assert document.metadata == {
        "title": "Joins",
        "author": "Ann Lee",
        "description": "How to join.",
        "created": "2024-03-01T10:00:00Z",
    }


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>HIDDEN</script>",
        "<SCRIPT type='text/x'>HIDDEN</SCRIPT>",
        "<script>'</scr' + 'ipt>' HIDDEN</script>",
        "<style>HIDDEN</style>",
        "<template><p>HIDDEN</p></template>",
        "<noscript>HIDDEN</noscript>",
        "<!-- HIDDEN -->",
        "<!-- > <p>HIDDEN</p> -->",
        "<div hidden>HIDDEN</div>",
        "<div hidden=''><div><p>HIDDEN</p></div></div>",
        "<p aria-hidden=true>HIDDEN</p>",
        "<div style='display:none'><p>HIDDEN</p></div>",
        "<div style='color: red; DISPLAY : NONE !important'>HIDDEN</div>",
        "<div style='display/**/:none'>HIDDEN</div>",
        "<span style='visibility:hidden;'>HIDDEN</span>",
        "<svg><title>HIDDEN</title><text>HIDDEN</text></svg>",
        "<select><option>HIDDEN</option></select>",
        "<dialog>HIDDEN</dialog>",
        "<nav>HIDDEN</nav>",
        "<div role=navigation>HIDDEN</div>",
        "<iframe>HIDDEN</iframe>",
        "<input value=HIDDEN>",
        "<a title=HIDDEN href=HIDDEN></a>",
        "<?php echo 'HIDDEN' ?>",
        "<footer>HIDDEN</footer>",
    ],
)
def test_what_nobody_sees_is_not_in_the_text(hidden: str) -> None:
    document = read(f"<body><p>before</p>{hidden}<p>after</p></body>")
    assert document.text == "before\n\nafter"


@pytest.mark.parametrize(
    "shown",
    [
        "<div style='display:block'>SHOWN</div>",
        "<div style='nodisplay:none-such'>SHOWN</div>",
        "<div hidden=until-found>SHOWN</div>",
        "<details><summary>more</summary>SHOWN</details>",
        "<dialog open>SHOWN</dialog>",
        "<article><p>x</p><footer>SHOWN</footer></article>",
        "<unknown-element>SHOWN</unknown-element>",
        "<p aria-hidden=false>SHOWN</p>",
        "SHOWN",
    ],
)
def test_what_everybody_sees_is_in_the_text(shown: str) -> None:
    assert "SHOWN" in read(f"<body>{shown}</body>").text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("caf&eacute; &#233; &#xE9;", "café é é"),
        ("a&nbsp;&nbsp;b", "a b"),
        ("AT&T &unknown; &", "AT&T &unknown; &"),
        ("&copy 2024", "© 2024"),
    ],
)
def test_entities_are_decoded_once(source: str, text: str) -> None:
    assert read(f"<p>{source}</p>").text == text


def test_main_wins_over_what_stands_beside_it() -> None:
    story = "The story. " * 30
    document = read(
        f"<header><h1>Top</h1>banner</header><div>ads</div><main><p>{story}</p></main><div>links</div>"
    )
    assert document.text == f"Top\n\n{story.strip()}"


def test_an_empty_main_does_not_empty_the_page() -> None:
    assert read("<main></main><div><p>All the text.</p></div>").text == "All the text."


def test_a_menu_that_was_never_closed_does_not_swallow_the_page() -> None:
    assert read("<nav><a>x</a><p>All the text.</p>").text == "x\n\nAll the text."


def test_a_table_that_lays_out_the_page_is_read_as_text() -> None:
    document = read("<table><tr><td><h2>Left</h2>one<td>two<tr><td>three<td>four</table>")
    assert document.text == "Left\n\none\n\ntwo\n\nthree\n\nfour"
    assert not of_kind(document, "table")


def test_a_table_with_names_before_its_rows_has_no_header_row() -> None:
    ((table, _),) = of_kind(read("<table><tr><th>a<td>1<tr><th>b<td>2</table>"), "table")
    assert table.label == ""


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("<p>Größe</p>".encode("utf-8-sig"), "Größe"),
        ("<p>Größe</p>".encode("utf-16"), "Größe"),
        ('<meta charset="iso-8859-1"><p>Größe “x”</p>'.encode("cp1252"), "Größe “x”"),
        (
            '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>Привет</p>'.encode(
                "koi8-r"
            ),
            "Привет",
        ),
        ('<meta charset="shift_jis"><p>日本語の本</p>'.encode("cp932"), "日本語の本"),
        ('<meta charset="iso-2022-jp"><p>日本語の本</p>'.encode("iso-2022-jp"), "日本語の本"),
        ('<meta charset="utf-16"><p>Größe</p>'.encode(), "Größe"),
        ('<meta charset="no-such"><p>Größe</p>'.encode(), "Größe"),
        ('<?xml version="1.0" encoding="iso-8859-1"?><html><p>Größe</p></html>'.encode("latin-1"), "Größe"),
    ],
)
def test_the_encoding_is_found(data: bytes, text: str) -> None:
    assert read(data).text == text


def test_a_script_closed_as_in_xml_does_not_swallow_the_page() -> None:
    page = (
        '<?xml version="1.0"?><html><head><script src="x.js"/></head><body><p>text<br/>more</p></body></html>'
    )
    assert read(page, "page.xhtml").text == "text\nmore"


@pytest.mark.parametrize(
    "tag", ["div", "b", "table><tr><td", "ul><li", "blockquote", "span hidden", "pre", "main"]
)
def test_elements_nested_100_000_deep_are_read(tag: str) -> None:
    page = f"<{tag}>" * 100_000 + "deep"
    assert read(page).text.strip(" -") == ("" if "hidden" in tag else "deep")


def test_spans_of_cells_cannot_blow_up_a_table() -> None:
    row = "<tr>" + "<td rowspan=9999 colspan=9999>x" * 3
    assert len(read("<table>" + row * 2 + "<tr><td>y" * 3_000).text) < 400_000


def test_pages_without_text_are_blank_documents() -> None:
    for page in ("", "   \n", "<html></html>", "<!-- only -->", "<script>x</script>"):
        document = read(page, "notes/empty-page.html")
        assert (document.text, document.title) == ("", "empty page")


def test_bytes_that_are_no_page_are_refused_with_a_reason() -> None:
    with pytest.raises(ReadError, match=r"page\.html.*looks binary"):
        read(bytes(range(256)) * 10)
