"""Tables of volumes: joined, typed, and everything that is wrong told at once."""

import numpy as np
import pandas as pd
import pytest
from simulated_study import write

from mtseg.errors import InputError, ProblemsError
from mtseg.volumetry.subjects import measures_of, read_subjects

VOLUMES = pd.DataFrame(
    {
        "participant_id": ["sub-1", "sub-2", "sub-3", "sub-4"],
        "total_mm3": [30.5, 33.0, np.nan, 29.0],
        "flags": [None, "low_contrast", None, None],
        "error": [None, None, "is cut off", None],
    }
)
PEOPLE = pd.DataFrame(
    {
        "participant_id": ["sub-4", "sub-3", "sub-2", "sub-1", "sub-9"],
        "dx": ["HC", "HC", "MDD", "MDD", "HC"],
        "site": [1, 2, 1, 2, 1],
        "age": [40, 50, 60, np.nan, 30],
        "hamd": [np.nan, np.nan, 20, 15, np.nan],
    }
)
ASKED = {"categories": ["dx", "site"], "numbers": ["total_mm3"], "either": ["age"], "optional": ["hamd"]}


def read(folder, volumes=VOLUMES, people=PEOPLE, **changed):
    files = write(volumes, folder / "habenula.tsv"), write(people, folder / "participants.tsv")
    return read_subjects(files[0], participants=files[1], **(ASKED | changed))


def test_joined_by_id_and_left_out_with_reasons(tmp_path):
    found = read(tmp_path)
    assert found.table.index.tolist() == ["sub-2", "sub-4"]
    assert found.table.loc["sub-2"].to_dict() == {"dx": "MDD", "site": "1", "total_mm3": 33, "age": 60, "hamd": 20}
    assert np.isnan(found.table.loc["sub-4", "hamd"])
    reasons = dict(found.excluded.itertuples(index=False))
    assert reasons == {"sub-1": "no age", "sub-3": "no total_mm3 (is cut off)", "sub-9": "no volumes"}
    assert found.flagged == 1


def test_flagged_subjects_can_be_left_out(tmp_path):
    found = read(tmp_path, drop_flagged=True)
    assert found.table.index.tolist() == ["sub-4"]
    assert dict(found.excluded.itertuples(index=False))["sub-2"] == "flagged: low_contrast"
    assert found.flagged == 0


def test_numbers_that_name_something_are_categories(tmp_path):
    found = read(tmp_path, either=["site", "age"], categories=["dx"])
    assert found.table["site"].tolist() == [1.0, 1.0]
    assert read(tmp_path).table["site"].tolist() == ["1", "1"]
    words = PEOPLE.assign(age=["old", "old", "young", "young", "old"])
    assert read(tmp_path, people=words).table["age"].tolist() == ["young", "young", "old"]


def test_names_that_look_like_numbers_stay_apart(tmp_path):
    """Scanners 1.1 and 1.10 were one, and centres 01 to 04 a number with a slope."""
    people = PEOPLE.assign(site=["1.1", "1.10", "1.1", "1.10", "2"], centre=["01", "02", "03", "04", "05"])
    found = read(tmp_path, people=people, either=["centre"])
    assert found.table.loc[["sub-1", "sub-2", "sub-4"], "site"].tolist() == ["1.10", "1.1", "1.1"]
    assert found.table.loc[["sub-1", "sub-2", "sub-4"], "centre"].tolist() == ["04", "03", "01"]


def test_flags_of_others(tmp_path):
    zeros = VOLUMES.assign(flags=[0, 1, 0, 0])
    found = read(tmp_path, volumes=zeros, drop_flagged=True)
    assert found.table.index.tolist() == ["sub-4"] and found.flagged == 0
    with pytest.raises(InputError, match="there is no column 'flags' to leave subjects out by"):
        read(tmp_path, volumes=VOLUMES.drop(columns="flags"), drop_flagged=True)


def test_ids_spelt_in_another_way_are_named(tmp_path):
    with pytest.raises(ProblemsError, match="It has 'P_7': spell the ids alike"):
        read(tmp_path, volumes=VOLUMES.assign(participant_id=["sub-1", "sub-2", "sub-3", "sub-P7"]),
             people=PEOPLE.assign(participant_id=["P_7", "sub-3", "sub-2", "sub-1", "sub-9"]))  # fmt: skip


def test_zeros_that_excel_takes_away_are_told_from_other_ids(tmp_path):
    """Of ids from 050 to 139 only those from 100 on were compared."""
    volumes = VOLUMES.assign(participant_id=["050", "099", "100", "P010"])
    people = PEOPLE.assign(participant_id=["50", "99", "100", "P10", "150"])
    with pytest.raises(ProblemsError) as error:
        read(tmp_path, volumes=volumes, people=people)
    assert [problem.subject for problem in error.value.problems] == ["050", "099", "P010"]


def test_decimal_commas_of_a_covariate_are_no_categories(tmp_path):
    people = PEOPLE.assign(edu=["8,5", "10,0", "12,5", "13", None])
    with pytest.raises(ProblemsError, match=r"edu: '8,5' is no number\. Write a point for the comma"):
        read(tmp_path, people=people, either=["edu"])


def test_a_subject_without_a_row_is_left_out_as_one_with_an_empty_cell(tmp_path):
    """It stopped everything."""
    found = read(tmp_path, people=PEOPLE[PEOPLE["participant_id"] != "sub-2"])
    assert found.table.index.tolist() == ["sub-4"]
    assert dict(found.excluded.itertuples(index=False))["sub-2"] == "no dx, site, age (no row in participants.tsv)"
    found = read(tmp_path, people=PEOPLE[["participant_id", "hamd"]].iloc[:2], categories=[], either=[])
    assert found.table.index.tolist() == ["sub-1", "sub-2", "sub-4"], "severity is nobody's need"


def test_tables_without_a_subject_in_common(tmp_path):
    people = PEOPLE.assign(participant_id=["a", "b", "c", "d", "e"])
    with pytest.raises(ProblemsError, match=r"no row of any subject who was measured.*'sub-1' there, 'a' here"):
        read(tmp_path, people=people)


@pytest.mark.parametrize("word", ["NA", "<NA>", "NULL", "null", "#N/A", "#NV", "#NULL!"])
def test_what_programs_write_for_missing_is_no_category(tmp_path, word):
    """R's NA was a group, and the reference of the others."""
    people = PEOPLE.astype({"age": object})
    people.loc[2, "dx"], people.loc[0, "age"] = word, word
    found = read(tmp_path, people=people)
    assert dict(found.excluded.itertuples(index=False))["sub-2"] == "no dx"
    assert dict(found.excluded.itertuples(index=False))["sub-4"] == "no age"
    assert found.table.empty


def test_words_and_spellings_that_make_a_category_are_refused(tmp_path):
    """Each was a group of its own, without a word."""
    people = PEOPLE.assign(dx=["HC", "hc", "MDD", "unknown", "?"], site=["a", "a", "a ", "-", "b"], age="old")
    with pytest.raises(ProblemsError) as error:
        read(tmp_path, people=people)
    assert [(problem.where.rpartition(", ")[2], problem.what) for problem in error.value.problems] == [
        ("dx", "'unknown' (sub-1) would be compared as categories"),
        ("dx", "'HC' (1) and 'hc' (1) differ in capitals, spaces, a .0 or accents' encoding only"),
        ("site", "'-' (sub-1) would be compared as categories"),
    ], "who was not measured does not matter"


def test_several_visits_of_one_subject(tmp_path):
    with pytest.raises(ProblemsError, match=r"sub-1: .* has 2 rows\. Keep one row per subject, such as .* one visit"):
        read(tmp_path, volumes=pd.concat([VOLUMES, VOLUMES.iloc[:1]]))


def test_the_fingerprint_changes_with_either_table(tmp_path):
    before = read(tmp_path).fingerprint
    assert read(tmp_path).fingerprint == before
    assert read(tmp_path, people=PEOPLE.assign(age=50)).fingerprint != before
    assert read(tmp_path, volumes=VOLUMES.assign(total_mm3=30)).fingerprint != before


def test_everything_wrong_comes_at_once(tmp_path):
    people = pd.concat([PEOPLE, PEOPLE.iloc[:1]]).assign(participant_id=lambda t: t["participant_id"].str[4:])
    with pytest.raises(ProblemsError) as error:
        read(tmp_path, people=people.assign(total_mm3=1, hamd="many"), numbers=["total_mm3", "left_mm3"])
    lines = str(error.value).splitlines()
    said = "\n".join(line.replace(f"{tmp_path}/", "") for line in lines)
    assert "4: participants.tsv: has 2 rows" in said
    assert "habenula.tsv and participants.tsv: both have a column 'total_mm3'" in said
    assert "there is no column 'left_mm3'. Choose among total_mm3, flags" in said
    assert "sub-1: participants.tsv: has no row of this subject. It has '1': spell the ids alike" in said
    assert "9: participants.tsv, hamd: 'many' is no number" in said
    assert len(lines) == 13


def test_cells_that_are_no_numbers(tmp_path):
    people = PEOPLE.astype({"age": object, "hamd": object})
    people.loc[0, "age"], people.loc[1, "hamd"] = "4O", "inf"
    with pytest.raises(ProblemsError) as error:
        read(tmp_path, people=people)
    assert [(problem.subject, problem.what) for problem in error.value.problems] == [
        ("sub-4", "'4O' is no number"),
        ("sub-3", "'inf' is no number"),
    ]


def test_measures_that_are_there(tmp_path):
    assert measures_of(write(VOLUMES, tmp_path / "a.tsv")) == ["total_mm3"]
    with pytest.raises(InputError, match="has none of left_mm3, right_mm3, total_mm3"):
        measures_of(write(PEOPLE, tmp_path / "b.tsv"))
