"""Where results go: JSON or designed text on stdout; progress and errors have stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from openbook.json_form import json_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDTH: Final = 100
"""Columns of text at most; longer lines are hard to read."""


def print_json(value: Any) -> None:
    """Print the JSON form of a result."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "").replace("_", "")
    print(json_text(value, ascii_only=encoding != "utf8"))


def stdout_console() -> Console:
    """Return a console without markup, so that no text of a document is taken for any.

    It leaves the colours away where stdout is no terminal or NO_COLOR is set.
    """
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console


def print_indented(console: Console, text: Text, *, indent: int = 4) -> None:
    """Print text wrapped to the console's width behind `indent` blanks, without blanks at line ends."""
    from rich.text import Text

    for line in text.wrap(console, max(console.width - indent, 20)):
        line.rstrip()
        console.print(Text.assemble(" " * indent if line.plain else "", line), soft_wrap=True)
