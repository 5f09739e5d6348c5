"""Office files are zip archives of XML: checked before a parser sees them, and opened with care.

The directory of the archive says how large everything will be, so a zip bomb
is refused without unpacking a byte of it. Refused: trusting the sizes in the
directory alone. A part that is larger than declared ends at the declared
size, and archives whose parts overlap are turned away.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Final

from openbook.errors import LimitExceeded, ReadError

_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # raised by zipfile for a kind of compression that it does not know
    OSError,
    OverflowError,
    RuntimeError,  # encrypted
    ValueError,
)
"""What reading a broken archive may raise."""

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


def is_package(data: bytes) -> bool:
    """Whether these bytes begin like a zip archive."""
    return data.startswith(b"PK\x03\x04")


def package_kind(data: bytes) -> str:
    """The kind of office file that an archive's parts show, as a suffix, or ""."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            declared = archive.read("mimetype")[:100] if "mimetype" in names else b""
    except _BROKEN:
        return ""  # broken or encrypted: whoever reads it will say so
    for part, suffix in _MAIN_PARTS.items():
        if part in names:
            return suffix
    return _DECLARED.get(declared.decode("ascii", "replace").strip(), "")


def check_package(data: bytes, path: str) -> None:
    """Refuse archives that are broken or would unpack to far more than they should.

    Raises ReadError for damage, LimitExceeded for a bomb.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except _BROKEN as error:
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


def package_part(data: bytes, name: str, path: str) -> bytes | None:
    """The content of one part; None where there is none. Raises ReadError for damage."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(name) if name in archive.NameToInfo else None
    except _BROKEN as error:
        raise ReadError(f"{path!r} is damaged: {error}. Copy the file again or save it anew.") from error


def encrypted(path: str) -> ReadError:
    """The error for a file that only opens with a password."""
    return ReadError(f"{path!r} is encrypted (needs a password). Save it without the password to add it.")


def _bomb(path: str, reason: str) -> LimitExceeded:
    return LimitExceeded(
        f"{path!r} was not unpacked: {reason}. If it is genuine, split it or export it as text or PDF."
    )
