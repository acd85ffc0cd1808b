"""Maps and their table: nobody else's files are lost, and a table that is there goes with the maps beside it."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from mtseg.data import read_cohort
from mtseg.data.map_files import (
    TABLE,
    begin_maps,
    map_path,
    require_own_folder,
    write_table_with_maps,
    written_over,
)
from mtseg.errors import InputError

COMMAND = "cohort some-maps"


@pytest.fixture
def cohort(tmp_path):
    table = pd.DataFrame({"participant_id": ["07", "b c", "ä"], "t1": ["07.nii", "n/a", "ä.nii"], "age": [3, 4, 5]})
    table.to_csv(tmp_path / "study.csv", index=False)
    return read_cohort(tmp_path / "study.csv")


def places(cohort, out, names=("gm",)):
    problems = written_over(cohort, names, out, subjects=cohort.table["participant_id"])
    return [(problem.subject, problem.where.removeprefix(f"{out}/")) for problem in problems]


def test_the_table_names_the_maps_of_those_who_have_them(cohort, tmp_path):
    out = tmp_path / "maps"
    begin_maps(out, cohort=cohort, command=COMMAND, maps=["gm"])
    of = replace(cohort, table=cohort.table[cohort.table["t1"].notna()])
    path = write_table_with_maps(cohort, ["gm", "wm"], out, of=of)
    assert path == out / TABLE
    assert [line.split("\t") for line in path.read_text().splitlines()] == [
        ["participant_id", "t1", "age", "gm", "wm"],
        ["07", "../07.nii", "3", "07_gm.nii.gz", "07_wm.nii.gz"],
        ["b c", "n/a", "4", "n/a", "n/a"],
        ["ä", "../ä.nii", "5", "ä_gm.nii.gz", "ä_wm.nii.gz"],
    ]
    assert read_cohort(path).table["gm"].iloc[0] == str(map_path(out, "07", "gm"))
    facts = json.loads((out / "run.json").read_text())
    assert (facts["command"], facts["data"], facts["maps"]) == (COMMAND, cohort.fingerprint(), ["gm"])
    assert "gm" not in cohort.table


def test_files_of_somebody_else_are_not_written_over(cohort, tmp_path):
    """A table called cohort.tsv in the folder, of which another one had been made, was replaced without a word."""
    out = tmp_path / "maps"
    assert places(cohort, out) == []
    out.mkdir()
    (out / TABLE).touch()
    map_path(out, "ä", "gm").touch()
    assert places(cohort, out) == [("", TABLE), ("ä", "ä_gm.nii.gz")]
    assert places(cohort, out, names=("wm",)) == [("", TABLE)]
    begin_maps(out, cohort=cohort, command=COMMAND)
    assert places(cohort, out) == []  # they are of an earlier call now


def test_the_table_itself_is_not_written_over(cohort, tmp_path):
    out = tmp_path / "maps"
    begin_maps(out, cohort=cohort, command=COMMAND)
    path = write_table_with_maps(cohort, ["gm"], out, of=cohort)
    again = read_cohort(path)
    assert places(again, out) == [
        ("", "gm"), ("", TABLE), *((name, f"{name}_gm.nii.gz") for name in ("07", "b c", "ä")),
    ]  # fmt: skip
    assert places(again, out, names=("wm",)) == [("", TABLE)]


def test_an_earlier_calls_table_goes_before_new_maps_come(cohort, tmp_path):
    begin_maps(tmp_path / "maps", cohort=cohort, command=COMMAND)
    path = write_table_with_maps(cohort, ["gm"], tmp_path / "maps", of=cohort)
    begin_maps(tmp_path / "maps", cohort=cohort, command=COMMAND)
    assert not path.exists()


def test_a_folder_belongs_to_one_command(cohort, tmp_path):
    out = tmp_path / "maps"
    require_own_folder(out, command=COMMAND)
    assert not out.exists()
    begin_maps(out, cohort=cohort, command=COMMAND)
    require_own_folder(out, command=COMMAND)
    with pytest.raises(
        InputError, match=r"maps: holds the results of `mtseg cohort some-maps`\. Choose another folder"
    ):
        require_own_folder(out, command="cohort other-maps")
    for file in (tmp_path / "study.csv", tmp_path / "study.csv" / "maps"):
        with pytest.raises(InputError, match=r"study\.csv: is no folder"):
            require_own_folder(file, command=COMMAND)
