"""Office files are zip archives: checked before a parser sees them, and mended where it would lose text.

The directory of the archive says how large everything will be, so a zip bomb
is refused without unpacking a byte of it. kreuzberg (seen with 4.10.4) drops
the characters & < > from Word files, because it skips XML's entity
references; `with_entities_kept` replaces them by private characters, and
`restore_entities` turns these back in the extracted text.

Refused: trusting the sizes in the directory alone. A part that is larger than
declared ends at the declared size, and archives whose parts overlap are
turned away.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import Final

from openbook.errors import LimitExceeded, ReadError

_MAX_PARTS: Final = 20_000
_MAX_UNPACKED: Final = 1_000_000_000
_MAX_RATIO: Final = 200
"""Unpacked to packed size. Text packs 3 to 20 fold, very regular sheets up to 100 fold."""
_RATIO_FREE: Final = 20_000_000
"""Below this unpacked size the ratio does not matter."""

_MAIN_PARTS: Final = {
    "word/document.xml": ".docx",
    "xl/workbook.xml": ".xlsx",
    "xl/workbook.bin": ".xlsb",
    "ppt/presentation.xml": ".pptx",
}
_DECLARED: Final = {
    "application/epub+zip": ".epub",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
}

_PRIVATE: Final = {
    "amp": "\U000ffff0",
    "lt": "\U000ffff1",
    "gt": "\U000ffff2",
    "quot": "\U000ffff3",
    "apos": "\U000ffff4",
}
_PLAIN: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_RESTORE: Final = {ord(_PRIVATE[name]): _PLAIN[name] for name in _PRIVATE}
_REFERENCE: Final = re.compile(rb"&(amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});")


def is_package(data: bytes) -> bool:
    """Whether these bytes begin like a zip archive."""
    return data.startswith(b"PK\x03\x04")


def package_kind(data: bytes) -> str:
    """The kind of office file that an archive's parts show, as a suffix, or ""."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            declared = (
                archive.read("mimetype")[:100].decode("ascii", "replace").strip()
                if "mimetype" in names
                else ""
            )
    except (
        zipfile.BadZipFile,
        ValueError,
        NotImplementedError,
        OverflowError,
        OSError,
        EOFError,
        RuntimeError,
    ):
        return ""  # broken or encrypted: whoever reads it will say so
    for part, suffix in _MAIN_PARTS.items():
        if part in names:
            return suffix
    return _DECLARED.get(kind.decode("ascii", "replace").strip(), "")


def check_package(data: bytes, path: str) -> None:
    """Refuse archives that are broken or would unpack to far more than they should.

    Raises ReadError for damage, LimitExceeded for a bomb.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
        raise ReadError(
            f"{path!r} is damaged: the archive inside it is cut off or broken ({error}). "
            "Copy the file again or save it anew."
        ) from error
    if any(part.flag_bits & 1 for part in parts):
        raise encrypted(path)
    unpacked = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    if len(parts) > _MAX_PARTS:
        raise _bomb(path, f"it holds {len(parts):,} parts, more than {_MAX_PARTS:,}")
    if unpacked > _MAX_UNPACKED:
        raise _bomb(path, f"it would unpack to {unpacked:,} bytes, more than {_MAX_UNPACKED:,}")
    if unpacked > _RATIO_FREE and unpacked > _MAX_RATIO * len(data):
        raise _bomb(
            path, f"it would unpack to {unpacked / len(data):,.0f} times its size, more than {_MAX_RATIO}"
        )
    if packed > len(data):
        raise _bomb(path, "its parts overlap")


def with_entities_kept(data: bytes, path: str) -> bytes:
    """A copy of a Word package whose text has private characters instead of entity references.

    Raises ReadError when a part cannot be unpacked, or declares entities of
    its own, which no program writes into a Word file and which can be made to
    grow without bound.
    """
    target = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as copy:
            for part in source.infolist():
                name = part.filename
                if not name.endswith((".xml", ".rels")):
                    continue  # pictures, fonts and embedded files hold no text of this document
                content = source.read(part)
                if b"<!ENTITY" in content or b"<!DOCTYPE" in content:
                    raise ReadError(
                        f"{path!r} declares XML entities of its own in {name!r}, as attacks do and Word does not. "
                        "It was not read; save it anew with a word processor if you trust it."
                    )
                if (
                    name.startswith("word/")
                    and name.endswith(".xml")
                    and not content.startswith((b"\xff\xfe", b"\xfe\xff"))
                ):
                    content = _REFERENCE.sub(_private_character, content)
                copy.writestr(zipfile.ZipInfo(name), content)
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        raise ReadError(f"{path!r} is damaged: {error}. Copy the file again or save it anew.") from error
    return target.getvalue()


def restore_entities(text: str) -> str:
    """Turn the private characters of `with_entities_kept` back into what they stand for."""
    return text.translate(_RESTORE)


def _private_character(match: re.Match[bytes]) -> bytes:
    name = match.group(1).decode("ascii")
    if name in _PRIVATE:
        return _PRIVATE[name].encode()
    number = name.removeprefix("#")
    code = int(number[1:], 16) if number.startswith("x") else int(number)
    for known, character in _PLAIN.items():
        if code == ord(character):
            return _PRIVATE[known].encode()
    if code < 0x20:
        return b" "
    return chr(code).encode() if code < 0xD800 or 0xE000 <= code <= 0x10FFFF else b"\xef\xbf\xbd"


def encrypted(path: str) -> ReadError:
    """The error for a file that only opens with a password."""
    return ReadError(f"{path!r} is encrypted (needs a password). Save it without the password to add it.")


def _bomb(path: str, reason: str) -> LimitExceeded:
    return LimitExceeded(
        f"{path!r} was not unpacked: {reason}. If it is genuine, split it or export it as text or PDF."
    )
