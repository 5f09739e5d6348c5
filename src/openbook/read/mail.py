"""E-mail in its standard form (.eml), read with the standard library.

Refused: kreuzberg for this format. 4.10.4 leaves entities such as &amp; in
mails that are written in HTML only, and joins their paragraphs without a
space. Outlook's .msg files still go through it.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage, MIMEPart
from typing import Final, cast

from openbook.errors import ReadError
from openbook.read.composing import Composer
from openbook.read.html import HtmlReader
from openbook.read.properties import document_title, properties
from openbook.types import Document

_HEADERS: Final = ("Subject", "From", "To", "Cc", "Date")
_MAX_DEPTH: Final = 3
_MAX_ATTACHMENTS: Final = 200

ReadAttachment = Callable[[bytes, str], Document]


def read_mail(data: bytes, path: str, media_type: str, read_attachment: ReadAttachment) -> Document:
    """Headers, body and the text of attachments, each of these under a heading with its name.

    Raises ReadError when there is nothing of a mail in the file.
    """
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not any(name in message for name in (*_HEADERS, "Received", "Message-ID")):
        raise ReadError(
            f"{path!r} is damaged or no e-mail: it has none of an e-mail's headers. Save it anew."
        )
    composer = Composer()
    _compose(composer, message, read_attachment, depth=0)
    metadata = properties(
        {
            "authors": [_header(message, "From")],
            "created_at": _header(message, "Date"),
            "to_emails": [_header(message, "To")],
            "subject": _header(message, "Subject"),
        }
    )
    title = document_title(metadata, "", path)
    return Document(path, composer.text, media_type, title=title, marks=composer.marks(), metadata=metadata)


def _compose(
    composer: Composer, message: EmailMessage, read_attachment: ReadAttachment, *, depth: int
) -> None:
    lines = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
    composer.paragraph("\n".join(lines))
    _compose_body(composer, message)
    for number, part in enumerate(_attachments(message)):
        name = part.get_filename() or ""
        if number >= _MAX_ATTACHMENTS or depth >= _MAX_DEPTH:
            composer.heading(f"Attachment, not read: {name}", 2)
        elif part.get_content_type() == "message/rfc822":
            composer.heading(f"Attachment: {name or 'message'}", 2)
            for inner in cast("list[EmailMessage]", part.get_payload()):
                _compose(composer, inner, read_attachment, depth=depth + 1)
        elif name:
            _compose_attachment(composer, part, name, read_attachment)


def _compose_attachment(
    composer: Composer, part: EmailMessage, name: str, read_attachment: ReadAttachment
) -> None:
    composer.heading(f"Attachment: {name}", 2)
    content = part.get_payload(decode=True)
    if isinstance(content, bytes):
        # A picture or an unknown format is not read: its name is all that can be found.
        with contextlib.suppress(ReadError):
            composer.include(read_attachment(content, name))


def _compose_body(composer: Composer, message: EmailMessage) -> None:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return
    text = _text(part)
    if part.get_content_subtype() == "html":
        composer.include(HtmlReader().read(text.encode("utf-8", "replace"), "message.html"))
    else:
        composer.paragraph(text)


def _attachments(message: EmailMessage) -> Iterator[EmailMessage]:
    if not message.is_multipart():
        return
    try:
        yield from message.iter_attachments()
    except (AttributeError, KeyError, TypeError):
        return  # the parts of a malformed mail cannot be told apart; its body has been read


def _text(part: MIMEPart) -> str:
    """A text part decoded, with an unknown or wrong character set replaced by the nearest guess."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    for encoding in (part.get_content_charset() or "utf-8", "utf-8"):
        try:
            return content.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("windows-1252", "replace")


def _header(message: EmailMessage, name: str) -> str:
    """A header's words; a malformed one as it stands."""
    try:
        value = str(message.get(name, ""))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        value = next((str(raw) for key, raw in message.raw_items() if key.lower() == name.lower()), "")
    return " ".join(value.split())
