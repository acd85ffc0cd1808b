"""Test-retest: long and wide tables, and what is not in order."""

import numpy as np
import pandas as pd
import pytest
from simulated_study import write

from mtseg.errors import InputError, ProblemsError
from mtseg.files import read_table
from mtseg.provenance import check_command, write_run
from mtseg.statistics.repeatability import repeatability
from mtseg.volumetry.reliability import report_reliability
from mtseg.volumetry.sessions import parse_columns


def retested(sessions: int = 2, n: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(34, 4, (n, 1)) + rng.normal(0, 1, (n, sessions))


def long(values: np.ndarray, column: str = "session") -> pd.DataFrame:
    rows = [
        {"participant_id": f"s{i:02d}", column: f"ses-{k + 1}", "total_mm3": cell}
        for i, row in enumerate(values)
        for k, cell in enumerate(row)
    ]
    return pd.DataFrame(rows)


def test_long_table(tmp_path):
    values = retested()
    table = long(values)
    table.loc[5, "total_mm3"] = np.nan
    page = report_reliability(write(table, tmp_path / "t.tsv"), out=tmp_path / "out")
    found = read_table(tmp_path / "out" / "reliability.tsv").iloc[0]
    expected = repeatability(np.delete(values, 2, axis=0))
    for name in ("n", "icc_2_1", "icc_3_1_low", "mape_percent", "minimal_detectable_change_high"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
    assert read_table(tmp_path / "out" / "excluded.tsv").to_numpy().tolist() == [["s02", "no total_mm3 in ses-2"]]
    agreement = read_table(tmp_path / "out" / "bland_altman.tsv")
    assert agreement[["measure", "first", "second", "n"]].to_numpy().tolist() == [["total_mm3", "ses-1", "ses-2", 11]]
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == {"bland_altman.png", "bland_altman.svg"}
    text = page.read_text()
    assert "Subjects left out: 1" in text
    assert f"ICC(2,1) {found['icc_2_1']:.3f}" in text


def test_wide_table_gives_the_same(tmp_path):
    values = retested()
    table = pd.DataFrame(values, columns=["test", "retest"]).assign(participant_id=[f"s{i}" for i in range(12)])
    report_reliability(write(table, tmp_path / "w.tsv"), columns={"total_mm3": ["test", "retest"]}, out=tmp_path / "w")
    report_reliability(write(long(values), tmp_path / "l.tsv"), out=tmp_path / "l")
    wide, narrow = (read_table(tmp_path / name / "reliability.tsv") for name in "wl")
    pd.testing.assert_frame_equal(wide, narrow)


def test_sessions_out_of_the_names_of_scans(tmp_path):
    table = long(retested(), column="scan")
    table["scan"] = table["participant_id"] + "_" + table["scan"] + "_run-1_T1w"
    report_reliability(write(table, tmp_path / "t.tsv"), out=tmp_path / "out")
    assert read_table(tmp_path / "out" / "bland_altman.tsv")["second"].tolist() == ["ses-2_run-1"]


def test_sessions_are_in_the_order_of_their_numbers(tmp_path):
    """By the order of the rows later minus earlier was now and then the reverse."""
    table = long(retested()).sort_values("session", ascending=False)
    report_reliability(write(table, tmp_path / "t.tsv"), out=tmp_path / "out")
    agreement = read_table(tmp_path / "out" / "bland_altman.tsv")
    assert agreement[["first", "second"]].to_numpy().tolist() == [["ses-1", "ses-2"]]


def test_a_session_that_few_have_is_named(tmp_path):
    table = long(retested())
    extra = table.iloc[[0]].assign(session="ses-3")
    with pytest.raises(InputError, match=r"\(ses-1, ses-2, ses-3\).*Remove rows of sessions that few have"):
        report_reliability(write(pd.concat([table, extra]), tmp_path / "t.tsv"), out=tmp_path / "out")


def test_three_sessions(tmp_path):
    table = long(retested(3), column="visit")
    page = report_reliability(
        write(table, tmp_path / "t.tsv"), measures=["total_mm3"], session="visit", out=tmp_path / "out"
    )
    assert len(read_table(tmp_path / "out" / "bland_altman.tsv")) == 3
    assert read_table(tmp_path / "out" / "reliability.tsv")["sessions"].item() == 3
    assert page.exists()


def test_what_is_wrong_is_told(tmp_path):
    table = long(retested()).astype({"total_mm3": object})
    table.loc[0, "total_mm3"] = "30,5"
    with pytest.raises(ProblemsError) as error:
        report_reliability(write(pd.concat([table, table.iloc[4:5]]), tmp_path / "t.tsv"), out=tmp_path / "out")
    said = [(problem.subject, problem.what) for problem in error.value.problems]
    assert error.value.problems[1].remedy == "Write a point for the comma"
    assert said == [("s02", "session 'ses-1' is there several times"), ("s00", "'30,5' is no number")]
    with pytest.raises(ProblemsError, match="no column 'session'"):
        report_reliability(write(table.drop(columns="session"), tmp_path / "t.tsv"), out=tmp_path / "out")
    few = long(retested(n=2))
    with pytest.raises(InputError, match="2 subjects with a value in each of 2 sessions"):
        report_reliability(write(few, tmp_path / "t.tsv"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_without_a_session_and_columns_named_twice(tmp_path):
    """The first were a session of their own, of which nobody had two."""
    table = long(retested())
    table.loc[3, "session"] = None
    with pytest.raises(ProblemsError, match=r"s01.*session: the cell is empty"):
        report_reliability(write(table, tmp_path / "t.tsv"), out=tmp_path / "out")
    with pytest.raises(InputError, match="each another column"):
        parse_columns(["total_mm3=test,test"])


def test_errors_and_flags_are_told(tmp_path):
    table = long(retested()).assign(error=None, flags=None)
    table.loc[5, ["total_mm3", "error"]] = np.nan, "cannot be read"
    table.loc[[4, 8, 9], "flags"] = "low_contrast"
    page = report_reliability(write(table, tmp_path / "t.tsv"), out=tmp_path / "out")
    reasons = read_table(tmp_path / "out" / "excluded.tsv")["reason"].tolist()
    assert reasons == ["no total_mm3 in ses-2 (cannot be read)"]
    assert "Subjects with quality flags: 1. Look" in page.read_text(), "of the two who are flagged one is left out"


def test_sessions_that_are_the_same_are_told(tmp_path):
    """It said that the volumes repeat themselves perfectly."""
    same = retested()[:, [0, 0]]
    page = report_reliability(write(long(same), tmp_path / "t.tsv"), out=tmp_path / "out")
    assert "total (mm³): ses-1 and ses-2 are the same in every subject. Was one scan measured twice" in page.read_text()
    page = report_reliability(write(long(retested()), tmp_path / "t.tsv"), out=tmp_path / "out")
    assert "are the same in every subject" not in page.read_text()


def test_volumes_that_are_0_in_both_sessions_are_equal():
    """Of one such subject, the mean percentage error was missing."""
    values = np.vstack([retested(n=6), [[0, 0]]])
    assert repeatability(values)["mape_percent"] == pytest.approx(repeatability(values[:-1])["mape_percent"] * 6 / 7)


def test_results_of_another_command_are_kept(tmp_path):
    write_run(tmp_path, command="volumes compare")
    with pytest.raises(InputError, match="holds the results of `mtseg volumes compare`"):
        report_reliability(write(long(retested()), tmp_path / "t.tsv"), out=tmp_path)
    check_command(tmp_path, "volumes compare")
