import numpy as np
import pandas as pd
import pytest

from mtseg.errors import InputError
from mtseg.tasks import Head, Kind, Structures, heads_from

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
    ],
)
def test_heads_that_cannot_be(definition):
    with pytest.raises(InputError, match="heads: o: "):
        heads_from({"o": definition})


def test_structures():
    structures = Structures({"left_insula": 1035, "right_insula": 2035, "lesion": [4, 7]})
    assert structures.count == 4
    assert structures.names == ("left_insula", "right_insula", "lesion")
    assert structures.file_values("lesion") == (4, 7)
    assert structures.file_values("right_insula") == (2035,)
    assert structures.swapped() == (0, 2, 1, 3)


@pytest.mark.parametrize(
    "names",
    [
        ("x_left", "x_right"),
        ("lh.x", "rh.x"),
        ("Hippocampus-L", "Hippocampus-R"),
        ("Left x", "Right x"),
        ("HippL", "HippR"),
    ],
)
def test_the_two_sides_are_found_in_every_spelling(names):
    assert Structures({names[0]: 1, "cleft": 2, names[1]: 3}).swapped() == (0, 3, 2, 1)


def test_one_side_alone_is_refused():
    with pytest.raises(InputError, match="tail_left: the other side is no structure"):
        Structures({"tail_left": 9, "lesion": 1}).swapped()
