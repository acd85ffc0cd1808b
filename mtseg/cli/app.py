"""`mtseg`: one command a task. Heavy imports wait until a command runs, so that `--help` is instant."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from mtseg.cli import bundle, cohort, study, volumes
from mtseg.cli.log import log_to_terminal

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Where is the lesion, what does it mean, and what did the network look at: one network for a brain scan.",
)
app.add_typer(cohort.app, name="cohort")
app.add_typer(bundle.app, name="bundle")
app.add_typer(study.app, name="study")
app.add_typer(volumes.app, name="volumes")


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"mtseg {version('mtseg')}")
        raise typer.Exit


_VERSION = typer.Option("--version", is_eager=True, callback=_say_version, help="Say which mtseg this is, and end.")


@app.callback()
def _options(_: Annotated[bool, _VERSION] = False) -> None:
    """What may stand before a command."""


Name = Annotated[str, typer.Argument(help="Name of a bundle (`mtseg bundle list`), or a bundle's or a run's folder.")]
Table = Annotated[Path | None, typer.Option("--cohort", help="Table with one row per subject.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
Weights = Annotated[
    list[Path] | None,
    typer.Option(help="State dict or a training's folder, not the bundle's own; repeatable: several are averaged."),
]
Mirror = Annotated[bool, typer.Option("--mirror", help="Average with the prediction on the mirrored image.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting of the bundle, e.g. --set epochs=50; repeatable.")
]


@app.command()
def train(
    name: Name,
    cohort: Annotated[Path, typer.Option(help="Table with one row per subject.")],
    out: Out,
    fold: Annotated[int | None, typer.Option(help="Fold to hold out; without it everybody trains.")] = None,
    seed: Annotated[int, typer.Option(help="Fixes all that is random.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last complete epoch in the folder.")] = False,
    settings: Settings = None,
) -> None:
    """Train a bundle's network; the output folder is a bundle again, with the weights in it."""
    from mtseg.bundle import train as run

    log_to_terminal()
    run(name, cohort=cohort, out=out, fold=fold, seed=seed, resume=resume, settings=settings or ())
    typer.echo(f"trained: {out}")


@app.command()
def predict(
    name: Name,
    out: Out,
    inputs: Annotated[list[Path] | None, typer.Argument(help="NIfTI files or DICOM series folders.")] = None,
    cohort: Table = None,
    weights: Weights = None,
    mirror: Mirror = False,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Also write probability images.")] = False,
    runtime: Annotated[
        str, typer.Option(help="torch, or onnx: --weights are exports of `mtseg bundle export`.")
    ] = "torch",
) -> None:
    """Write one mask per subject, in the input's own grid, and predictions.tsv."""
    from mtseg.bundle import predict as run

    log_to_terminal()
    run(
        name,
        inputs or (),
        cohort=cohort,
        out=out,
        weights=weights or (),
        mirror=mirror,
        probabilities=probabilities,
        runtime=runtime,
    )
    typer.echo(f"predictions: {out}")


@app.command()
def evaluate(
    name: Name,
    cohort: Annotated[Path, typer.Option(help="Table with one row per subject, with masks and targets.")],
    out: Out,
    fold: Annotated[int | None, typer.Option(help="Score this fold's subjects only.")] = None,
    weights: Weights = None,
    mirror: Mirror = False,
    settings: Settings = None,
    subsets: Annotated[
        bool, typer.Option("--subsets", help="Also once for each subset of the sequences, into subsets/.")
    ] = False,
) -> None:
    """Predict, compare with masks and targets, and write tables with intervals and an HTML report."""
    from mtseg.bundle import evaluate as run
    from mtseg.bundle import evaluate_all

    log_to_terminal()
    options: dict[str, Any] = {"fold": fold, "weights": weights or (), "mirror": mirror, "settings": settings or ()}
    if not subsets:
        typer.echo(run(name, cohort=cohort, out=out, **options))
        return
    for path in evaluate_all(name, cohort=cohort, out=out, **options):
        typer.echo(path)


@app.command()
def explain(
    name: Name,
    out: Out,
    inputs: Annotated[list[Path] | None, typer.Argument(help="NIfTI files or DICOM series folders.")] = None,
    cohort: Table = None,
    fold: Annotated[int | None, typer.Option(help="Explain this fold's subjects only.")] = None,
    weights: Weights = None,
    mirror: Mirror = False,
    head: Annotated[str | None, typer.Option(help="Head, or seg for the mask; without it the first head.")] = None,
    answer: Annotated[
        str | None, typer.Option("--class", help="Class, label or structure; without it the predicted class.")
    ] = None,
    against: Annotated[str | None, typer.Option(help="Class to subtract: why --class and not this one.")] = None,
    probability: Annotated[bool, typer.Option("--probability", help="Of the probability, not the logit.")] = False,
    where: Annotated[
        str | None, typer.Option(help="For seg: all voxels, or those predicted as the structure (as without it).")
    ] = None,
    method: Annotated[str, typer.Option(help="hirescam, gradcam, ...; a wrong one lists all.")] = "hirescam",
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Layer, repeatable; a wrong one lists all; without it the head's usual."),
    ] = None,
    faithfulness: Annotated[bool, typer.Option("--faithfulness", help="Also check each map; takes longer.")] = False,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Draw each map; takes longer.")] = True,
    atlas: Annotated[
        Path | None, typer.Option(help="Label image in the images' space, names beside it: tables of regions.")
    ] = None,
) -> None:
    """Write masks, answers, and maps of what the network looked at, in the input's own grid."""
    from mtseg.bundle import explain as run

    log_to_terminal()
    run(
        name,
        inputs or (),
        out=out,
        cohort=cohort,
        fold=fold,
        weights=weights or (),
        mirror=mirror,
        head=head,
        answer=answer,
        against=against,
        probability=probability,
        where=where,
        method=method,
        layers=layer or [],
        faithfulness=faithfulness,
        pictures=pictures,
        atlas=atlas and str(atlas),
    )
    typer.echo(f"explanations: {out}")


@app.command()
def experiment(
    spec: Annotated[Path, typer.Argument(help="YAML file: bundle, cohort, variants, folds, seeds.")],
    out: Out,
    cluster: Annotated[
        str | None,
        typer.Option(help="local:N processes, a Dask scheduler's address, or a dask-jobqueue YAML; else this process."),
    ] = None,
) -> None:
    """Train variants of a network on the same folds and compare them; a second call does only what is missing."""
    from mtseg.experiment import run_experiment

    log_to_terminal()
    typer.echo(run_experiment(spec, out=out, cluster=cluster))


@app.command()
def demo(
    out: Out,
    subjects: Annotated[int, typer.Option(min=20, help="Generated subjects.")] = 60,
    settings: Settings = None,
) -> None:
    """Generate a stroke cohort, train on part of it, evaluate on the rest, write a report. Downloads nothing."""
    from mtseg.demo import run

    log_to_terminal()
    typer.echo(run(out, subjects=subjects, settings=settings or ()))
