"""Which regions are hit, counted by hand, and whether classes that look elsewhere are told apart."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.cam.atlas import make_atlas
from mtseg.errors import InputError
from mtseg.statistics import compare_groups
from mtseg.study.motor_learning.maps import person_regions
from mtseg.study.motor_learning.regions import listed, of_persons, of_runs
from mtseg.study.motor_learning.volumes import Stack

CLASSES = ("good", "bad")
EDGE, SLICES = 20, 6
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
STACK = Stack((EDGE, EDGE), AFFINE, range(SLICES))


@pytest.fixture
def atlas():
    """Sixteen square regions, through all slices."""
    rows, columns = np.indices((EDGE, EDGE)) // (EDGE // 4)
    labels = np.repeat((1 + 4 * rows + columns)[..., None], SLICES, axis=2)
    image = nib.Nifti1Image(labels.astype(np.int16), AFFINE)
    return make_atlas(image, {k: f"r{k}" for k in range(1, 17)})


def image(voxels, affine=AFFINE):
    return nib.Nifti1Image(voxels.astype(np.float32), affine)


def square(region):
    row, column = divmod(region - 1, 4)
    side = EDGE // 4
    return slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)


def test_hits_by_hand(atlas):
    maps = np.zeros((EDGE, EDGE, SLICES))
    for z in (0, 1):
        maps[*square(6), z] = 1  # 25 of 400 pixels: more than the highest 5 %, all tied
    maps[*square(11), 2] = 0.5
    maps[square(11)[0].start, square(11)[1].start - 1, 2] = 1  # one pixel of region 10, the highest of the slice
    brain = np.ones(maps.shape)
    brain[..., 5] = 0
    table = person_regions(image(maps), image(brain), stack=STACK, atlas=atlas).set_index("region")
    assert table["slices"].eq(5).all()
    assert table.loc[table["slices_hit"] > 0, "slices_hit"].to_dict() == {"r6": 2, "r10": 1, "r11": 1}
    assert table.loc["r6", "slice_hit_fraction"] == 2 / 5
    assert table.loc["r6", "hit_fraction"] == 50 / 125
    assert table.loc["r10", "hit_fraction"] == 1 / 125


def test_attention_outside_the_brain_hits_nothing(atlas):
    maps, brain = np.zeros((EDGE, EDGE, SLICES)), np.ones((EDGE, EDGE, SLICES))
    maps[*square(1), :] = 1
    maps[*square(16), :] = 0.5
    brain[*square(1), :] = 0
    table = person_regions(image(maps), image(brain), stack=STACK, atlas=atlas).set_index("region")
    assert table["slices_hit"].to_dict() == {f"r{k}": SLICES * (k == 16) for k in range(1, 17)}


def test_only_slices_below_the_height_of_the_analysis_count(atlas):
    affine = AFFINE.copy()
    affine[2, 3] = 61.5 - 2 * 3
    high = make_atlas(nib.Nifti1Image(atlas.labels.astype(np.int16), affine), {k: f"r{k}" for k in range(1, 17)})
    maps = np.zeros((EDGE, EDGE, SLICES))
    maps[*square(3), :] = 1
    stack = Stack((EDGE, EDGE), affine, range(SLICES))
    table = person_regions(image(maps, affine), image(np.ones(maps.shape), affine), stack=stack, atlas=high)
    assert table.set_index("region").loc["r3", ["slices", "slices_hit"]].tolist() == [3, 3]


def regions_of(atlas, look, *, persons=16, repeats=2, seed=0):
    """Noise with more attention where `look` (person, generator) says."""
    rng, tables = np.random.default_rng(seed), []
    for repeat in range(repeats):
        for person in range(persons):
            maps = rng.random((EDGE, EDGE, SLICES))
            if (region := look(person)) is not None:
                maps[*square(region), :] += 0.4
            found = person_regions(image(maps), image(np.ones(maps.shape)), stack=STACK, atlas=atlas)
            tables.append(found.assign(participant_id=f"p{person}", repeat=repeat))
    return pd.concat(tables, ignore_index=True)


def class_of(persons):
    return {f"p{i}": CLASSES[i % 2] for i in range(persons)}


def test_a_class_that_looks_at_one_region_gets_it_and_nothing_else(atlas):
    def look(person):
        return 7 if person % 2 == 0 else 12

    regions = regions_of(atlas, look)
    compared = of_persons(regions, class_of(16), classes=CLASSES)
    assert {*compared["measure"]} == {"slice_hit_fraction", "hit_fraction"}
    assert compared[["n_good", "n_bad"]].eq(8).all().all()
    for _, part in compared.groupby("measure"):
        assert {*part.loc[part["q"] < 0.05, "region"]} == {"r7", "r12"}
        shown = listed(part, classes=CLASSES)
        assert shown.groupby("more_in")["region"].first().to_dict() == {"good": "r7", "bad": "r12"}


def test_noise_with_random_labels_gives_no_region(atlas):
    regions, rng = regions_of(atlas, lambda _: None, persons=24, repeats=1), np.random.default_rng(1)
    found = 0
    for _ in range(20):
        labels = rng.permutation([*CLASSES] * 12)
        of = {f"p{i}": label for i, label in enumerate(labels)}
        found += bool(of_persons(regions, of, classes=CLASSES)["q"].lt(0.05).any())
    assert found <= 3  # two families, each false in one of twenty


def test_trainings_are_means_over_the_persons_of_a_class():
    rows = [
        {"participant_id": f"p{i}", "repeat": repeat, "region": "r", "slice_hit_fraction": i + 10 * repeat}
        for i in range(4)
        for repeat in range(2)
    ]
    compared = of_runs(pd.DataFrame(rows), class_of(4), classes=CLASSES)
    # good: persons 0 and 2, means 1 and 11; bad: persons 1 and 3, means 2 and 12
    assert compared[["n_good", "n_bad"]].to_numpy().tolist() == [[2, 2]]
    assert compared[["mean_good", "mean_bad", "difference"]].to_numpy().round(9).tolist() == [[6, 7, -1]]


def test_persons_times_repeats_are_refused():
    values = pd.DataFrame({"r": [0.1, 0.2, 0.3, 0.4]}, index=["p0", "p0", "p1", "p1"])
    with pytest.raises(InputError, match="rows of one subject are not independent"):
        compare_groups(values, ["good", "good", "bad", "bad"], classes=CLASSES)


def test_regions_listed_by_p_in_both_directions():
    table = pd.DataFrame(
        {
            "region": [f"r{k}" for k in range(9)],
            "difference": [1, 1, 1, 1, 1, -1, -1, 1, 0],
            "t": [2, 3, 4, 0.5, 1, -0.1, -0.2, np.inf, np.nan],
            "p": [0.04, 0.03, 0.01, 0.6, 0.045, 0.9, 0.8, np.nan, np.nan],
        }
    )
    shown = listed(table, classes=CLASSES)
    assert shown[["more_in", "region"]].to_numpy().tolist() == [
        ["good", "r7"], ["good", "r2"], ["good", "r1"], ["good", "r0"], ["good", "r4"], ["bad", "r6"], ["bad", "r5"],
    ]  # fmt: skip
