"""How an error looks on the command line: one clear line, or one JSON object, on stderr."""

from __future__ import annotations

import sys

import typer

from openbook.errors import OpenbookError
from openbook.json_form import json_text
from openbook.wording import printable


def show_failure(error: OpenbookError, *, code: int, as_json: bool) -> None:
    """Write what openbook raised on purpose."""
    if as_json:
        _write_json(type(error).__name__, str(error), code)
    else:
        _write("Error: ", str(error))


def show_misuse(error: typer.TyperException, *, as_json: bool) -> None:
    """Write what is wrong with the arguments, with a pointer to the help."""
    if as_json:
        _write_json("UsageError", error.format_message(), error.exit_code)
        return
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(message + "\n")
        return
    _write("Error: ", message)
    if context is not None:
        sys.stderr.write(f"Try: {context.command_path} --help\n")


def _write(label: str, message: str) -> None:
    red = typer.style(label, fg="red", bold=True) if sys.stderr.isatty() else label
    sys.stderr.write(red + printable(message) + "\n")


def _write_json(kind: str, message: str, code: int) -> None:
    sys.stderr.write(json_text({"error": {"kind": kind, "message": message, "exit_code": code}}) + "\n")
