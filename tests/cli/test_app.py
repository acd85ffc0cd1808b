"""What the commands hand on: every option, and what is meant where one is left out."""

from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from mtseg.cli.app import app
from mtseg.errors import InputError

TABLE, OUT = Path("t.tsv"), Path("o")


@pytest.fixture
def command(monkeypatch):
    """Run a command of which the work is only recorded; gives the calls and what was printed."""
    calls = []

    def record(name):
        return lambda *args, **options: calls.append((name, args, options)) or f"<{name}>"

    for name in ("train", "predict", "evaluate", "explain"):
        monkeypatch.setattr(f"mtseg.bundle.{name}", record(name))
    for name in ("evaluate", "evaluate_subsets", "read_subsets"):
        monkeypatch.setattr(f"mtseg.bundle.subsets.{name}", record(name))
    monkeypatch.setattr("mtseg.experiment.run_experiment", record("experiment"))
    monkeypatch.setattr("mtseg.demo.run", record("demo"))

    def run(*arguments):
        result = CliRunner().invoke(app, [*arguments])
        assert result.exit_code == 0, result.output
        return calls, result.output

    return run


PREDICT = {
    "cohort": None,
    "out": OUT,
    "weights": (),
    "mirror": False,
    "probabilities": False,
    "runtime": "torch",
}
EVALUATE = {"fold": None, "weights": (), "mirror": False, "settings": ()}
EXPLAIN = {
    "out": OUT,
    "cohort": None,
    "fold": None,
    "weights": (),
    "mirror": False,
    "head": None,
    "answer": None,
    "against": None,
    "probability": False,
    "where": None,
    "method": "hirescam",
    "layers": [],
    "faithfulness": False,
    "pictures": True,
    "atlas": None,
}
CALLS = {
    "train NAME --cohort t.tsv --out o": (
        "train",
        ("NAME",),
        {"cohort": TABLE, "out": OUT, "fold": None, "seed": 0, "resume": False, "settings": ()},
    ),
    "train NAME --cohort t.tsv --out o --fold 0 --seed 7 --resume --set a=1 --set b=[2]": (
        "train",
        ("NAME",),
        {"cohort": TABLE, "out": OUT, "fold": 0, "seed": 7, "resume": True, "settings": ["a=1", "b=[2]"]},
    ),
    "predict NAME a.nii b.nii --out o": ("predict", ("NAME", [Path("a.nii"), Path("b.nii")]), PREDICT),
    "predict NAME --cohort t.tsv --out o --weights v --weights w --mirror --probabilities --runtime onnx": (
        "predict",
        ("NAME", ()),
        PREDICT
        | {
            "cohort": TABLE,
            "weights": [Path("v"), Path("w")],
            "mirror": True,
            "probabilities": True,
            "runtime": "onnx",
        },
    ),
    "evaluate NAME --cohort t.tsv --out o": ("evaluate", ("NAME",), {"cohort": TABLE, "out": OUT} | EVALUATE),
    "explain NAME a.nii --out o": ("explain", ("NAME", [Path("a.nii")]), EXPLAIN),
    "explain NAME --cohort t.tsv --out o --fold 2 --weights w --mirror --head seg --class a --against b --probability"
    " --where all --method scorecam --layer x --layer y --faithfulness --no-pictures --atlas a.nii": (
        "explain",
        ("NAME", ()),
        {
            "out": OUT,
            "cohort": TABLE,
            "fold": 2,
            "weights": [Path("w")],
            "mirror": True,
            "head": "seg",
            "answer": "a",
            "against": "b",
            "probability": True,
            "where": "all",
            "method": "scorecam",
            "layers": ["x", "y"],
            "faithfulness": True,
            "pictures": False,
            "atlas": "a.nii",
        },
    ),
    "experiment e.yaml --out o": ("experiment", (Path("e.yaml"),), {"out": OUT, "cluster": None}),
    "experiment e.yaml --out o --cluster local:2": (
        "experiment",
        (Path("e.yaml"),),
        {"out": OUT, "cluster": "local:2"},
    ),
    "demo --out o": ("demo", (OUT,), {"subjects": 60, "settings": ()}),
    "demo --out o --subjects 20 --set epochs=1": ("demo", (OUT,), {"subjects": 20, "settings": ["epochs=1"]}),
}


@pytest.mark.parametrize(("line", "call"), CALLS.items(), ids=CALLS)
def test_every_option_is_handed_on(line, call, command):
    calls, _ = command(*line.split())
    assert calls == [call]


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("train NAME --cohort t.tsv --out o", "trained: o"),
        ("predict NAME a.nii --out o", "predictions: o"),
        ("explain NAME a.nii --out o", "explanations: o"),
        ("evaluate NAME --cohort t.tsv --out o", "<evaluate>"),
        ("experiment e.yaml --out o", "<experiment>"),
        ("demo --out o", "<demo>"),
    ],
)
def test_the_last_line_says_where_the_results_are(line, printed, command):
    assert command(*line.split())[1] == f"{printed}\n"


def test_subsets_are_evaluated_too_with_the_same_options(command):
    line = "evaluate NAME --cohort t.tsv --out o --fold 1 --weights w --mirror --set title=x --subsets"
    calls, printed = command(*line.split())
    options = {"fold": 1, "weights": [Path("w")], "mirror": True, "settings": ["title=x"], "cohort": TABLE}
    assert calls == [
        ("read_subsets", ("NAME",), {"cohort": TABLE, "fold": 1}),
        ("evaluate", ("NAME",), options | {"out": OUT}),
        ("evaluate_subsets", ("NAME",), options | {"out": OUT / "subsets"}),
    ]
    assert printed == "<evaluate>\n<evaluate_subsets>\n"


def test_a_mistake_ends_a_command_without_its_last_line(command, monkeypatch):
    def refuse(*_, **__):
        raise InputError("a: b. Do c")

    monkeypatch.setattr("mtseg.bundle.train", refuse)
    result = CliRunner().invoke(app, ["train", "NAME", "--cohort", "t.tsv", "--out", "o"])
    assert isinstance(result.exception, InputError)  # `mtseg.cli.main` tells it
    assert "trained" not in result.output


def every_command(group: click.Group, path: str = "mtseg"):
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from every_command(one, f"{path} {name}")
        else:
            yield f"{path} {name}", one


def test_every_command_and_option_says_what_it_is():
    found = dict(every_command(typer.main.get_command(app)))
    assert {"mtseg train", "mtseg cohort check", "mtseg bundle verify", "mtseg volumes habenula"} <= {*found}
    mute = [path for path, one in found.items() if not one.help]
    mute += [f"{path} {option.name}" for path, one in found.items() for option in one.params if not option.help]
    assert mute == []


def test_without_a_command_there_is_help():
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "Train a bundle's network" in result.output
