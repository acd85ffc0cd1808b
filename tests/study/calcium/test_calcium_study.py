"""The study from movies to its page."""

import pytest
from typer.testing import CliRunner

import mtseg.study.calcium.study as study
from mtseg.cli import app
from mtseg.errors import InputError
from mtseg.files import read_table


def command(before, after, out, *more):
    movies = ["--movie", f"before={before.movie}", "--movie", f"after={after.movie}"]
    events = ["--events", f"before={before.events}", "--events", f"after={after.events}"]
    return ["study", "calcium", *movies, *events, "--cells", str(before.cells), "--out", str(out), "--quick", *more]


@pytest.mark.parametrize("shuffled", [False, True])
def test_from_movies_to_the_page(make, tmp_path, monkeypatch, plain_reports, shuffled):
    """Cells that light up are found; with shuffled labels nothing is."""
    monkeypatch.setattr(study, "QUICK", {"epochs": 5 if shuffled else 40, "val_interval": 100, "batch_size": 4})
    before, after, out = make(tmp_path / "before"), make(tmp_path / "after", seed=1), tmp_path / "out"
    options = ["--shuffle-labels"] if shuffled else ["--repeats", "1"]
    result = CliRunner().invoke(app, command(before, after, out, *options))
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text()
    for part in (".92 before the injection, .85", "sum in after less that in before", "Similarity in both"):
        assert part in page
    assert ("The labels were shuffled" in page) == shuffled
    assert "its own ΔF/F is high" not in page  # there are tables of events
    scores = read_table(out / "rules.tsv").set_index(["condition", "rule"])
    rules = scores["value"]
    cells = read_table(out / "cells.tsv")
    assert [*cells["condition"].unique()] == ["before", "after"]
    assert len(read_table(out / "similarity_change.tsv")) == 3
    if shuffled:
        by_rule = scores.xs("right_strongest", level="rule")
        assert (by_rule["low"] <= by_rule["majority"]).all()
    else:
        assert rules["before", "right_strongest"] > 0.9
        assert (
            read_table(out / "training.tsv").set_index(["condition", "rule"])["value"]["after", "right_strongest"] > 0.9
        )

        monkeypatch.setattr("mtseg.experiment.jobs.finish_training", None)
        monkeypatch.setattr("mtseg.study.runs.explain", None)
        assert CliRunner().invoke(app, command(before, after, out, *options)).exit_code == 0


def test_conditions_that_share_one_pattern_have_a_page(make, tmp_path, monkeypatch, plain_reports):
    """The study ended with an error after all trainings."""
    monkeypatch.setattr(study, "QUICK", {"epochs": 1, "val_interval": 100, "batch_size": 4})
    before, after, out = make(tmp_path / "before"), make(tmp_path / "after", seed=1), tmp_path / "out"
    monkeypatch.setattr(study, "patterns_of", lambda rows: {"c01"})
    assert CliRunner().invoke(app, command(before, after, out, "--repeats", "1")).exit_code == 0
    assert "The conditions share fewer than two patterns" in (out / "report.html").read_text()
    assert not (out / "similarity_change.tsv").exists()


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
