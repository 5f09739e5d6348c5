"""Encodings: what people really leave in files, damage, and content that is no text."""

from __future__ import annotations

import codecs
import os

import pytest

from openbook.errors import UnsupportedFile
from openbook.read.decoding import decode, looks_binary, looks_like_text

ENGLISH = "Some English text stands here, as it does in most files.\n" * 20
SENTENCES = {
    "cp1252": "Übergrößenträger für die Straße können ärgerlich sein.",
    "latin-1": "Le café est très agréable à côté du théâtre.",
    "cp1250": "Zażółć gęślą jaźń, proszę bardzo, to jest wiadomość z Łodzi.",
    "iso8859-2": "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "cp1251": "Съешь же ещё этих мягких французских булок да выпей чаю.",
    "koi8_r": "Съешь же ещё этих мягких французских булок да выпей чаю.",
    "cp866": "Съешь же ещё этих мягких французских булок да выпей чаю.",
    "cp1253": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία και πηγαίνω στη θάλασσα.",
    "cp1255": "דג סקרן שט בים מאוכזב ולפתע מצא חברה",
    "cp1256": "ذهبنا أمس إلى المتجر لشراء الخبز والحليب",
    "cp932": "いろはにほへと ちりぬるを 日本語の文章です。",
    "euc_jp": "いろはにほへと ちりぬるを 日本語の文章です。",
    "gb18030": "我能吞下玻璃而不伤身体。这是一个简单的中文句子。",
    "big5": "我能吞下玻璃而不傷身體。這是一個簡單的中文句子。",
    "cp949": "나는 유리를 먹을 수 있어요. 그래도 아프지 않아요",
    "mac_roman": "Übergrößenträger für die Straße können ärgerlich sein.",
    "cp850": "Übergrößenträger für die Straße können ärgerlich sein.",
}


@pytest.mark.parametrize("encoding", [name for name in SENTENCES if name != "iso8859-2"])
@pytest.mark.parametrize("repeated", [1, 20])
def test_legacy_encodings_are_recognised(encoding: str, repeated: int) -> None:
    text = "\n".join([SENTENCES[encoding]] * repeated)
    assert decode(text.encode(encoding), "notes.txt").text == text


def test_the_sample_is_taken_where_the_file_is_not_ascii() -> None:
    text = ENGLISH * 200 + SENTENCES["cp1251"]
    assert decode(text.encode("cp1251"), "notes.txt").text == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_byte_order_mark_decides_and_is_dropped(encoding: str) -> None:
    mark = getattr(
        codecs, f"BOM_{encoding.upper().replace('-', '_').replace('UTF_', 'UTF')}", codecs.BOM_UTF8
    )
    decoded = decode(mark + "Grüße 🦢 日本".encode(encoding), "notes.txt")
    assert (decoded.text, decoded.encoding) == ("Grüße 🦢 日本", encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_without_a_mark_are_recognised(encoding: str) -> None:
    decoded = decode("The river is wide – and cold.".encode(encoding), "notes.txt")
    assert (decoded.text, decoded.encoding) == ("The river is wide – and cold.", encoding)


def test_line_ends_become_newlines_and_nothing_else_changes() -> None:
    data = "a \t\r\nb\rc\n\n\x0cd\u2028e\u00a0\r\n".encode()
    assert decode(data, "notes.txt").text == "a \t\nb\nc\n\n\x0cd\u2028e\u00a0\n"


def test_damaged_utf8_keeps_what_is_sound_and_counts_the_rest() -> None:
    text = "Die Störche kehren über den Fluss zurück, wo früher Bäume waren."
    data = text.encode() + b" \xff und \xfe weiter \xc3"
    decoded = decode(data, "notes.txt")
    assert decoded.text == text + " \ufffd und \ufffd weiter \ufffd"
    assert decoded.encoding == "utf-8 (3 invalid bytes replaced)"


def test_noise_in_english_is_damage_and_no_other_alphabet() -> None:
    decoded = decode(ENGLISH.encode() + b"\xff\xfe noise " + ENGLISH.encode(), "notes.txt")
    assert decoded.encoding == "utf-8 (2 invalid bytes replaced)"
    assert decoded.text.count("\ufffd") == 2


def test_a_character_cut_by_the_end_of_the_file_is_damage() -> None:
    assert (
        decode(b"It ends in the middle \xe2\x80", "notes.txt").encoding == "utf-8 (1 invalid byte replaced)"
    )


def test_a_replacement_character_of_the_file_itself_is_not_counted() -> None:
    assert decode("für \ufffd alle Bäume".encode(), "notes.txt").encoding == "utf-8"


def test_a_declared_encoding_is_believed_unless_the_text_is_utf8() -> None:
    text = "één café"
    assert decode(text.encode("cp850"), "page.html", declared="CP850").text == text
    assert decode(text.encode(), "page.html", declared="latin-1").text == text
    assert decode(text.encode("cp1252"), "page.html", declared="no-such-encoding").text == text


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 4,
        b"\0" * 50,
        b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x03\0>\0\x01\0\0\0",
        b"GIF89a\x01\0\x01\0\x80",
        ENGLISH.encode()[:500] + bytes(range(32)) * 100,
    ],
    ids=["all bytes", "zeros", "program", "image", "text in front"],
)
def test_binary_content_under_a_text_name_is_refused(data: bytes) -> None:
    assert looks_binary(data)
    with pytest.raises(UnsupportedFile, match=r"'notes\.txt' looks binary although its name promises text"):
        decode(data, "notes.txt")


def test_random_bytes_look_binary() -> None:
    assert not any(looks_like_text(os.urandom(1000)) for _ in range(20))


def test_runs_of_zero_bytes_in_a_log_are_damage_and_not_binary_content() -> None:
    line = b"12:00:01 INFO the storks are back\n"
    decoded = decode(line * 20 + b"\0" * 4096 + line * 20, "river.log")
    assert decoded.text.count("\ufffd") == 1
    assert decoded.encoding == "utf-8 (4,096 invalid bytes replaced)"
    assert "\0" not in decoded.text


def test_lone_surrogates_of_utf16_are_replaced() -> None:
    data = codecs.BOM_UTF16_LE + "a".encode("utf-16-le") + b"\x00\xd8" + "b".encode("utf-16-le")
    assert decode(data, "notes.txt").text == "a\ufffdb"


def test_a_large_log_is_decoded_in_pieces_that_do_not_matter() -> None:
    """12 MB with a bad byte near the end: detection looks at a sample, decoding at everything."""
    line = b"2024-05-05 12:00:00 INFO caf\xc3\xa9 opened in the middle of the night\n"
    data = line * 200_000 + b"\xff\n"
    decoded = decode(data, "river.log")
    assert len(decoded.text) == len(data) - 200_000
    assert decoded.encoding == "utf-8 (1 invalid byte replaced)"
