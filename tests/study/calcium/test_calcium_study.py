"""The study from movies to its page."""

from functools import partial

import pytest
from typer.testing import CliRunner

import mtseg.study.calcium.study as study
from mtseg.cli import app
from mtseg.errors import InputError
from mtseg.files import read_table


def command(phantoms, out, *more):
    cells = next(iter(phantoms.values())).cells
    given = [part for name, one in phantoms.items() for part in ("--movie", f"{name}={one.movie}")]
    given += [part for name, one in phantoms.items() for part in ("--events", f"{name}={one.events}")]
    return ["study", "calcium", *given, "--cells", str(cells), "--out", str(out), "--quick", *more]


@pytest.fixture
def small(monkeypatch, plain_reports):
    """Few trainings, long enough to find cells that light up."""
    quick = {"epochs": 12, "val_interval": 100, "batch_size": 4, "learning_rate": 0.003}
    monkeypatch.setattr(study, "QUICK", quick)
    monkeypatch.setattr(study, "prepare_frames", partial(study.prepare_frames, folds=2))


def test_from_movies_to_the_page(make, tmp_path, monkeypatch, small):
    """Cells that light up are found."""
    phantoms = {"before": make(tmp_path / "before"), "after": make(tmp_path / "after", seed=1)}
    out = tmp_path / "out"
    result = CliRunner().invoke(app, command(phantoms, out, "--repeats", "1"))
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text()
    for part in (
        ".92 before the injection, .85",
        "sum in after less that in before",
        "Similarity in both",
        "p speaks of other events, not of other trainings",
    ):
        assert part in page
    assert "The labels were shuffled" not in page and "A quick run" in page
    assert "its own ΔF/F is high" not in page  # there are tables of events
    cells = read_table(out / "cells.tsv")
    assert [*cells["condition"].unique()] == ["before", "after"]
    assert len(read_table(out / "similarity_change.tsv")) == 3
    rules, training = (
        read_table(out / f"{name}.tsv").set_index(["condition", "rule"]) for name in ("rules", "training")
    )
    assert rules.loc[("before", "right_strongest"), "value"] > 0.9
    assert training.loc[("after", "right_strongest"), "value"] > 0.9

    monkeypatch.setattr("mtseg.experiment.jobs.finish_training", None)
    monkeypatch.setattr("mtseg.study.runs.explain", None)
    # Of one pattern in common no similarity is compared: the study ended with an error after all trainings.
    monkeypatch.setattr(study, "patterns_of", lambda rows: {"c01"})
    (out / "similarity_change.tsv").unlink()
    assert CliRunner().invoke(app, command(phantoms, out, "--repeats", "1")).exit_code == 0
    assert "The conditions share fewer than two patterns" in (out / "report.html").read_text()
    assert not (out / "similarity_change.tsv").exists()


def test_with_shuffled_labels_nothing_is_found(make, tmp_path, small):
    """By the trainings that find everything where labels are true."""
    out = tmp_path / "out"
    result = CliRunner().invoke(app, command({"before": make(tmp_path / "before")}, out, "--shuffle-labels"))
    assert result.exit_code == 0, result.output
    assert "The labels were shuffled" in (out / "report.html").read_text()
    by_rule = read_table(out / "rules.tsv").query("rule == 'right_strongest'")
    assert len(by_rule) == 1 and (by_rule["low"] <= by_rule["majority"]).all()
    assert {*read_table(out / "by_seed.tsv")["seed"]} == {0, 1}


def test_what_cannot_be_compared(make, tmp_path):
    phantom = make(tmp_path / "phantom")
    movies = dict.fromkeys(("a", "b", "c"), phantom.movie)
    with pytest.raises(InputError, match="--movie: 3 conditions"):
        study.run_calcium(movies, phantom.cells, study.Plan(tmp_path / "out"))
    with pytest.raises(InputError, match="--threshold-sd nan: must be above 0"):
        study.run_calcium({"a": phantom.movie}, phantom.cells, study.Plan(tmp_path / "out"), threshold_sd=float("nan"))


@pytest.mark.parametrize(
    ("named", "message"), [(["movie.tif"], "write NAME=FILE"), (["a=x.tif", "a=y.tif"], "--movie a: is given twice")]
)
def test_movies_need_names_of_their_own(named, message):
    movies = [part for name in named for part in ("--movie", name)]
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(
            app, ["study", "calcium", *movies, "--cells", "c.json", "--out", "out"], catch_exceptions=False
        )
