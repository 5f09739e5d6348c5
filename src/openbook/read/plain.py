"""Plain text: the decoded file, and nothing invented about it."""

from __future__ import annotations

from openbook.read.decoding import decode
from openbook.read.metadata import encoding_note
from openbook.types import Document


class PlainReader:
    """Reads any file whose text is all there is to know."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises UnsupportedFile for binary content. A file of zero bytes has the text ""."""
        decoded = decode(data, path)
        return Document(path, decoded.text, "text/plain", metadata=encoding_note(decoded))
