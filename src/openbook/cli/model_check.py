"""The command model check: does the language model answer, and what can it do?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from openbook.cli import DONE
from openbook.cli.options import JsonOption

if TYPE_CHECKING:
    from openbook.language_models import ModelCheck


def check(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", show_default=False, help="Default: the settings' model."),
    ] = "",
    as_json: JsonOption = False,
) -> int:
    """Say in one line whether a language model answers, streams and calls tools, its window and speed.

    It is asked two short questions. Keys come from the environment: the provider's own variable, such
    as OPENAI_API_KEY, or OPENBOOK_MODEL_KEY.
    """
    from openbook.cli.output import print_json
    from openbook.language_models import check_model, open_model
    from openbook.settings import load_settings
    from openbook.wording import one_line

    model = open_model(load_settings(), name)
    try:
        found = check_model(model)
    finally:
        model.close()
    if as_json:
        print_json(found)
    else:
        typer.echo(one_line(_line(found)))
    return DONE


def _line(found: ModelCheck) -> str:
    streams = "streams" if found.streams else "does not stream"
    tools = "calls tools" if found.calls_tools else "calls no tools"
    speed = f"first text after {found.first_ms:,.0f} ms, {found.tokens_per_second:,.0f} tokens/s"
    return f"{found.name} answers, {streams}, {tools}; {_window(found)}; {speed}."


def _window(found: ModelCheck) -> str:
    tokens = f"{found.context_tokens:,} tokens"
    match found.context_source:
        case "setting":
            return f"window of {tokens} by your setting"
        case "list":
            return f"window of {tokens}"
        case "server":
            return (
                f"window of {tokens} by its server (OPENBOOK_CONTEXT_TOKENS={found.context_tokens} uses it)"
            )
        case _:
            return f"window unknown, {tokens} assumed (OPENBOOK_CONTEXT_TOKENS sets it)"
