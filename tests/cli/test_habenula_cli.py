"""`mtseg volumes habenula`, `hippocampus`, `crops` and `synthesise`, and the script, hand on what was typed."""

import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from mtseg.cli import main
from mtseg.volumetry import scans

SCRIPT = Path(__file__).parents[2] / "scripts" / "estimate_habenula_volume.py"


@pytest.fixture
def asked(monkeypatch):
    """What the functions behind the commands were called with."""
    calls = []

    def note(name, answer):
        monkeypatch.setattr(scans, name, lambda *given, **options: calls.append((name, given, options)) or answer)

    note("measure_structure", pd.DataFrame({"error": [None, None, "broken"], "total_mm3": [30.0, None, None]}))
    note("cut_crops", Path("crops.tsv"))
    note("synthesise", Path("made.tsv"))
    return calls


def run(monkeypatch, *arguments, start=main):
    monkeypatch.setattr(sys, "argv", ["mtseg", *arguments])
    with pytest.raises(SystemExit) as caught:
        start()
    assert not caught.value.code


@pytest.mark.parametrize(
    ("start", "command", "structure"),
    [
        (main, ("volumes", "habenula"), scans.HABENULA),
        (main, ("volumes", "hippocampus"), scans.HIPPOCAMPUS),
        (lambda: runpy.run_path(str(SCRIPT), run_name="__main__"), (), scans.HABENULA),
    ],
)
def test_measuring(asked, monkeypatch, capsys, start, command, structure):
    options = ("--out", "out", "--profile", "p.json", "--network", "runs/mine", "--cluster", "local:2")
    run(monkeypatch, *command, "a.nii.gz", "study", *options, start=start)
    ((name, given, options),) = asked
    assert name == "measure_structure" and given == (structure, [Path("a.nii.gz"), Path("study")])
    expected = {"out": Path("out"), "profile": Path("p.json"), "network": Path("runs/mine"), "cluster": "local:2"}
    assert options == expected
    assert f"{structure.name}.tsv: 2 of 3 scans measured, both sides found in 1" in capsys.readouterr().out


def test_no_scan_measured_is_a_failure(monkeypatch):
    monkeypatch.setattr(scans, "measure_structure", lambda *given, **options: pd.DataFrame({"error": ["broken"]}))
    monkeypatch.setattr(sys, "argv", ["mtseg", "volumes", "habenula", "a.nii.gz", "--out", "out"])
    with pytest.raises(SystemExit, match="1"):
        main()


def test_crops(asked, monkeypatch):
    run(monkeypatch, "volumes", "crops", "t.tsv", "--out", "out")
    assert asked == [("cut_crops", (Path("t.tsv"),), {"out": Path("out")})]


def test_synthesise(asked, monkeypatch):
    options = ("--crops", "7", "--head", "h.nii", "--seed", "3", "--voxel-mm", "1", "1.5", "--held-out")
    run(monkeypatch, "volumes", "synthesise", "m.npz", "v.csv", "--out", "out", *options)
    ((name, given, options),) = asked
    assert name == "synthesise" and given == (Path("m.npz"), Path("v.csv"))
    assert options == {
        "out": Path("out"),
        "crops": 7,
        "heads": [Path("h.nii")],
        "seed": 3,
        "voxel_mm": (1.0, 1.5),
        "held_out": True,
    }


def test_the_help_says_what_it_is_not(monkeypatch, capsys):
    run(monkeypatch, "volumes", "habenula", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "not validated on hand-drawn labels" in text and "not a medical device" in text
