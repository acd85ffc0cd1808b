"""Which subsets of the sequences are evaluated, on whom, and what is refused before any of it."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mtseg.bundle.subsets import check_subsets, complete_subjects, evaluate_subsets, subsets
from mtseg.data import read_cohort
from mtseg.errors import InputError, ProblemsError
from mtseg.files import read_table

SHAPE = (6, 5, 4)


def save(path: Path, seed: int, shape=SHAPE, *, spacing: float = 2.0) -> None:
    voxels = np.random.default_rng(seed).random(shape, dtype=np.float32)
    image = nib.Nifti1Image(voxels, np.diag([spacing, 2, 2, 1]))
    image.set_qform(image.affine, 1)
    nib.save(image, path)


@pytest.fixture
def study(tmp_path):
    """A bundle of two sequences with four subjects, of whom c lacks FLAIR."""

    def bundle(**settings) -> str:
        (tmp_path / "run" / "configs").mkdir(parents=True, exist_ok=True)
        config = {"sequences": ["t1", "flair"], "optional_sequences": ["t1", "flair"]} | settings
        for name in ("train", "inference"):
            (tmp_path / "run" / "configs" / f"{name}.yaml").write_text(yaml.safe_dump(config))
        (tmp_path / "run" / "configs" / "metadata.json").write_text("{}")
        return str(tmp_path / "run")

    (tmp_path / "data").mkdir()
    lines = ["participant_id\tt1\tflair\tsex\tfold"]
    for i, subject in enumerate("abcd"):
        for j, sequence in enumerate(("t1", "flair")):
            save(tmp_path / "data" / f"{subject}_{sequence}.nii", 10 * i + j)
        flair = "n/a" if subject == "c" else f"{subject}_flair.nii"
        lines.append(f"{subject}\t{subject}_t1.nii\t{flair}\tF\t{i // 2}")
    table = tmp_path / "data" / "cohort.tsv"
    table.write_text("\n".join(lines) + "\n")
    return bundle, table


@pytest.fixture
def evaluated(monkeypatch):
    """Evaluations that only say on whom and with what they were asked."""
    calls = []

    def evaluate(name, *, cohort, out, **options):
        table = read_cohort(cohort, sequences=["t1", "flair"], optional=["t1", "flair"]).table
        calls.append((table.dropna(axis=1, how="all"), options))
        pd.DataFrame({"metric": ["dice_mean"], "value": [len(calls) / 10]}).to_csv(
            out / "summary.tsv", sep="\t", index=False
        )

    monkeypatch.setattr("mtseg.bundle.subsets.evaluate", evaluate)
    return calls


@given(st.integers(1, 5).flatmap(lambda n: st.tuples(st.just("abcde"[:n]), st.sets(st.sampled_from("abcde"[:n])))))
def test_every_set_with_what_is_needed_once_the_largest_first(case):
    sequences, optional = case
    found = [*subsets(sequences, optional)]
    assert found[0] == (*sequences,)
    assert len({*found}) == len(found) == 2 ** len(optional) - (len(optional) == len(sequences))
    assert [len(one) for one in found] == sorted((len(one) for one in found), reverse=True)
    for one in found:
        assert {*sequences} - optional <= {*one}
        assert sorted(one) == [*one]  # the channels' order


def test_each_set_is_asked_about_whoever_has_all(study, evaluated, tmp_path):
    bundle, table = study
    found = evaluate_subsets(bundle(), cohort=table, out=tmp_path / "out", weights=["w.pt"], mirror=True)
    assert read_table(found).to_numpy().tolist() == [
        ["t1+flair", "dice_mean", 0.1],
        ["t1", "dice_mean", 0.2],
        ["flair", "dice_mean", 0.3],
    ]
    for (rows, options), kept in zip(evaluated, (["t1", "flair"], ["t1"], ["flair"]), strict=True):
        assert rows["participant_id"].tolist() == ["a", "b", "d"]
        assert options == {"weights": ["w.pt"], "mirror": True}
        assert [name for name in rows if name in ("t1", "flair")] == kept
        assert all(Path(file).is_file() for name in kept for file in rows[name])
        assert rows["sex"].tolist() == ["F"] * 3


def test_a_fold_alone(study, evaluated, tmp_path):
    bundle, table = study
    evaluate_subsets(bundle(optional_sequences=["flair"]), cohort=table, out=tmp_path / "out", fold=1)
    assert [rows["participant_id"].tolist() for rows, _ in evaluated] == [["d"], ["d"]]
    with pytest.raises(InputError, match=r"no subject is in fold 3, only in 0, 1"):
        evaluate_subsets(bundle(), cohort=table, out=tmp_path / "other", fold=3)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({"optional_sequences": []}, "t1, flair"),
        ({"sequences": ["flair"], "optional_sequences": ["flair"]}, "flair"),
    ],
)
def test_where_there_are_no_subsets(study, settings, needed, tmp_path):
    bundle, table = study
    with pytest.raises(InputError, match=rf"run: needs {needed}, so there are no subsets \(optional_sequences is emp"):
        evaluate_subsets(bundle(**settings), cohort=table, out=tmp_path / "out")


def test_nobody_who_has_all(study, tmp_path):
    bundle, table = study
    table.write_text("id\tt1\tflair\na\ta_t1.nii\tn/a\nb\tn/a\tb_flair.nii\n")
    message = r"cohort\.tsv: nobody has all of t1, flair, so subsets cannot be compared$"
    with pytest.raises(InputError, match=message):
        evaluate_subsets(bundle(), cohort=table, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_image_that_is_wrong_in_several_subsets_is_named_once(study):
    _, table = study
    (table.parent / "a_t1.nii").write_bytes(b"")
    (table.parent / "b_flair.nii").unlink()
    config = {"sequences": ["t1", "flair"], "optional_sequences": ["t1", "flair"]}
    with pytest.raises(ProblemsError) as raised:
        check_subsets(complete_subjects(table, config), config)
    assert [(p.subject, Path(p.where).name) for p in raised.value.problems] == [
        ("a", "a_t1.nii"),
        ("b", "b_flair.nii"),
    ]
    complete = complete_subjects(table, config)
    check_subsets(replace(complete, table=complete.table[2:]), config)


def test_samples_of_one_run_and_large_voxels_are_as_right_as_in_one_evaluation(study, evaluated, tmp_path):
    """Samples of a run were called one image of two subjects, and expected large voxels a mistake."""
    bundle, table = study
    for j, run in enumerate(("bold_a", "bold_b")):
        save(table.parent / f"{run}.nii", j, (*SHAPE, 10), spacing=25)
    rows = ["a\tbold_a.nii\tbold_b.nii\t0\t5", "b\tbold_a.nii\tbold_b.nii\t5\t5"]
    table.write_text("\n".join(["id\tbold_a\tbold_b\tfirst_volume\tvolumes", *rows]) + "\n")
    names = {"sequences": ["bold_a", "bold_b"], "optional_sequences": ["bold_b"]}
    settings = {"clip": 5, "largest_voxel_mm": 30.0}
    evaluate_subsets(bundle(**names, **settings), cohort=table, out=tmp_path / "out")
    assert len(evaluated) == 2
    with pytest.raises(ProblemsError) as raised:
        evaluate_subsets(bundle(**names), cohort=table, out=tmp_path / "other")
    assert {problem.what for problem in raised.value.problems} == {
        *(f"{name} has voxels of 25 × 2 × 2 mm" for name in ("bold_a", "bold_b")),
        *(f"{name} is the same image as {name} of a" for name in ("bold_a", "bold_b")),
    }
