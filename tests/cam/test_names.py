"""Targets by the names of heads, classes and structures."""

import pytest

from mtseg.cam import HeadTarget, MaskTarget, Scale, target_named
from mtseg.errors import InputError
from mtseg.tasks import Head, Kind, Structures

HEADS = (Head("cls", Kind.CLASSES, ("poor", "good")), Head("age", Kind.NUMBER, mean=50, sd=10))
STRUCTURES = Structures({"core": 1, "rim": 2})


def test_names_become_targets():
    def named(**options):
        return target_named(structures=STRUCTURES, heads=HEADS, **options)

    assert named() == HeadTarget("cls", None)
    assert named(answer="good", against="poor") == HeadTarget("cls", 1, 0)
    assert named(probability=True).scale is Scale.SOFTMAX
    assert named(head="age") == HeadTarget("age", 0)
    assert named(head="seg", answer="rim", where="all") == MaskTarget(2, where="all")
    assert named(head="seg", answer="core", swapped=(0, 2, 1)) == MaskTarget(1, twin=2)
    labels = [Head("findings", Kind.LABELS, ("bleed", "oedema"))]
    assert target_named(structures=STRUCTURES, heads=labels, probability=True).scale is Scale.SIGMOID
    assert target_named(structures=Structures({"core": 1}), heads=[]) == MaskTarget(1)


def test_classes_that_are_numbers_may_be_given_as_numbers():
    """0 was taken for no class: the predicted one was explained, and nothing subtracted."""
    heads = [Head("outcome", Kind.CLASSES, ("0", "1")), HEADS[1]]
    for answer, against in ((0, 1), (1, 0), ("0", "1")):
        target = target_named(structures=STRUCTURES, heads=heads, answer=answer, against=against)
        assert target == HeadTarget("outcome", int(answer), int(against))
    with pytest.raises(InputError, match=r"--class: are not for age, a number"):
        target_named(structures=STRUCTURES, heads=heads, head="age", answer=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "grade"}, "--head grade: there is no such. Choose one of cls, age, seg"),
        ({"answer": "bad"}, "--class bad: there is no such. Choose one of poor, good"),
        ({"head": "seg"}, "--class: say which structure of core, rim"),
        ({"head": "seg", "answer": "rim", "where": "here"}, "--where here: there is no such"),
        ({"head": "age", "answer": "good"}, "--class: are not for age, a number"),
        ({"head": "seg", "answer": "rim", "probability": True}, "--probability: are for heads"),
        ({"where": "all"}, "--where: is for --head seg"),
        ({"answer": "good", "against": "bad"}, "--against bad: there is no such"),
        ({"against": "good"}, "--against: say with --class"),
        ({"answer": "good", "against": "good"}, "--against: say with --class"),
        ({"answer": ""}, "--class : there is no such. Choose one of poor, good"),
    ],
)
def test_names_that_there_are_not(options, message):
    with pytest.raises(InputError) as error:
        target_named(structures=STRUCTURES, heads=HEADS, **options)
    assert message in str(error.value)
