"""The tune command: settings, or an adapter of the questions, fitted to one library."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openbook.cli import DONE
from openbook.cli.options import JsonOption, LibraryOption, ModelOption, open_library
from openbook.errors import UsageError

if TYPE_CHECKING:
    from openbook.cli.progress import ProgressLine
    from openbook.lab.adapter import Learned
    from openbook.lab.significance import Difference
    from openbook.lab.tune import Tuned
    from openbook.lab.tuning_questions import Asked
    from openbook.lab.tuning_trials import Trial
    from openbook.library import Library
    from openbook.tuned import Tuning


def tune(
    labelled: Annotated[
        Path | None,
        typer.Argument(
            metavar="SET",
            show_default=False,
            help="A BEIR folder or a file of questions, on what the library holds. Default: made ones.",
        ),
    ] = None,
    queries: Annotated[
        str, typer.Option("--queries", metavar="FILE", help="Which query file of the BEIR folder.")
    ] = "queries.jsonl",
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Learn a map of the questions' vectors instead.")
    ] = False,
    chunks: Annotated[
        bool, typer.Option("--chunks", help="Try other sizes of chunks too: embeds a copy for each of four.")
    ] = False,
    made: Annotated[
        int,
        typer.Option(
            "--made",
            metavar="N",
            help="Questions to make where none are named, and for an adapter to learn from besides.",
        ),
    ] = 300,
    seed: Annotated[int, typer.Option("--seed", help="Which questions go into which part.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be gained; change nothing.")] = (
        False
    ),
    undo: Annotated[bool, typer.Option("--undo", help="Take the newest tuning back.")] = False,
    model: ModelOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Fit the library's settings to questions, and keep only what a test part confirms.

    Questions are divided into three parts: on the first values are fitted, on the second one
    configuration is chosen, on the third it has to show a gain whose 95 % interval lies above 0 and whose
    p-value is below .05. Where nothing does, nothing is changed.

    Without a SET, questions are made from the documents: by a language model where one is named or
    configured, else from headings, definitions and key sentences. The latter tune only what their own
    words do not favour.

    --adapter learns a linear map of the questions' vectors; no document is embedded again. What was
    tuned belongs to the library and wins over your own settings, until --undo restores what was before.
    """
    from openbook.cli.output import print_json
    from openbook.cli.progress import ProgressLine

    with ProgressLine(quiet=as_json) as progress, open_library(library) as opened:
        if undo:
            found: Any = opened.undo_tuning(progress=progress.show)
        else:
            if adapter and labelled is None and not _named(opened, model):
                raise UsageError(
                    "An adapter needs questions that people asked, or a language model to make some: "
                    "name a SET, or a model with --model."
                )
            asked, by_words = _asked(opened, labelled, queries, made, seed, model, progress)
            if adapter:
                more = _made(opened, made, seed, model, progress)[0] if labelled is not None else ()
                found = _learn(opened, asked, more, seed, dry_run, progress)
            else:
                found = _tune(opened, asked, seed, chunks, by_words, dry_run, progress)
    if as_json:
        print_json(_flat(found))
    else:
        _print(found, dry_run=dry_run)
    return DONE


def _asked(
    library: Library,
    labelled: Path | None,
    queries: str,
    made: int,
    seed: int,
    model: str | None,
    progress: ProgressLine,
) -> tuple[tuple[Asked, ...], bool]:
    """The questions, and whether they were made of the documents' own words."""
    from openbook.lab.tuning_questions import asked_of_questions, asked_of_set

    if labelled is None:
        return _made(library, made, seed, model, progress)
    if labelled.is_dir():
        from openbook.lab.labelled_sets import read_beir

        return asked_of_set(read_beir(labelled, queries=queries)), False
    from openbook.lab.labelled_sets import read_questions

    return asked_of_questions(read_questions(labelled)), False


def _made(
    library: Library, most: int, seed: int, model: str | None, progress: ProgressLine
) -> tuple[tuple[Asked, ...], bool]:
    from openbook.lab.made_questions import made_questions

    if most < 1:
        raise UsageError(f"--made is {most}; expected 1 or more.")
    name = _named(library, model)
    if not name:
        return made_questions(library, most=most, seed=seed, progress=progress.show), True
    from openbook.language_models import open_model

    opened = open_model(library.settings, name)
    try:
        return made_questions(library, model=opened, most=most, seed=seed, progress=progress.show), False
    finally:
        opened.close()


def _named(library: Library, model: str | None) -> str:
    """The language model that makes questions, "" where there is none."""
    name = library.settings.model if model is None else model
    return "" if name == "none" else name


def _tune(
    library: Library,
    asked: tuple[Asked, ...],
    seed: int,
    chunks: bool,
    by_words: bool,
    dry_run: bool,
    progress: ProgressLine,
) -> Tuned:
    from openbook.lab.tune import NOT_FROM_WORDS, tune

    fixed = NOT_FROM_WORDS if by_words else ()
    return tune(
        library, asked, seed=seed, chunks=chunks, fixed=fixed, dry_run=dry_run, progress=progress.show
    )


def _learn(
    library: Library,
    asked: tuple[Asked, ...],
    made: tuple[Asked, ...],
    seed: int,
    dry_run: bool,
    progress: ProgressLine,
) -> Learned:
    from openbook.lab.adapter import learn_adapter

    return learn_adapter(library, asked, made=made, seed=seed, dry_run=dry_run, progress=progress.show)


def _flat(found: Any) -> dict[str, Any]:
    """The result as plain values; an adapter by its id."""
    from dataclasses import fields

    values = {field.name: getattr(found, field.name) for field in fields(found)}
    if values.get("adapter") is not None:
        values["adapter"] = values["adapter"].id
    if "trials" in values:
        values |= {"convincing": found.convincing, "calibration": found.calibration}
    return values


def _print(found: Any, *, dry_run: bool) -> None:
    from openbook.tuned import Tuning

    if isinstance(found, Tuning):
        _print_undone(found)
    elif hasattr(found, "trials"):
        _print_tuned(found, dry_run=dry_run)
    else:
        _print_learned(found, dry_run=dry_run)


def _print_undone(tuning: Tuning) -> None:
    for name, value in tuning.before.items():
        typer.echo(f"{name}: {tuning.after[name]} → {value or 'default'}")
    typer.echo(f"The tuning of {tuning.at[:10]} was taken back.")


def _print_tuned(tuned: Tuned, *, dry_run: bool) -> None:
    typer.echo(_parts(tuned.parts))
    for measure, level in tuned.levels.items():
        typer.echo(f"\n{measure}: {level:.3f} on the test part as it is")
        for trial in tuned.trials:
            if trial.measure == measure:
                _print_trial(trial)
    typer.echo("")
    if any(trial.chosen for trial in tuned.trials):
        typer.echo("* was chosen by validation, and alone may be adopted.")
    for note in tuned.notes:
        typer.echo(note)
    found = _settings(tuned)
    if found and not dry_run:
        typer.echo(f"Adopted: {found}. openbook tune --undo takes it back.")
    elif found:
        typer.echo(f"Would be adopted: {found}. Nothing was changed.")
    else:
        typer.echo("Nothing gains enough to be sure of it. Nothing was changed.")


def _print_trial(trial: Trial) -> None:
    if trial.before == trial.after:
        typer.echo(f"  {trial.name}: stays as it is")
        return
    changes = ", ".join(f"{name} {old:g} → {trial.after[name]:g}" for name, old in trial.before.items())
    alone = list(trial.before) == [trial.name]
    typer.echo(f"{'*' if trial.chosen else ' '} {changes if alone else f'{trial.name}: {changes}'}")
    corrected = trial.test.p if trial.p is None else trial.p
    typer.echo(f"    validation {trial.validation:+.4f}   test {_difference(trial.test, corrected)}")


def _print_learned(learned: Learned, *, dry_run: bool) -> None:
    typer.echo(f"{_parts(learned.parts)}; learned from {learned.pairs} of them")
    typer.echo(f"nDCG@10 on the test part as it is: {learned.before:.3f}")
    for way, gain in learned.validation.items():
        typer.echo(f"{'*' if learned.way.startswith(way) else ' '} {way}: validation {gain:+.4f}")
    if learned.test is not None:
        typer.echo(f"test {_difference(learned.test, learned.test.p)}   ({learned.way})")
    if learned.adopted:
        typer.echo("Adopted: questions are adapted to this library. openbook tune --undo takes it back.")
    elif learned.convincing and dry_run:
        typer.echo("Would be adopted. Nothing was changed.")
    else:
        typer.echo("No adapter gains enough to be sure of it. Nothing was changed.")


def _parts(parts: Mapping[str, int]) -> str:
    return "Questions: " + ", ".join(f"{number} {name}" for name, number in parts.items())


def _difference(found: Difference, p: float) -> str:
    return f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p = {p:.3f}"


def _settings(tuned: Tuned) -> str:
    """What the test part confirmed, "" for nothing."""
    found = [f"{name} = {value:g}" for name, value in tuned.convincing.items()]
    if tuned.calibration is not None:
        found.append(f"calibration = {tuned.calibration.id}")
    return ", ".join(found)
