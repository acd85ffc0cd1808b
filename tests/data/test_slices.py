import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from typer.testing import CliRunner

from mtseg.cli.cohort import app
from mtseg.data import Cohort, check_cohort, prediction_records, read_cohort, training_records
from mtseg.data.slices import choose_slices
from mtseg.errors import InputError, ProblemsError
from mtseg.planes import Plane

SIZE = (8, 9, 10)
AFFINE = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, -0.2, 0.3) @ np.diag([1.0, 1.5, 4.0]), [5, -6, 7])
CODES = st.permutations(["LR", "PA", "IS"]).flatmap(lambda axes: st.tuples(*map(st.sampled_from, axes))).map("".join)


def save(path, voxels, *, codes: str = "RAS") -> str:
    image = nib.Nifti1Image(voxels, AFFINE)
    nib.save(image.as_reoriented(ornt_transform(io_orientation(AFFINE), axcodes2ornt(codes))), path)
    return path.name


def mask_of(*counts: int, value: int = 1) -> np.ndarray:
    """A mask with these numbers of voxels in its axial slices from the bottom."""
    mask = np.zeros(SIZE, np.uint8)
    for z, count in enumerate(counts):
        mask[..., z] = np.where(np.arange(72) < count, value, 0).reshape(SIZE[:2])
    return mask


def cohort_of(folder, *, plane=None, **subjects) -> Cohort:
    """Write a cohort of subjects with their mask (or None) and further cells; heads are in the slices 4 to 8."""
    rng = np.random.default_rng(0)
    rows = []
    for name, (mask, cells) in subjects.items():
        voxels = rng.uniform(0, 5, SIZE).astype(np.float32)
        voxels[2:6, 2:7, 4:9] += 100
        row = {"participant_id": name, "t1": save(folder / f"{name}.nii", voxels)}
        row["mask"] = "n/a" if mask is None else save(folder / f"{name}_mask.nii", mask)
        rows.append(row | cells)
    pd.DataFrame(rows).to_csv(folder / "cohort.tsv", sep="\t", index=False, na_rep="n/a")
    return read_cohort(folder / "cohort.tsv", plane=plane)


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        # two structures: 1 grows to the top, 2 lies at the bottom; ann has no mask, ben an empty one
        ("largest-area", (), [7, None, None]),
        ("largest-area", (2,), [1, None, None]),  # of slices 0 to 2, alike, the middle one
        ("middle", (1,), [6, 6, 6]),  # of the head in slices 4 to 8 without structures
        ("middle", (3,), [6, 6, 6]),
    ],
)
def test_rules(rule, values, expected, tmp_path):
    both = mask_of(0, 0, 0, 1, 2, 3, 6, 9) + mask_of(5, 5, 5, value=2)
    cohort = cohort_of(tmp_path, eve=(both, {}), ann=(None, {}), ben=(mask_of(), {}))
    chosen = choose_slices(cohort, plane="axial", rule=rule, values=values)
    cells = chosen.table["slice_axial"]
    assert [None if pd.isna(cell) else cell for cell in cells] == expected
    assert "slice_axial" not in cohort.table


@given(
    plane=st.sampled_from(list(Plane)),
    codes=CODES,
    seed=st.integers(0, 99),
    rule=st.sampled_from(["largest-area", "middle"]),
)
@settings(max_examples=20)
def test_a_copy_in_another_voxel_order_gets_the_same_slice(tmp_path_factory, plane, codes, seed, rule):
    """Also where slices tie: the volume is small, and its mask has few voxels."""
    folder = tmp_path_factory.mktemp("orders")
    rng = np.random.default_rng(seed)
    mask = (rng.random(SIZE) < 0.03).astype(np.uint8)
    mask[0, 0, 0] = 1
    scan = rng.random(SIZE, dtype=np.float32)
    world = []
    for name, order in {"ann": "RAS", "ben": codes}.items():
        one = folder / name
        one.mkdir()
        row = {"participant_id": name, "t1": save(one / "t1.nii", scan, codes=order)}
        row["mask"] = save(one / "mask.nii", mask, codes=order)
        pd.DataFrame([row]).to_csv(one / "cohort.tsv", sep="\t", index=False)
        table = choose_slices(read_cohort(one / "cohort.tsv"), plane=plane, rule=rule).table
        stored = nib.load(one / "mask.nii")
        axis, turned = plane.axis(stored.affine)
        index = int(table[plane.column].iloc[0])
        world.append(stored.shape[axis] - 1 - index if turned else index)
    assert world[0] == world[1]


def test_the_first_sequence_there_is_sets_the_grid(tmp_path):
    cohort_of(tmp_path, ann=(None, {}))
    flair = np.zeros((4, 5, 30), np.float32)
    flair[..., 20] = 9
    nib.save(nib.Nifti1Image(flair, AFFINE), tmp_path / "flair.nii")
    table = pd.read_csv(tmp_path / "cohort.tsv", sep="\t").assign(flair="flair.nii")
    table.to_csv(tmp_path / "cohort.tsv", sep="\t", index=False, na_rep="n/a")
    for sequences, expected in {("t1", "flair"): 6, ("flair", "t1"): 20}.items():
        cohort = read_cohort(tmp_path / "cohort.tsv", sequences=sequences)
        assert choose_slices(cohort, plane="axial", rule="middle").table["slice_axial"].tolist() == [expected]


def test_nan_round_a_head_and_no_head_at_all(tmp_path):
    cohort = cohort_of(tmp_path, ann=(None, {}), bob=(None, {}))
    voxels = nib.load(tmp_path / "ann.nii").get_fdata(dtype=np.float32).copy()
    voxels[voxels < 5] = np.nan
    save(tmp_path / "ann.nii", voxels)
    save(tmp_path / "bob.nii", np.full(SIZE, 3, np.float32))
    found = choose_slices(cohort, plane="axial", rule="middle").table["slice_axial"]
    assert found[0] == 6 and found.isna().tolist() == [False, True]


def test_no_head_is_looked_for_in_a_dicom_series(tmp_path):
    (tmp_path / "series").mkdir()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(tmp_path / "series" / "1.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SeriesInstanceUID = generate_uid()
    image.save_as(tmp_path / "series" / "1.dcm")
    pd.DataFrame({"participant_id": ["a"], "t1": ["series"]}).to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    cohort = read_cohort(tmp_path / "c.tsv", sequences=["t1"])
    assert choose_slices(cohort, plane="axial", rule="middle").table["slice_axial"].isna().all()


def test_a_table_with_problems_is_refused(tmp_path):
    cohort = cohort_of(tmp_path, ann=(mask_of(1), {}))
    nib.save(nib.Nifti1Image(mask_of(1), np.eye(4)), tmp_path / "ann_mask.nii")
    with pytest.raises(ProblemsError, match="mask lies on another grid than t1"):
        choose_slices(cohort, plane="axial", rule="largest-area")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plane": "oblique", "rule": "middle"}, "plane 'oblique': there is no such. Choose one of sagittal, coronal"),
        ({"plane": "axial", "rule": "best"}, "rule 'best': there is no such. Choose one of largest-area, middle"),
    ],
)
def test_what_there_is_not(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        choose_slices(cohort_of(tmp_path, ann=(None, {})), **options)


def test_the_command(tmp_path):
    cohort_of(tmp_path, ann=(mask_of(0, 7, 7, 7), {"slice_axial": 9}), ben=(None, {"slice_axial": 9}))
    out = tmp_path / "tables" / "slices.tsv"
    options = ["--plane", "axial", "--rule", "largest-area", "--sequence", "t1", "--value", "1"]
    result = CliRunner().invoke(app, ["slices", str(tmp_path / "cohort.tsv"), "--out", str(out), *options])
    assert result.output.splitlines() == [
        f"{out}: slice_axial of 1 of 2 subjects by largest-area",
        "no slice, fill in the column by hand: ben",
    ]
    written = read_cohort(out)
    assert written.table["slice_axial"].tolist() == [2, pd.NA]
    assert written.table["t1"][0] == str(tmp_path / "ann.nii")
    assert "slice_axial" not in written.targets


@pytest.mark.parametrize(("values", "said"), [((), "note: mask: 1, 255 count as structures."), ((1, 255), "")])
def test_several_values_that_count_are_named(values, said, tmp_path, caplog):
    """A mask drawn with 255 counted like one drawn with 1, of which no training could know."""
    cohort = cohort_of(tmp_path, ann=(mask_of(1, 2), {}), ben=(mask_of(3, 4, value=255), {}))
    choose_slices(cohort, plane="axial", rule="middle", values=values)
    assert caplog.text.count("count as structures") == bool(said)
    assert said in caplog.text


def test_records_carry_the_slice_in_training_and_prediction(tmp_path):
    cohort = cohort_of(tmp_path, plane="axial", ann=(mask_of(1), {"slice_axial": 0, "slice_coronal": 5}))
    (trained,) = training_records(cohort, sequences=["t1"], heads=())
    (predicted,) = prediction_records(cohort, sequences=["t1"])
    assert trained["slice_axial"] == predicted["slice_axial"] == 0
    assert "slice_coronal" not in trained and "mask" not in predicted
    plain = read_cohort(cohort.path)
    assert "slice_axial" not in training_records(plain, sequences=["t1"], heads=())[0]


def test_every_wrong_slice_is_a_problem(tmp_path):
    cells = {"ann": 9, "ben": 10, "cem": "n/a", "dora": -1, "eve": 2.5}
    subjects = {name: (None, {"slice_axial": cell}) for name, cell in cells.items()}
    found = check_cohort(cohort_of(tmp_path, plane="axial", **subjects), images_only=True)
    assert [str(problem).partition(". ")[0] for problem in found if problem.fatal] == [
        "cem: slice_axial: the slice is missing",
        "dora: slice_axial: slice '-1.0' is no whole number from 0",
        "eve: slice_axial: slice '2.5' is no whole number from 0",
        "ben: slice_axial: there is no slice 10, they are numbered from 0 to 9",
    ]
    assert found[0].remedy == "Run `mtseg cohort slices`, or fill in the column by hand"


def test_a_table_without_the_column_and_one_with_words(tmp_path):
    cohort = cohort_of(tmp_path, plane="coronal", ann=(None, {"slice_axial": 3}))
    assert "there is no column 'slice_coronal' (which slice)" in str(check_cohort(cohort)[0])
    cohort = cohort_of(tmp_path, plane="axial", ann=(None, {"slice_axial": "top"}), ben=(None, {"slice_axial": 3}))
    (problem,) = check_cohort(cohort)
    assert "ann: slice_axial: slice 'top' is no whole number" in str(problem)
