import logging

import pandas as pd
import pytest

from mtseg.data import check_cohort, read_cohort, require_usable
from mtseg.data.checks.folds import check_folds
from mtseg.data.checks.notes import merge
from mtseg.data.checks.table import check_table
from mtseg.data.checks.targets import check_targets
from mtseg.tasks import Head, Kind, Structures

SEX, AGE = Head("sex", Kind.CLASSES, ("F", "M")), Head("age", Kind.NUMBER)

BAD_TABLES = {
    "repeated id": (
        lambda s: s.cells("participant_id", "a", "b", "b"),
        [
            "b: participant_id: the id stands in 2 rows. Give each scan an id of its own, and the same value in the"
            " column 'group'"
        ],
    ),
    "missing id": (
        lambda s: (s.cells("participant_id", "a", "", ""), s.cells("fold", "0", "1", "")),
        [
            "participant_id: 2 rows have no id. Give every row an id",
            "fold: the subject is in no fold. Run `mtseg cohort split` again, or remove the row",
        ],
    ),
    "slash in an id": (
        lambda s: s.cells("participant_id", "a", "b", "x/c"),
        ["x/c: participant_id: the id holds a slash. Use an id that can be a file name"],
    ),
    "mistyped path": (
        lambda s: s.cells("gd", "b/gd.nii.gz", "n/a", "gd.nii.gzz"),
        [
            "c: gd: 'gd.nii.gzz' is no image path, but other cells of the column are. Correct the path (.nii,"
            " .nii.gz, .mgz or an existing folder), or write n/a if there is no image"
        ],
    ),
    "subject without image": (
        lambda s: s.table.loc[1:1].assign(t1="", flair="").pipe(s.table.update),
        ["b: t1, flair: the subject has no image. Name one, or remove the row"],
    ),
    "site spelt in two ways": (
        lambda s: s.cells("site", "Bonn", "bonn ", "Köln"),
        ["note site: Bonn and bonn count as different sites. Spell a site in one way"],
    ),
    "missing site": (
        lambda s: s.cells("site", "Bonn", "", "Köln"),
        ["note b: site: the site is missing. Fill it in if results are compared by site"],
    ),
    "fold is a word": (
        lambda s: s.cells("fold", "0", "test", "1"),
        ["b: fold: fold 'test' is no whole number from 0. Number the folds 0, 1, 2, …"],
    ),
    "fold is a fraction": (
        lambda s: s.cells("fold", "0", "0.5", "1"),
        ["b: fold: fold '0.5' is no whole number from 0. Number the folds 0, 1, 2, …"],
    ),
    "subject in no fold": (
        lambda s: s.cells("fold", "0", "", "1"),
        ["b: fold: the subject is in no fold. Run `mtseg cohort split` again, or remove the row"],
    ),
    "one fold": (
        lambda s: s.cells("fold", "0", "0", "0"),
        ["note fold: there is one fold only. Run `mtseg cohort split` before training with a fold held out"],
    ),
    "group in two folds": (
        lambda s: (s.cells("fold", "0", "1", "1"), s.cells("group", "x", "x", "")),
        ["group: group 'x' (a, b) is in folds 0, 1. Run `mtseg cohort split` again, it keeps groups together"],
    ),
    "subject in two folds": (
        lambda s: (s.cells("participant_id", "a", "b", "b"), s.cells("fold", "0", "0", "1")),
        [
            "b: participant_id: the id stands in 2 rows. Give each scan an id of its own, and the same value in the"
            " column 'group'",
            "b: fold: the subject is in folds 0, 1. Keep it in one fold",
        ],
    ),
}


@pytest.mark.parametrize(("spoil", "expected"), [pytest.param(*c, id=n) for n, c in BAD_TABLES.items()])
def test_bad_tables(study, spoil, expected):
    spoil(study)
    assert study.lines(heads=[AGE]) == expected


@pytest.mark.parametrize(
    ("head", "column", "expected"),
    [
        (
            SEX,
            ["F", "M", "male"],
            "'male' is none of F, M. Correct the cell, write n/a, or add the class to the config",
        ),
        (
            Head("sex", Kind.LABELS, ("cyst", "bleed")),
            ["cyst;bleed", ";", "cyst; edema"],
            "'edema' is none of cyst, bleed. Correct the cell (labels separated by ';'), write n/a, or add the label",
        ),
        (
            Head("sex", Kind.NUMBER),
            ["1.5", "2", "2,5"],
            "'2,5' is not a number. Write a number with a decimal point, or n/a",
        ),
    ],
)
def test_cells_that_a_head_cannot_encode(study, head, column, expected):
    study.cells("sex", *column)
    (line,) = study.lines(heads=[head])
    assert line.startswith(f"c: sex: {expected}")


@pytest.mark.parametrize(
    ("cells", "noted"),
    [(("bleed", "", "n/a"), 2), (("bleed", ";", ""), 0), (("bleed", "cyst", "cyst"), 0), (("", "", ""), 0)],
)
def test_missing_labels_are_noted_where_nobody_has_none(study, cells, noted):
    study.cells("findings", *cells)
    lines = study.lines(heads=[Head("findings", Kind.LABELS, ("cyst", "bleed"))])
    said = f"note findings: {noted} cells are missing, so their labels are not known, and nobody has none"
    assert [line.startswith(said) for line in lines if "cells are missing" in line] == [True] * bool(noted)
    assert all("Write a lone ';'" in line for line in lines if "cells are missing" in line)


@pytest.mark.parametrize("heads", [None, [SEX]])
def test_classes_rarer_than_folds_are_noted(study, heads):
    note = "note sex: class 'M' has too few subjects or groups for 2 folds: 1. Some folds cannot be scored for it: use"
    assert study.lines(heads=heads) == []
    assert [line for line in study.lines(heads=heads, folds=2) if line.startswith("note sex")] == [
        f"{note} fewer folds or merge the class with another"
    ]
    study.cells("fold", "0", "1", "1")
    assert any(line.startswith(note) for line in study.lines(heads=heads))
    study.cells("fold", "0", "0", "1")
    study.cells("group", "x", "x", "")
    assert any(
        "class 'F' has too few subjects or groups for 3 folds: 2." in line for line in study.lines(heads=heads, folds=3)
    )


def test_a_group_counts_once_towards_a_class(study):
    study.cells("sex", "F", "F", "M")
    study.cells("group", "x", "x", "y")
    counts = [line.split(" folds: ")[1][:1] for line in study.lines(heads=[SEX], folds=2)]
    assert counts == ["1", "1"]


@pytest.mark.parametrize("name", ["seg", "label", "loss"])
def test_names_that_a_target_cannot_have(study, name):
    """MONAI's engines use some of them: the training ran, and its evaluation failed."""
    study.table = study.table.rename(columns={"sex": name})
    heads = [Head(name, Kind.CLASSES, ("F", "M"))]
    assert any(line.startswith(f"{name}: a target cannot have this name") for line in study.lines(heads=heads))


def test_columns_that_nobody_predicts_are_no_classes(study):
    """A column of patients' names would be a note for every one of them."""
    study.cells("fold", "0", "0", "1")
    study.cells("group", "", "", "")
    assert [line for line in study.lines(folds=3) if "sex: class 'F'" in line]
    assert not [line for line in study.lines(heads=(), folds=3) if "class" in line]


def test_needed_columns_are_all_named(study):
    study.table = study.table[["participant_id", "t1", "sex"]].assign(t1=["n/a"] * 3)
    cohort = study.read()
    problems = check_cohort(
        cohort,
        sequences=["t1", "dwi"],
        structures=Structures({"lesion": 1}),
        heads=[SEX, AGE, Head("seg", Kind.NUMBER)],
    )
    remedy = "Add or rename a column; the table has participant_id, t1, sex"
    nothing = "so nothing is learnt or scored for it"
    assert [str(problem).replace(f"{cohort.path}: ", "") for problem in problems] == [
        "t1: every cell of this column (sequence) is missing. Fill in the column",
        f"there is no column 'dwi' (sequence). {remedy}",
        f"there is no column 'mask' (mask of the structures), {nothing}. {remedy}",
        f"there is no column 'age' (target), {nothing}. {remedy}",
        f"there is no column 'seg' (target), {nothing}. {remedy}",
        "seg: a target cannot have this name, mtseg uses it for something else. Rename the column in the table and in"
        " the configuration",
        *(f"{subject}: t1: the subject has no image. Name one, or remove the row" for subject in "abc"),
    ]


def test_a_column_that_differs_in_capitals_only_is_a_problem(study):
    """The target was absent for everybody, and the training ran without it."""
    study.table = study.table.rename(columns={"sex": "Sex", "flair": "FLAIR"})
    cohort = read_cohort(study.read().path, sequences=["t1"], optional=["flair"])
    problems = check_cohort(cohort, sequences=["t1", "flair"], heads=[SEX])
    assert [(problem.fatal, problem.what, problem.remedy) for problem in problems] == [
        (True, f"the column '{other}' is not '{name}' ({role})", "Rename the column so that both are spelt alike")
        for other, name, role in (("FLAIR", "flair", "sequence"), ("Sex", "sex", "target"))
    ]


def test_absent_masks_and_targets_are_notes_and_absent_sequences_are_not(study):
    study.table = study.table.drop(columns="sex").assign(mask="n/a", age="")
    wanted = {"structures": Structures({"lesion": 1}), "heads": [SEX, AGE]}
    nothing = "so nothing is learnt or scored for it"
    assert [line.partition(". ")[0].replace("cohort.tsv: ", "") for line in study.lines(**wanted)] == [
        f"note mask: every cell of this column (mask of the structures) is missing, {nothing}",
        f"note there is no column 'sex' (target), {nothing}",
        f"note age: every cell of this column (target) is missing, {nothing}",
    ]
    assert study.lines(sequences=["t1", "dwi"])[0].startswith("cohort.tsv: there is no column 'dwi' (sequence)")


def test_a_usable_cohort_leaves_its_notes_in_the_log(study, caplog):
    study.table = study.table.drop(columns="sex")
    with caplog.at_level(logging.WARNING, logger="mtseg"):
        require_usable(check_cohort(study.read(), heads=[SEX]))
    assert "there is no column 'sex' (target), so nothing is learnt" in caplog.text


def test_a_prediction_asks_for_ids_and_images_only(study):
    study.cells("mask", "a/absent.nii.gz", "b", "n/a")
    study.cells("fold", "0", "test", "")
    study.cells("site", "Bonn", "bonn", "")
    study.cells("gd", "gd.nii.gz", "gd.nii.gzz", "")
    assert study.lines(sequences=["t1"], images_only=True) == []
    study.cells("participant_id", "a", "b", "b")
    (study.folder / "a/t1.nii.gz").unlink()
    assert [line[:40] for line in study.lines(sequences=["t1"], images_only=True)] == [
        "b: participant_id: the id stands in 2 ro",
        "a: a/t1.nii.gz: t1 does not exist. Corre",
    ]


def test_a_hundred_thousand_rows(tmp_path):
    ids = [f"p{i}" for i in range(100_000)]
    table = pd.DataFrame({"participant_id": ids, "t1": [f"{name}.nii.gz" for name in ids], "group": ids})
    table["sex"], table["site"], table["fold"] = "F", "Bonn", "0"
    table.loc[50_000:, ["sex", "fold"]] = "M", "1"
    table.loc[99_999, ["participant_id", "sex"]] = "p7", "male"
    table.loc[99_998, ["group", "site"]] = "p8", "BONN"
    table.loc[[3, 60_000], "site"] = ""
    table.to_csv(tmp_path / "cohort.tsv", sep="\t", index=False)
    cohort = read_cohort(tmp_path / "cohort.tsv")
    problems = check_table(cohort, sequences=["t1"], structures=None, heads=[SEX])
    problems += [*check_folds(cohort), *check_targets(cohort, heads=[SEX], folds=None)]
    assert [str(problem).partition(". ")[0] for problem in merge(problems)] == [
        "p7: participant_id: the id stands in 2 rows",
        "site: the site is missing in 2 subjects (p3, p60000)",
        "site: Bonn and BONN count as different sites",
        "p7: fold: the subject is in folds 0, 1",
        "group: group 'p8' (p8, p99998) is in folds 0, 1",
        "p7: sex: 'male' is none of F, M",
    ]


def test_a_table_without_images_says_so(study):
    study.table = study.table[["participant_id", "sex"]]
    (line,) = study.lines()
    assert line.startswith("cohort.tsv: no column holds image paths. Add a column per sequence")
