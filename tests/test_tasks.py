from itertools import chain

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtseg.errors import InputError, ProblemsError
from mtseg.tasks import Head, Kind, Structures, heads_from, refuse_sides

GRADE = Head("grade", Kind.CLASSES, ("1", "2"))
FINDINGS = Head("findings", Kind.LABELS, ("bleed", "oedema", "shift"))
AGE = Head("age", Kind.NUMBER, mean=40, sd=20)


@pytest.mark.parametrize(
    ("head", "cell", "vector"),
    [
        *((GRADE, cell, [1]) for cell in ("2", 2, 2.0, np.int64(2), np.float32(2))),
        (Head("sex", Kind.CLASSES, ("F", "M")), "F", [0]),
        (Head("died", Kind.CLASSES, ("0", "1")), np.True_, [1]),
        (Head("scanner", Kind.CLASSES, ("1.10", "1.20")), 1.2, [1]),
        (Head("died", Kind.CLASSES, ("0.0", "1.0")), np.int64(1), [1]),
        (FINDINGS, "bleed; shift", [1, 0, 1]),
        (FINDINGS, "oedema;", [0, 1, 0]),
        (FINDINGS, ";", [0, 0, 0]),
        (AGE, "60", [1]),
        (AGE, np.float64(30), [-0.5]),
    ],
)
def test_cells_become_targets(head, cell, vector):
    encoded = head.encode(cell)
    assert encoded.dtype == np.float32
    assert encoded.tolist() == vector


@pytest.mark.parametrize("cell", [None, float("nan"), pd.NA, pd.NaT])
@pytest.mark.parametrize(("head", "width"), [(GRADE, 1), (FINDINGS, 3), (AGE, 1)])
def test_missing_cells_are_nan(head, width, cell):
    assert np.isnan(head.encode(cell)).tolist() == [True] * width


@pytest.mark.parametrize(
    ("head", "cell", "message"),
    [
        (GRADE, 3, "grade: '3' is none of 1, 2"),
        (GRADE, 1.5, "grade: '1.5' is none of 1, 2"),
        (Head("grade", Kind.CLASSES, ("1.0", "1.00")), 1, "grade: '1' is none of 1.0, 1.00"),
        (GRADE, "", "grade: '' is none of 1, 2"),
        (GRADE, float("inf"), "grade: 'inf' is none of 1, 2"),
        (FINDINGS, "bleed;tumour", "findings: 'tumour' is none of bleed, oedema, shift"),
        (AGE, "old", "age: 'old' is not a number"),
        (AGE, "inf", "age: 'inf' is not a number"),
    ],
)
def test_other_cells_are_refused(head, cell, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        head.encode(cell)


def test_heads_from_a_configuration():
    heads = heads_from({"sex": {"classes": ["F", "M", "X"]}, "signs": {"labels": [1, 2]}, "age": {"mean": 5, "sd": 2}})
    assert heads == (
        Head("sex", Kind.CLASSES, ("F", "M", "X")),
        Head("signs", Kind.LABELS, ("1", "2")),
        Head("age", Kind.NUMBER, mean=5.0, sd=2.0),
    )
    assert [head.outputs for head in heads] == [3, 2, 1]


@pytest.mark.parametrize(
    "definition",
    [
        {"classes": ["a"]},
        {"classes": []},
        {"classes": ["a", "a"]},
        {"classes": "good"},
        {"labels": []},
        {"mean": 1, "sd": 0},
        {"mean": 1},
        {"mean": "x", "sd": 1},
        {"mean": None, "sd": 1},
        {"mean": True, "sd": 1},
        {"mean": 1, "sd": float("inf")},
        {"mean": 1, "sd": [1]},
        {"classes": None},
        {"classes": [False, True]},
        {"classes": ["NA", "patient"]},  # read as missing: nobody would have been one
        {"classes": ["a", "b"], "weight": 3},
        ["a", "b"],
        None,
    ],
)
def test_heads_that_cannot_be(definition):
    with pytest.raises(InputError, match=r"^heads: o: "):
        heads_from({"o": definition})


def test_all_heads_that_cannot_be_are_told():
    with pytest.raises(ProblemsError) as raised:
        heads_from({"age": {"mean": "x", "sd": -1}, 1: {"classes": ["a", "b"]}, " ": {"labels": ["a"]}, "sex": {}})
    wheres = [problem.where for problem in raised.value.problems]
    assert wheres == ["heads: age", "heads: age", "heads: 1", "heads:  ", "heads: sex"]
    for wrong in (["age"], None, "age"):
        with pytest.raises(ProblemsError, match=r"heads: is .*Write NAME: "):
            heads_from(wrong)


def test_structures():
    structures = Structures({"left_insula": 1035, "right_insula": 2035, "lesion": [4, 7]})
    assert structures.count == 4
    assert structures.names == ("left_insula", "right_insula", "lesion")
    assert structures.file_values("lesion") == (4, 7)
    assert structures.file_values("right_insula") == (2035,)
    assert structures.swapped() == (0, 2, 1, 3)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"background": 0, "lesion": 1},
            ["structures: background: 0 cannot stand for a structure. Give whole numbers"],
        ),
        ({"lesion": [-1, True, 1.5, "1"]}, ["structures: lesion: -1, True, 1.5, '1' cannot stand for a structure"]),
        ({"lesion": "12"}, ["structures: lesion: '1', '2' cannot stand for a structure"]),
        ({"lesion": [None, [1]]}, ["structures: lesion: None, [1] cannot stand for a structure"]),
        ({1: 1}, ["structures: 1: the name is no text. Put quotes round it"]),
        ({"core": 0, "rim": []}, ["structures: core: 0 cannot", "structures: rim: has no value. List those"]),
        (
            {"whole": [1, 2, 4], "core": [1, 4], "enhancing": 4},
            [
                "structures: value 1 is given to whole and core, but a voxel belongs to one structure. List the parts",
                "structures: value 4 is given to whole and core and enhancing, but a voxel belongs to one structure",
            ],
        ),
    ],
)
def test_values_that_cannot_be(values, said):
    with pytest.raises(ProblemsError) as raised:
        Structures(values)
    lines = str(raised.value).splitlines()
    assert [line.startswith(start) for line, start in zip(lines, said, strict=True)] == [True] * len(said), lines


@pytest.mark.parametrize("values", [["lesion"], None, 1])
def test_structures_that_are_no_pairs(values):
    with pytest.raises(InputError, match=r"structures: is .*Write NAME: VALUE pairs"):
        Structures(values)


@pytest.mark.parametrize(
    "names",
    [
        ("x_left", "x_right"),
        ("lh.x", "rh.x"),
        ("Hippocampus-L", "Hippocampus-R"),
        ("Left x", "Right x"),
        ("HippL", "HippR"),
        ("LHippocampus", "RHippocampus"),
        ("lefthippocampus", "righthippocampus"),
        ("hipp_lt", "hipp_rt"),
        ("CA1L", "CA1R"),
        ("Hippocampus links", "Hippocampus rechts"),
    ],
)
def test_the_two_sides_are_found_in_every_spelling(names):
    assert Structures({names[0]: 1, "cleft": 2, names[1]: 3}).swapped() == (0, 3, 2, 1)


def test_one_side_alone_is_refused():
    with pytest.raises(InputError, match="tail_left: the other side is no structure"):
        Structures({"tail_left": 9, "lesion": 1}).swapped()


@pytest.mark.parametrize(
    "names",
    [
        ("lhipp", "rhipp"),
        ("LHIPP", "RHIPP"),
        ("hippleft", "hippright"),
        ("hippl", "hippr"),
        ("L1", "R1"),
        ("lesion", "resion"),
        ("HippL", "hipp_l", "hipp_r"),
    ],
)
def test_names_that_may_be_sides_are_refused(names):
    """They were mirrored without being exchanged, so that half of a training taught the wrong side."""
    with pytest.raises(InputError, match=rf"{names[0]} and {names[1]}: may be left and right.*or set mirror: false"):
        Structures({name: k for k, name in enumerate(names, start=1)}).swapped()


STEMS = st.text("aHi0_- ", min_size=1, max_size=6)
SPELLINGS = ["{}_left {}_right", "lh.{} rh.{}", "{}-L {}-R", "left{} right{}", "{}_sin {}_dex", "LT-{} RT-{}"]


@given(stems=st.lists(STEMS, min_size=1, max_size=4, unique_by=str.lower), spelling=st.sampled_from(SPELLINGS))
def test_sides_are_exchanged_in_pairs_and_nothing_else_is(stems, spelling):
    pairs = [spelling.replace(" ", "|").format(stem, stem).split("|") for stem in stems]
    names = [*chain(*pairs), "cleft", "lesion"]
    structures = Structures({name: k for k, name in enumerate(names, start=1)})
    swapped = structures.swapped()
    assert [swapped[k] for k in swapped] == list(range(structures.count))
    assert [structures.names[k - 1] for k in swapped[1::2]] == [right for _, right in pairs] + ["cleft"]
    assert swapped[-1] == structures.count - 1


@pytest.mark.parametrize(
    ("definitions", "said"),
    [
        ({"side": {"classes": ["left", "right"]}}, ["heads: side: asks for a side (left, right), which mirrored"]),
        ({"findings": {"labels": ["bleed_left", "oedema"]}}, ["heads: findings: asks for a side (bleed_left)"]),
        ({"onset": {"classes": ["R", "L", "n"]}}, ["heads: onset: asks for a side (R, L)"]),
        ({"volume_left": {"mean": 1, "sd": 1}}, ["heads: volume_left: asks for a side, which"]),
        (
            {"lesion_side": {"classes": [0, 1]}, "v_lh": {"mean": 1, "sd": 1}, "v_rh": {"mean": 1, "sd": 1}},
            ["heads: lesion_side: asks", "heads: v_lh: asks", "heads: v_rh: asks"],
        ),
    ],
)
def test_heads_about_a_side(definitions, said):
    with pytest.raises(ProblemsError) as raised:
        refuse_sides(heads_from(definitions))
    lines = str(raised.value).splitlines()
    assert [line.startswith(start) for line, start in zip(lines, said, strict=True)] == [True] * len(said), lines
    assert "Set mirror: false, or rename what is about no side" in lines[0]


def test_heads_about_no_side():
    classes = [["S", "R"], ["poor", "good"], ["cleft", "bright"], ["side effects", "none"]]
    refuse_sides([Head(f"h{k}", Kind.CLASSES, tuple(names)) for k, names in enumerate(classes)])
