"""Values in masks, beside those of the structures."""

import numpy as np

from mtseg.tasks import Structures

FLAIR, MASK = "b/flair.nii.gz", "b/mask.nii.gz"


def test_masks_are_compared_with_the_structures_in_one_note(study):
    study.one_voxel(MASK, 40)
    study.one_voxel("c/mask.nii.gz", 7)
    assert study.lines(deep=True, structures=Structures({"left": 1, "right": 2})) == [
        "note mask: 2 of 3 masks (b, c) hold values that belong to no structure: 7, 40. They count as background; if"
        " one of them is a structure, list it in the configuration",
        "note mask: no mask holds right (value 2). Check the value in the configuration against the masks",
    ]
    assert (
        "mask: no mask holds left (value 3 or 4). Check the value in the configuration against the masks"
        in study.lines(deep=True, structures=Structures({"left": [3, 4]}))
    )


def test_masks_that_hold_other_values_only_are_refused(study):
    """They trained, evaluated and scored as if the subject had no lesion."""
    study.voxels(MASK, lambda data: data * 255)
    study.voxels("c/mask.nii.gz", np.zeros_like)
    assert study.lines(masks=True, structures=Structures({"lesion": 1, "core": [3, 4]})) == [
        "note c: c/mask.nii.gz: mask is empty. Right if the subject has nothing to outline; else the outline was not"
        " saved",
        f"b: {MASK}: mask holds 255, but no structure's value (1, 3, 4). Replace it by the structure's value (by 0 if"
        " it is none), or set `structures` in the configuration",
        "note mask: no mask holds core (value 3 or 4). Check the value in the configuration against the masks",
    ]
    assert study.lines(masks=True, structures=Structures({"lesion": [1, 255]}))[1:] == []


def test_a_mask_may_hold_only_what_others_hold_beside_a_structure(study):
    """Of tumours with a core, 7, and a rim, 1, one may lack the rim."""
    study.one_voxel(MASK, 7)
    study.voxels("c/mask.nii.gz", lambda data: data * 7)
    lines = study.lines(masks=True, structures=Structures({"rim": 1}))
    assert [line.split(". ")[0] for line in lines] == [
        "note mask: 2 of 3 masks (b, c) hold values that belong to no structure: 7"
    ]


def test_a_mask_is_compared_with_the_first_sequence_asked_for(study):
    for name in (FLAIR, MASK):
        study.voxels(name, lambda data: data[:, :, 1:])
    assert [line for line in study.lines(sequences=["flair", "t1"]) if "mask" in line] == []
    assert any("mask lies on another grid than t1" in line for line in study.lines())
    study.table.loc[1, "t1"] = ""  # then the first sequence that the subject has
    assert study.lines() == []
