from pathlib import Path

import pandas as pd
import pytest

from mtseg.data import read_cohort, training_split, write_cohort
from mtseg.data.folds import split_cohort
from mtseg.data.tables import read_cells
from mtseg.errors import InputError
from mtseg.tasks import Head, Kind


def test_columns_are_told_apart_by_their_cells(study):
    study.table["site"], study.table["group"] = "Bonn", ["1", "1", "2"]
    cohort = study.read()
    assert cohort.sequences == ("t1", "flair")
    assert cohort.targets == ("sex", "age")
    assert len(cohort) == 3


def test_records_hold_absolute_paths_and_raw_cells(study):
    study.table.loc[1, ["flair", "mask"]] = ["n/a", ""]
    first, second, third = study.read().records(sequences=["flair", "t1"], targets=["sex", "age"])
    assert first == {
        "subject": "a",
        "image": [str(study.folder / "a/flair.nii.gz"), str(study.folder / "a/t1.nii.gz")],
        "mask": str(study.folder / "a/mask.nii.gz"),
        "sex": "F",
        "age": 31,
    }
    assert all(type(key) is str for key in first)
    assert second["image"] == [None, str(study.folder / "b/t1.nii.gz")]
    assert (second["mask"], second["age"]) == (None, 40.5)
    assert third["age"] is None


@pytest.mark.parametrize("cell", ["n/a", "NA", "<NA>", "nan", "NULL", "null", "#N/A", "#NV", "#NULL!"])
def test_what_programs_write_for_a_missing_cell(study, cell):
    """R's NA was a class, and made a text of a column of numbers."""
    study.table.loc[1, ["flair", "sex", "age"]] = cell
    cohort = study.read()
    record = cohort.records(sequences=["flair"], targets=["sex", "age"])[1]
    assert (record["image"], record["sex"], record["age"]) == ([None], None, None)
    assert cohort.table["age"][0] == 31


def test_words_that_can_be_a_class_are_not_missing(study):
    study.table["sex"] = words = ["none", "None", "unknown"]
    assert [record["sex"] for record in study.read().records(sequences=[], targets=["sex"])] == words


def test_records_without_mask_column_or_images(study):
    study.table = study.table.drop(columns="mask")
    assert study.read().records(sequences=[])[0] == {"subject": "a", "image": [], "mask": None}


def test_a_target_that_the_table_lacks_is_missing_for_everybody(study):
    assert [record["grade"] for record in study.read().records(sequences=["t1"], targets=["grade"])] == [None] * 3


@pytest.mark.parametrize("name", ["participant_id", "subject", "subject_id", "id", "ID"])
def test_ids_stay_strings_under_any_of_their_names(study, name):
    study.table["participant_id"] = ["007", "08", "9"]
    study.table = study.table.rename(columns={"participant_id": name})
    assert study.read().table["participant_id"].tolist() == ["007", "08", "9"]


def test_columns_with_a_fixed_meaning_keep_it_in_capitals(study):
    """A `Mask` became a sequence, and a `Group` grouped nobody."""
    study.table[["group", "fold", "site"]] = [["x", "0", "Bonn"]] * 3
    plain = study.read()
    spelt = {"mask": "Mask", "group": "GROUP", "fold": "Fold", "site": "Site", "participant_id": "Participant_ID"}
    study.table = study.table.rename(columns=spelt)
    cohort = study.read("capitals.tsv")
    assert (cohort.sequences, cohort.targets) == (("t1", "flair"), ("sex", "age"))
    pd.testing.assert_frame_equal(cohort.table, plain.table)
    study.table["group"] = "y"
    with pytest.raises(InputError, match="the columns 'GROUP' and 'group' are one"):
        study.read()


def test_numbers_become_numbers_but_codes_with_leading_zeros_do_not(study):
    study.table["grade"], study.table["code"] = ["1", "2.0", "n/a"], ["01", "02", "10"]
    records = study.read().records(sequences=[], targets=["grade", "code"])
    assert [record["grade"] for record in records] == [1, 2, None]
    assert [record["code"] for record in records] == ["01", "02", "10"]


def test_codes_too_long_for_a_number_stay_text(study):
    """Of more digits than 64 bits hold, the table could not be read; of fewer, the last digits would be lost."""
    study.table["code"] = ["20230101123456789012345", "9007199254740993", "n/a"]
    records = study.read().records(sequences=[], targets=["code"])
    assert [record["code"] for record in records] == ["20230101123456789012345", "9007199254740993", None]


def test_an_existing_folder_is_an_image_if_written_with_a_slash(study):
    study.table["dwi"], study.table["initials"], study.table["scores"] = ["a/", "./b", "n/a"], [*"abc"], "1/2"
    cohort = study.read()
    assert cohort.sequences == ("t1", "flair", "dwi")
    assert cohort.table["dwi"].tolist() == [str(study.folder / "a"), str(study.folder / "b"), None]
    assert cohort.targets == ("sex", "age", "initials", "scores")


def test_sequences_can_be_named(study):
    cohort = read_cohort(study.read().path, sequences=["flair"])
    assert (cohort.sequences, cohort.targets) == (("flair",), ("sex", "age"))
    with pytest.raises(InputError) as raised:
        read_cohort(cohort.path, sequences=["t2", "t1", "dwi"])
    remedy = "Add or rename a column; the table has participant_id, t1, flair, mask, sex, age"
    assert str(raised.value).splitlines() == [
        f"{cohort.path}: there is no column '{name}' (sequence). {remedy}" for name in ("t2", "dwi")
    ]


def test_a_named_sequence_may_be_a_folder_without_slash(study):
    study.table["dwi"] = [*"ab", "n/a"]
    cohort = study.read()
    assert cohort.targets == ("sex", "age", "dwi")
    cohort = read_cohort(cohort.path, sequences=["dwi"])
    assert cohort.targets == ("sex", "age")
    assert cohort.table["dwi"].tolist() == [str(study.folder / "a"), str(study.folder / "b"), None]


@pytest.mark.parametrize("name", ["again.tsv", "again.csv", "tables/again.csv", "again.parquet"])
def test_written_tables_read_back_the_same(study, name):
    study.table.loc[1, "flair"] = "n/a"
    cohort = study.read()
    write_cohort(cohort.table, study.folder / name)
    again = read_cohort(study.folder / name)
    pd.testing.assert_frame_equal(again.table, cohort.table)
    if name == "tables/again.csv":
        assert "../a/t1.nii.gz" in again.path.read_text()


@pytest.mark.parametrize("name", ["again.tsv", "again.csv"])
def test_written_tables_keep_what_was_read(study, name):
    """Numbers lost their last digits in a .tsv, and codes their zeros."""
    study.cells("volume", "1512345.678", "0.123456789", "1e3")
    study.cells("version", "1.10", "1.1", "n/a")
    study.cells("count", "1.0", "2", "+3")
    cohort = study.read()
    changed = cohort.table.sort_values("volume").assign(extra=[1, 2, 3], age=[7, 8, 9])
    changed.loc[0, "count"] = 5
    write_cohort(changed, study.folder / name)
    again = read_cells(study.folder / name).set_index("participant_id").fillna("n/a")
    assert again.loc[[*"abc"], "volume"].tolist() == ["1512345.678", "0.123456789", "1e3"]
    assert again.loc[[*"abc"], "version"].tolist() == ["1.10", "1.1", "n/a"]
    assert again.loc[[*"abc"], "count"].tolist() == ["5", "2", "+3"]
    assert again.loc[[*"bca"], "age"].tolist() == ["7", "8", "9"]


def test_paths_of_other_files_follow_the_table(study):
    for name in ("a/plan.json", "b/plan.json", "good"):
        (study.folder / name).touch()
    study.cells("plan", "a/plan.json", "b/plan.json", "n/a")
    study.cells("outcome", "good", "good", "poor")
    write_cohort(study.read().table, study.folder / "tables/again.tsv")
    again = read_cells(study.folder / "tables/again.tsv")
    assert again["plan"].tolist()[:2] == ["../a/plan.json", "../b/plan.json"]
    assert again["outcome"].tolist() == ["good", "good", "poor"]


@pytest.mark.parametrize("scans", ["scans", "deep/real", "deep", "link", "deep/real/sub"])
def test_paths_are_found_from_a_linked_folder(tmp_path, scans):
    (tmp_path / "deep/real").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep/real")
    scan = tmp_path / scans / "scan.nii"
    scan.parent.mkdir(exist_ok=True)
    scan.touch()
    write_cohort(pd.DataFrame({"participant_id": ["a"], "t1": [str(scan)]}), tmp_path / "link/table.tsv")
    cell = read_cells(tmp_path / "link/table.tsv")["t1"][0]
    assert not Path(cell).is_absolute()
    (record,) = read_cohort(tmp_path / "link/table.tsv").records(sequences=["t1"])
    assert Path(record["image"][0]).samefile(scan)


@pytest.mark.parametrize(
    "text",
    [
        "id,t1,site,,\na,a.nii,Bonn,,\nb,b.nii,,,\n,,,,\n",
        "sep=;\nid;t1;site\na;a.nii;Bonn\nb;b.nii;\n",
        "\ufeffsep=;\r\nid;t1;site\r\na;a.nii;Bonn\r\nb;b.nii;\r\n",
        "sep=|\nid|t1|site\na|a.nii|Bonn\nb|b.nii|\n",
        ',id,t1,site\n,a,a.nii,Bonn\n,b,b.nii,""\n',
    ],
)
def test_what_excel_adds_is_ignored(tmp_path, text):
    (tmp_path / "excel.csv").write_bytes(text.encode())
    cells = read_cells(tmp_path / "excel.csv").fillna("n/a")
    assert cells.to_dict("list") == {"id": ["a", "b"], "t1": ["a.nii", "b.nii"], "site": ["Bonn", "n/a"]}


@pytest.mark.parametrize(
    ("head", "sign"),
    [
        ('id,"findings; all","x;y"', ","),
        ("id,t1,findings; all", ","),
        ('id;"findings, all";t1', ";"),
        ("id\ta;b", "\t"),
    ],
)
def test_only_what_separates_the_header_is_a_separator(tmp_path, head, sign):
    columns = head.replace('"', "").split(sign)
    (tmp_path / "table.csv").write_text(f"{head}\n{sign.join('1' for _ in columns)}\n")
    assert read_cells(tmp_path / "table.csv").columns.tolist() == columns


def test_excel_tables_with_semicolons_and_a_byte_order_mark(study):
    study.table.to_csv(study.folder / "excel.csv", sep=";", index=False, encoding="utf-8-sig")
    assert read_cohort(study.folder / "excel.csv").sequences == ("t1", "flair")


@pytest.mark.parametrize(("name", "sign", "written"), [("a.csv", ";", ";"), ("a.csv", ",", ","), ("a.tsv", "\t", ",")])
def test_excel_gets_the_separator_that_it_wrote(study, name, sign, written):
    study.table.assign(note="a;b,c").to_csv(study.folder / name, sep=sign, index=False)
    cohort = split_cohort(read_cohort(study.folder / name), folds=3)
    write_cohort(cohort.table, study.folder / "folds.csv")
    head = (study.folder / "folds.csv").read_text().splitlines()[0]
    assert head.split(written) == [*study.table, "note", "fold"]
    assert read_cohort(study.folder / "folds.csv").table["note"].tolist() == ["a;b,c"] * len(study.table)
    write_cohort(cohort.table, study.folder / "folds.tsv")
    assert (study.folder / "folds.tsv").read_text().splitlines()[0].split("\t")[-1] == "fold"


def test_fingerprint_follows_cells_but_not_the_folder(study, tmp_path_factory):
    cohort = study.read()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "table.tsv"
    elsewhere.write_bytes(cohort.path.read_bytes())
    assert read_cohort(elsewhere).fingerprint() == cohort.fingerprint()
    study.table.loc[2, "sex"] = "M"
    assert study.read().fingerprint() != cohort.fingerprint()
    one = read_cohort(cohort.path, sequences=["t1"])  # the other images move with the folder, too
    elsewhere.write_bytes(cohort.path.read_bytes())
    assert read_cohort(elsewhere, sequences=["t1"]).fingerprint() == one.fingerprint()


def test_fold_holds_out_its_subjects(study):
    study.table["fold"] = ["0", "1", "1"]
    cohort = study.read()
    training, held_out = cohort.fold(1)
    assert (training.table["participant_id"].tolist(), held_out.table["participant_id"].tolist()) == (["a"], ["b", "c"])
    with pytest.raises(InputError, match=r"no subject is in fold 2, only in 0, 1\. Run `mtseg cohort split`"):
        cohort.fold(2)


def test_a_training_needs_somebody_outside_the_fold(study):
    study.cells("fold", "0", "0", "0")
    cohort = study.read()
    assert len(training_split(cohort, None, heads=[])[0]) == 3
    assert len(cohort.fold(0)[1]) == 3
    with pytest.raises(InputError, match="everybody is in fold 0, so nobody is left to train on"):
        training_split(cohort, 0, heads=[])


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (Head("outcome", Kind.CLASSES, ("poor", "good")), "nobody to train on is good"),
        (Head("outcome", Kind.LABELS, ("poor", "good", "seizures")), "nobody to train on is good, seizures"),
    ],
)
def test_a_class_that_nobody_trains_is_named(head, said, study, caplog):
    study.cells("outcome", "poor", "poor", "good")
    study.cells("fold", "0", "0", "1")
    training_split(study.read(), 1, heads=[head])
    assert said in caplog.text
    caplog.clear()
    training_split(study.read(), None, heads=[Head("outcome", Kind.CLASSES, ("poor", "good"))])
    assert not caplog.text


def test_paths_are_followed_from_where_a_linked_folder_lies(study, tmp_path):
    (tmp_path / "deep" / "real").mkdir(parents=True)
    (tmp_path / "deep" / "scan.nii").touch()
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "real")
    (tmp_path / "link" / "table.tsv").write_text("id\tt1\na\t../scan.nii\n")
    (record,) = read_cohort(tmp_path / "link" / "table.tsv").records(sequences=["t1"])
    assert Path(record["image"][0]).is_file()


def test_fold_without_folds_says_what_to_run(study):
    with pytest.raises(InputError, match=r"no column 'fold'\. Run `mtseg cohort split`"):
        study.read().fold(0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.tsv", None, "there is no such file"),
        ("empty.tsv", b"", "cannot be read as a table"),
        ("latin.csv", "subject,site\n1,Köln\n".encode("latin-1"), "is not UTF-8 text. Save it again as 'CSV UTF-8'"),
        ("header.csv", b"subject,t1\n", "the table has no rows"),
        ("nobody.csv", b"name,t1\nx,x.nii\n", "no column says who the subject is. Name it 'participant_id'"),
        ("book.csv", b"PK\x03\x04\x14\xff\xfe", "no text. Save it again as 'CSV UTF-8'"),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel file"),
        ("title.csv", b"Study of 2024,,\nid,t1,age\n1,a.nii,44\n", "columns have no name. The first row must hold"),
        ("words.csv", b"Study, 2024\nid,t1,age\n1,a.nii,44\n", "with the names of the columns in the first row"),
        ("line.csv", b"Study of 2024\nid,t1,age\n1,a.nii,44\n", "must hold the columns' names; it holds Study of 2024"),
        ("twice.csv", b"id,t1,t1\n1,a.nii,b.nii\n", "the column 't1' stands there twice"),
        ("surplus.csv", b"id,t1\n1,a.nii,b.nii\n", "cannot be read as a table"),
        ("text.parquet", b"id,t1\n", "cannot be read as a table"),
    ],
)
def test_tables_that_are_none(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_cohort(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)
    assert message in str(raised.value)
