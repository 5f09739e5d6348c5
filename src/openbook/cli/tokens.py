"""The tokens command: how a text falls into tokens, how many, and what they cost."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from openbook.cli import DONE
from openbook.cli.options import JsonOption
from openbook.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from openbook.backends.token_counters import TokenCounter
    from openbook.settings import Settings

_SHOWN: Final = 400
"""Tokens that are shown without --full."""
_SEPARATOR: Final = "│"


@dataclass(frozen=True, slots=True)
class TokenReport:
    """The tokens of a text.

    `pieces` joined are the text; empty where the tokens are estimated. The
    costs are those of the text as a prompt and as a reply, None without a price.
    """

    model: str
    counted_by: str
    tokens: int
    characters: int
    words: int
    input_cost: float | None
    output_cost: float | None
    pieces: tuple[str, ...]


def tokens(
    text: Annotated[
        str, typer.Argument(metavar="TEXT|FILE", help="A text, a file that openbook reads, or - for stdin.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="PROVIDER:NAME",
            show_default=False,
            help="Whose tokens. Default: the settings' model, or else the embedding model.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show all tokens of a long text.")] = False,
    download: Annotated[
        bool, typer.Option("--download", help="Get the tokenizer of a model of OpenAI, if it is not here.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Show the tokens of a text, how many there are, what counted them, and what they would cost.

    They are counted with the model's own tokenizer where it is on this machine (the settings' tokenizer, the
    cache of Hugging Face or of tiktoken); otherwise their number is estimated, rather too high than too low.
    Prices are the settings input_price and output_price, for a million tokens.
    """
    from openbook.cli.output import print_json
    from openbook.settings import load_settings

    settings = load_settings()
    name, counter = _counter(settings, model or "", download=download)
    report = _report(_text(text, settings), name, counter, settings)
    if as_json:
        print_json(report)
    else:
        _print(report, full=full, embedding=not (model or settings.model))
    return DONE


def _counter(settings: Settings, name: str, *, download: bool) -> tuple[str, TokenCounter]:
    """The name of the model whose tokens are meant, and its counter."""
    from openbook.backends.token_counters import counter_for, download_encoding, encoding_of

    if not (name or settings.model):
        if download:
            raise UsageError(
                "Only tokenizers of OpenAI's models are downloaded. Name one: --model openai:NAME."
            )
        return settings.embedder, _embedding_counter(settings)
    from openbook.backends.model_names import model_target

    target = model_target(name or settings.model, base_url=settings.base_url, environment=os.environ)
    if download:
        encoding = encoding_of(target.provider.name, target.name)
        if not encoding:
            raise UsageError(
                f"{target.full_name!r} is no model of OpenAI; only their tokenizers are downloaded."
            )
        download_encoding(
            encoding, offline=settings.offline, announce=lambda line: typer.echo(line, err=True)
        )
    own = settings.tokenizer if not name or name == settings.model else ""
    return target.full_name, counter_for(target.provider.name, target.name, tokenizer=own)


def _embedding_counter(settings: Settings) -> TokenCounter:
    from openbook.backends.model_store import find_model
    from openbook.backends.token_counters import counter_for, tokenizer_counter

    scheme, _, name = settings.embedder.partition(":")
    folder = None
    if scheme == "onnx":
        folder = find_model(name, model_folder=settings.model_folder, cache=settings.cache)
    if folder is None:
        return counter_for("", name)
    return tokenizer_counter(folder / "tokenizer.json", name)


def _text(argument: str, settings: Settings) -> str:
    """The text that is meant: that of a file if there is one of this name, else the argument itself."""
    if argument == "-":
        return sys.stdin.read()
    # A text may be longer than a path can be, or hold what no path can.
    if len(argument) > 4096 or "\x00" in argument or "\n" in argument or not Path(argument).is_file():
        return argument
    from openbook.read.pool import ReadingPool

    with ReadingPool(
        1,
        max_bytes=settings.max_file_bytes,
        seconds=settings.read_seconds,
        memory=settings.read_memory,
    ) as pool:
        (found,) = pool.read([(Path(argument).name, Path(argument))])
    if found.document is None:
        raise found.error or UsageError(f"{argument!r} holds no text.")
    return found.document.text


def _report(text: str, name: str, counter: TokenCounter, settings: Settings) -> TokenReport:
    number = counter.count([text])[0]
    return TokenReport(
        model=name,
        counted_by=counter.counted_by,
        tokens=number,
        characters=len(text),
        words=len(text.split()),
        input_cost=number * settings.input_price / 1e6 if settings.input_price else None,
        output_cost=number * settings.output_price / 1e6 if settings.output_price else None,
        pieces=tuple(counter.pieces(text)),
    )


def _print(report: TokenReport, *, full: bool, embedding: bool) -> None:
    from rich.text import Text

    from openbook.cli.output import stdout_console
    from openbook.wording import count

    console = stdout_console()
    if report.pieces:
        shown = report.pieces if full else report.pieces[:_SHOWN]
        console.print(
            _separated(shown, coloured=console.is_terminal and not console.no_color), soft_wrap=True
        )
        if len(shown) < len(report.pieces):
            console.print(Text(f"… {len(report.pieces) - len(shown):,} more (--full shows them)", "dim"))
        console.print()
    estimated = report.counted_by == "estimate"
    number = f"about {report.tokens:,} tokens at most" if estimated else count(report.tokens, "token")
    console.print(
        f"{number}, {count(report.words, 'word')}, {count(report.characters, 'character')}", style="bold"
    )
    console.print(Text(_counted(report, embedding=embedding), "dim"), soft_wrap=True)
    costs = {"as a prompt": report.input_cost, "as a reply": report.output_cost}
    said = [f"{cost:.6f} {name}" for name, cost in costs.items() if cost is not None]
    if said:
        console.print("Costs " + ", ".join(said))
    elif not embedding:
        console.print(Text("No prices are set (settings input_price and output_price).", "dim"))


def _separated(pieces: tuple[str, ...], *, coloured: bool) -> Text:
    """Tokens on alternating grounds, or with lines between them where there are no colours."""
    from rich.text import Text

    from openbook.wording import printable

    text = Text()
    for index, piece in enumerate(pieces):
        if index and not coloured:
            text.append(_SEPARATOR, "dim")
        text.append(
            printable(piece.replace("\n", "↵\n")),
            ("black on cyan", "black on yellow")[index % 2] if coloured else "",
        )
    return text


def _counted(report: TokenReport, *, embedding: bool) -> str:
    """With what they were counted, in words."""
    if report.counted_by == "estimate":
        if embedding:
            return (
                f"An estimate, rather too high than too low: {report.model} has no tokenizer on this machine."
            )
        way = " or get it with --download" if report.model.startswith("openai:") else ""
        return (
            f"An estimate, rather too high than too low: the tokenizer of {report.model} is not on this "
            f"machine. Name its tokenizer.json with the setting tokenizer{way}."
        )
    said = f"Counted with the tokenizer {report.counted_by}"
    if embedding:
        return f"{said}, that of the embedding model, because no language model is named (--model)."
    return f"{said} for {report.model}."
