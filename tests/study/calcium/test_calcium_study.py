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


def test_from_movies_to_the_page(make, tmp_path, monkeypatch, plain_reports):
    """Cells that light up are found."""
    monkeypatch.setattr(study, "QUICK", {"epochs": 30, "val_interval": 100, "batch_size": 4})
    before, after, out = make(tmp_path / "before"), make(tmp_path / "after", seed=1), tmp_path / "out"
    result = CliRunner().invoke(app, command(before, after, out, "--repeats", "1"))
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text()
    for part in (".92 before the injection, .85", "sum in after less that in before", "Similarity in both"):
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
    assert CliRunner().invoke(app, command(before, after, out, "--repeats", "1")).exit_code == 0


def test_with_shuffled_labels_nothing_is_found(make, tmp_path, monkeypatch, plain_reports):
    """The conditions share one pattern, too: the study ended with an error after all trainings."""
    monkeypatch.setattr(study, "QUICK", {"epochs": 5, "val_interval": 100, "batch_size": 4})
    before, after, out = make(tmp_path / "before"), make(tmp_path / "after", seed=1), tmp_path / "out"
    monkeypatch.setattr(study, "patterns_of", lambda rows: {"c01"})
    result = CliRunner().invoke(app, command(before, after, out, "--shuffle-labels"))
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text()
    assert "The labels were shuffled" in page and "The conditions share fewer than two patterns" in page
    assert not (out / "similarity_change.tsv").exists()
    by_rule = read_table(out / "rules.tsv").query("rule == 'right_strongest'")
    assert (by_rule["low"] <= by_rule["majority"]).all()


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
