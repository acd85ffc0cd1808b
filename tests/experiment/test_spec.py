"""What an experiment's file may hold."""

import shutil

import nibabel as nib
import pytest
import yaml

from mtseg.bundle import find
from mtseg.bundle.config import load_config
from mtseg.bundle.locate import root
from mtseg.errors import InputError, ProblemsError
from mtseg.experiment.spec import read_spec
from mtseg.files import read_table


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


def test_a_bundle_is_found_from_other_folders_too(spec_of, tmp_path, monkeypatch):
    shutil.copytree(find("stroke_dwi_adc"), tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert read_spec(spec_of(bundle="mine")).bundle == str(tmp_path / "mine")
    assert read_spec(spec_of()).bundle == "stroke_dwi_adc"


def test_variants_inherit_the_common_settings(spec_of):
    spec = read_spec(spec_of(settings={"epochs": 3, "batch_size": 2}, variants={"a": {"epochs": 4}, "b": None}))
    assert [dict(variant.settings) for variant in spec.variants] == [
        {"epochs": 4, "batch_size": 2},
        {"epochs": 3, "batch_size": 2},
    ]


def test_weights_go_with_the_heads_that_they_are_of(spec_of):
    """Of common settings with other heads than the bundle's, the segmentation alone could not be trained."""
    common = {"heads": {"stage": {"classes": ["1", "2"]}}, "loss_weights": {"seg": 2, "stage": 0.00005}}
    variants = {"joint": {}, "alone": {"heads": {}}, "own": {"heads": {}, "loss_weights": {"seg": 1}}}
    spec = read_spec(spec_of(settings=common, variants=variants))
    found = {variant.name: variant for variant in spec.variants}
    kept = [found[name].settings["loss_weights"] for name in variants]
    assert kept == [{"seg": 2, "stage": 0.00005}, {"seg": 2}, {"seg": 1}]
    (config,) = found["joint"].configurations(load_config(find("stroke_dwi_adc") / "configs/train.yaml", root=root()))
    assert config["loss_weights"] == {"seg": 2, "stage": 0.00005}  # a number, also so small a one


def test_subsets_of_a_fold_in_which_nobody_has_all_sequences(spec_of, tiny):
    """Its runs were trained, evaluated and called failed."""
    holes = {(subject, "adc"): None for subject in ("p0", "p1", "p4", "p5")}
    table = str(tiny.with_cells("no_adc.tsv", holes))
    asked = {"cohort": table, "subsets": ["joint"], "settings": {"optional_sequences": ["adc"]}}
    with pytest.raises(InputError, match="subsets: 'joint' would compare subsets on nobody in fold 0"):
        read_spec(spec_of(**asked))
    assert read_spec(spec_of(**asked, folds=[1])).subsets == ("joint",)


def test_subsets_on_another_grid_are_refused_before_anything_trains(spec_of, tiny, tmp_path):
    """Without the DWI the mask should lie on the ADC's grid: it was told after the first training."""
    adc = nib.load(tiny.table.parent / read_table(tiny.table).set_index("participant_id").loc["p0", "adc"])
    nib.save(adc.slicer[:, :, :-1], tmp_path / "short.nii.gz")
    table = str(tiny.with_cells("short_adc.tsv", {("p0", "adc"): str(tmp_path / "short.nii.gz")}))
    asked = {"cohort": table, "subsets": ["joint"], "settings": {"optional_sequences": ["dwi", "adc"]}}
    with pytest.raises(ProblemsError, match=r"p0: .*mask.*grid"):
        read_spec(spec_of(**asked))
    fold = int(read_table(tiny.table).set_index("participant_id").loc["p0", "fold"])
    assert read_spec(spec_of(**asked, folds=[1 - fold])).subsets == ("joint",)  # p0 is not scored


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
        ({"average_by": "person"}, "average_by: 'person' is no column of the table"),
        ({"average_by": "outcome"}, "average_by: outcome: 2 with several values of fold, such as "),
        ({"average_by": "fold"}, "average_by: fold: 2 with several values of outcome, such as 0"),
        ({"simple_scores": ["weight"]}, "simple_scores: 'weight' is no column"),
        ({"simple_scores": ["outcome"]}, "simple_scores: 'outcome' is no column of numbers"),
        ({"simple_scores": ["age", "age"]}, "simple_scores: is ['age', 'age']. Give different names"),
        (
            {"lower_is_positive": ["volume"]},
            "lower_is_positive: 'volume' is no simple score. There are volume_mm3_lesion",
        ),
        ({"primary": ["dice"]}, "primary: 'dice' is no metric that variants are compared by. There are dice_mean"),
        ({"primary": ["auc"], "variants": {"a": {"heads": {}}}}, "primary: 'auc' is no metric"),
        ({"subsets": ["joint"]}, "subsets: 'joint' needs all of its sequences"),
        ({"seeds": [-1]}, "seeds: is [-1]. Give numbers from 0"),
        ({"seeds": "0"}, "seeds: is '0'. Give a list"),
        ({"settings": [1]}, "settings: is [1]. Give NAME: VALUE pairs"),
        ({"variants": {"..": {}}}, "variants: ..: cannot be used"),
        ({"variants": {1: {}, "1": {}}}, "variants: two have the same name"),
        ({"variants": {"a": {"heads": []}}}, "heads is NAME: VALUE pairs"),
        ({"variants": {"a": {"heads": {"outcome": None}}}}, "heads: outcome: give `classes: [...]`"),
        ({"variants": {"a": {"heads": {"outcome": {"mean": 3}}}}}, "heads: outcome: give `classes: [...]`"),
        ({"variants": {"a": {"sequences": "dwi"}}}, "sequences is a list"),
        ({"variants": {"a": {"sequences": ["t9"]}}}, "sequences: there is no column t9"),
        ({"variants": {"a": {"heads": {}, "structures": {}}}}, "neither structures nor heads"),
        ({"variants": {"a": {"epochs": "many"}}}, "epochs: is 'many'. Give a whole number"),
        # These were told by each run when its turn came.
        ({"variants": {"a": {"loss_weights": {"outcom": 1}}}}, "loss_weights: outcom is neither seg nor a head"),
        ({"variants": {"a": {"loss_weights": {"outcome": None}}}}, "loss_weights: outcome is None. Give a number"),
        ({"variants": {"a": {"patch_size": [50, 50, 20]}}}, "the next valid size is (56, 56, 24)"),
        ({"variants": {"a": {"mirror": True, "heads": {"side": {"classes": ["l", "r"]}}}}}, "side: asks for a side"),
        ({"variants": {"a": {"mirror": True, "structures": {"x_left": 1}}}}, "x_left: the other side is no structure"),
        ({"variants": {"a": {"network_def": {"_target_": "mtseg.networks.JointNet"}}}}, "cannot be built ("),
        ({"variants": {"a": {"mirror": "none"}}}, "mirror is true or false"),
        ({"variants": {"a": {}, "b": {"structures": {"lesion": 2}}}}, "lesion means different things"),
        (
            {"variants": {"a": {}, "b": {"heads": {"outcome": {"classes": ["good", "poor"]}}}}},
            "outcome means different",
        ),
    ],
)
def test_what_is_wrong_is_said(spec_of, changes, complaint):
    with pytest.raises(InputError) as error:
        read_spec(spec_of(**changes))
    assert complaint in str(error.value)


@pytest.mark.parametrize("name", ["volume_mm3_lesion", "outcome_predicted", "seed"])
def test_a_simple_score_called_like_a_column_of_cases_is_refused(spec_of, tiny, name):
    table = tiny.with_cells("like_cases.tsv", {(f"p{i}", name): i for i in range(8)})
    with pytest.raises(InputError, match=f"simple_scores: '{name}' is also what a column of cases.tsv is called"):
        read_spec(spec_of(cohort=str(table), simple_scores=[name]))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"options": ["low", "high"]}, "choose: needs task, metric and options"),
        ({"options": None}, "choose: needs task, metric and options"),
        ({"options": {"low": {}, "high": 1}}, "choose: needs task, metric and options"),
        ({"options": {"a/b": {}, "c": {}}}, "choose: needs task, metric and options"),
        ({"options": {"mask": {}, "none": {"structures": {}}}}, "choose: there is no dice_mean of seg"),
        ({"task": "death"}, "choose: there is no dice_mean of death"),
        ({"metric": "dice"}, "choose: there is no dice of seg. There are dice_mean of seg"),
        (
            {"options": {"one": {}, "two": {"structures": {"lesion": 1, "core": 2}}}},
            "variants: tuned: choose: the options have different structures",
        ),
        ({}, "choose: the table has two folds only"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(spec_of, change, complaint):
    options = {"low": {"learning_rate": 0.001}, "high": {"learning_rate": 0.01}}
    choice = {"task": "seg", "metric": "dice_mean", "options": options} | change
    with pytest.raises(InputError) as error:
        read_spec(spec_of(variants={"tuned": {"choose": choice}}))
    assert complaint in str(error.value)


def test_two_variants_do_not_share_a_folder(spec_of):
    options = {"low": {}, "high": {"learning_rate": 0.01}}
    tuned = {"choose": {"task": "seg", "metric": "dice_mean", "options": options}}
    with pytest.raises(InputError, match="two have runs in the folder tuned-low"):
        read_spec(spec_of(variants={"tuned": tuned, "tuned-low": {}}))


def test_a_variant_that_stands_there_twice_is_not_dropped(spec_of):
    with pytest.raises(InputError, match="'a' stands there twice"):
        read_spec(spec_of("bundle: stroke_dwi_adc\ncohort: c.tsv\nvariants:\n  a: {}\n  a: {epochs: 3}\n"))


@pytest.mark.parametrize(("fold", "complaint"), [(None, "fewer than two folds"), ("ab", "no whole numbers")])
def test_folds_that_are_none(spec_of, tiny, tmp_path, fold, complaint):
    table = tiny.with_cells("no_folds.tsv", {(f"p{i}", "fold"): fold and fold[i % 2] for i in range(8)})
    with pytest.raises(InputError, match=complaint):
        read_spec(spec_of(cohort=str(table)))


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
