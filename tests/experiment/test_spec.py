"""What an experiment's file may hold."""

import pytest
import yaml

from mtseg.errors import InputError
from mtseg.experiment.spec import read_spec


@pytest.fixture
def spec_of(tiny, tmp_path):
    def write(given):
        path = tmp_path / "spec.yaml"
        path.write_text(given if isinstance(given, str) else yaml.safe_dump(given))
        return path

    good = {"bundle": "stroke_dwi_adc", "cohort": str(tiny.table), "variants": {"joint": {}}}
    return lambda given=None, **changes: write(given if given is not None else good | changes)


def test_what_is_not_said_is_the_usual(spec_of):
    spec = read_spec(spec_of())
    assert (spec.folds, spec.seeds, spec.reference, spec.primary) == ((0, 1), (0,), "joint", ())
    assert spec.structures.names == ("lesion",) and [head.name for head in spec.heads] == ["outcome"]


def test_variants_inherit_the_common_settings(spec_of):
    spec = read_spec(spec_of(settings={"epochs": 3, "batch_size": 2}, variants={"a": {"epochs": 4}, "b": None}))
    assert [dict(variant.settings) for variant in spec.variants] == [
        {"epochs": 4, "batch_size": 2},
        {"epochs": 3, "batch_size": 2},
    ]


def test_tasks_are_those_of_all_variants(spec_of):
    spec = read_spec(spec_of(variants={"a": {"heads": {}}, "b": {"structures": {}}}))
    assert spec.structures.names == ("lesion",) and len(spec.heads) == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colour": "red"}, "'colour' means nothing here"),
        ({"variants": {}}, "variants: is {}"),
        ({"variants": {"a/b": {}}}, "variants: a/b: cannot be used"),
        ({"variants": {"a": {"epoch": 3}}}, "variants: a: --set epoch=3"),
        ({"variants": {"a": {"seed": 3}}}, "seed: the experiment sets this itself"),
        ({"variants": {"a": {"choose": {"task": "seg"}}}}, "choose: needs task, metric and options"),
        ({"folds": [0, 7]}, "folds: '7' is no fold"),
        ({"folds": [0, 0]}, "folds: is [0, 0]"),
        ({"seeds": [0.5]}, "seeds: is [0.5]"),
        ({"reference": "other"}, "reference: 'other' is no variant"),
        ({"subsets": ["other"]}, "subsets: 'other' is no variant"),
        ({"simple_scores": ["weight"]}, "simple_scores: 'weight' is no column"),
    ],
)
def test_what_is_wrong_is_said(spec_of, changes, complaint):
    with pytest.raises(InputError) as error:
        read_spec(spec_of(**changes))
    assert complaint in str(error.value)


def test_all_that_is_wrong_is_said_at_once(spec_of):
    with pytest.raises(InputError) as error:
        read_spec(spec_of(folds=[7], reference="other", variants={"a": {"epoch": 3}}))
    assert str(error.value).count("\n") == 2


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", ""])
def test_no_experiment_at_all(spec_of, text):
    with pytest.raises(InputError, match=r"spec\.yaml"):
        read_spec(spec_of(text))


def test_a_table_without_folds_is_refused(spec_of, tiny, tmp_path):
    table = tiny.with_cells("one_fold.tsv", {(f"p{i}", "fold"): 0 for i in range(8)})
    with pytest.raises(InputError, match="fewer than two folds"):
        read_spec(spec_of(cohort=str(table)))
