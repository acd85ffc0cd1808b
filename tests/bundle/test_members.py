"""What makes one prediction of several trainings, and which trainings may answer together."""

import copy
from pathlib import Path

import pytest

from mtseg.bundle import find
from mtseg.bundle.members import add_uncertainty, prediction_config, strangers

MAPS = ["entropy", "disagreement"]
CONFIG = {
    "inferer": {"_target_": "Inferer", "tile": None},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "Flatten", "keys": "pred"},
            {"_target_": "Typed", "keys": ["seg", "cam"], "allow_missing_keys": True},
            {"_target_": "Invertd", "keys": "seg", "transform": {"_target_": "X", "keys": ["image", "seg"]}},
            "@more",
        ],
    },
    "other": {"keys": "seg"},
}
FOLDER = find("stroke_dwi_adc")
SAME = ("sequences", "structures", "heads", "tile_size", "clip", "spacing")


def found(**changes) -> list[str]:
    return [*strangers(FOLDER, {Path("run/x.yaml"): prediction_config(FOLDER) | changes}, same=SAME)]


def test_maps_go_wherever_the_mask_goes():
    before = copy.deepcopy(CONFIG)
    changed = add_uncertainty(CONFIG)
    flat, typed, invert, more = changed["postprocessing"]["transforms"]
    assert (flat, more) == ({"_target_": "Flatten", "keys": "pred"}, "@more")
    assert typed == {"_target_": "Typed", "keys": ["seg", "cam", *MAPS], "allow_missing_keys": True}
    assert invert == CONFIG["postprocessing"]["transforms"][2] | {"keys": ["seg", *MAPS], "allow_missing_keys": True}
    assert changed["inferer"] == {"_target_": "mtseg.inference.EnsembleInferer", "infer": CONFIG["inferer"]}
    assert changed["other"] == {"keys": "seg"}
    assert before == CONFIG


def test_a_training_with_the_same_settings_is_no_stranger():
    """However a setting is switched off, and whatever the order of its heads: they have names."""
    assert found() == []
    assert found(clip=None, tile_size=[]) == []
    ours = prediction_config(FOLDER)
    del ours["tile_size"]
    assert [*strangers(FOLDER, {Path("old.yaml"): ours}, same=SAME)] == []
    heads = {"b": {"classes": ["x", "y"]}, "outcome": {"classes": ["poor", "good"]}}
    assert len(found(heads=heads)) == 1
    assert [*strangers(FOLDER, {}, same=SAME)] == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tile_size": [8, 8, 8]}, "tile_size"),
        ({"spacing": [1.0, 1.0, 1.0], "clip": 4}, "clip, spacing"),
        ({"structures": {"lesion": 2}}, "structures"),
        ({"structures": {}}, "structures"),
        ({"heads": {"outcome": {"classes": ["good", "poor"]}}}, "heads"),
    ],
)
def test_strangers_are_told_with_what_differs_and_what_to_do(changes, named):
    assert found(**changes) == [
        f"run/x.yaml: {named}: not as in {FOLDER}. Only trainings with the same settings answer together; if they are"
        " older than the bundle, name one of them in its place"
    ]


def test_each_stranger_has_a_line_and_friends_have_none():
    ours = prediction_config(FOLDER)
    others = {Path("a"): ours | {"spacing": [2, 2, 2]}, Path("b"): ours, Path("c"): ours | {"sequences": ["adc"]}}
    lines = [*strangers(FOLDER, others, same=SAME)]
    assert [line.split(": not")[0] for line in lines] == ["a: spacing", "c: sequences"]
    assert len([*strangers(FOLDER, others, same=["sequences"])]) == 1
