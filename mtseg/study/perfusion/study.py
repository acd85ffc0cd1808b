"""`mtseg study perfusion`: normal, Alzheimer's disease or dementia with Lewy bodies, from pictures of surface maps."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.bundle import evaluate
from mtseg.data import read_cohort
from mtseg.errors import InputError
from mtseg.files import read_table
from mtseg.keys import Column, File
from mtseg.statistics import SEED, VARIANT
from mtseg.study.perfusion.cases import DIAGNOSIS
from mtseg.study.perfusion.displays import TRAINING, VALIDATION, Split
from mtseg.study.perfusion.drawing import CASE
from mtseg.study.perfusion.maps import average_maps, look
from mtseg.study.perfusion.page import Findings, write_perfusion_page
from mtseg.study.perfusion.pictures import Pictures, make_pictures
from mtseg.study.perfusion.tables import (
    NETWORKS,
    PART,
    SPLIT,
    Part,
    average_repeats,
    compare_recall,
    count_pictures,
    score_repeats,
)
from mtseg.study.runs import (
    Plan,
    known_weights,
    require_same_pictures,
    shuffle_labels,
    study_folder,
    train_variants,
    trained_run,
)

BUNDLE = "perfusion_2d"
EXPERIMENT = "experiment"
NORMALS, QUICK_NORMALS = 28, 8
SIZE, QUICK_SIZE = 224, 96
REPEATS, QUICK_REPEATS = 20, 2
QUICK_PICTURES = {"pictures_per_class": 60, "validation_per_class": 12, "test_subjects": 6}
QUICK = {"epochs": 8, "val_interval": 8}
TARGET, PREDICTED = f"{DIAGNOSIS}_target", f"{DIAGNOSIS}_predicted"


def run_perfusion(
    atlas: str | PathLike,
    plan: Plan,
    *,
    template: str | PathLike | None,
    normals: str | PathLike | None = None,
    patients: str | PathLike | None = None,
    weights: Mapping[str, str | PathLike] | None = None,
) -> Path:
    """Make the pictures, train AlexNet and GoogLeNet on both splits, test them on other people, and map what they see.

    Args:
        atlas: See `make_pictures`.
        plan: By default 20 repeats; quick 2 with smaller and fewer pictures and few epochs. Shuffled diagnoses are
            exchanged between cases, whose pictures keep one.
        template: See `make_pictures`.
        normals: Table of own normal people; without it they are simulated.
        patients: Table of own patients to test on; without it they are simulated.
        weights: By network (`alexnet`, `googlenet`), learned weights to begin with, see
            `mtseg.networks.pretrained.read_weights`.

    Returns:
        The page.

    Raises:
        InputError: Something is wrong with the input, weights cannot be had or do not fit, or the folder holds another
            study.
    """
    seeds = plan.seeds(full=REPEATS, quick=QUICK_REPEATS)
    learned = _known(weights or {})
    people = {"normals": normals, "patients": patients}
    own = {name: None if path is None else read_cohort(path) for name, path in people.items()}
    settings = {
        "atlas": str(Path(atlas).absolute()),
        "template": None if template is None else str(Path(template).absolute()),
        **{name: None if one is None else f"{one.path} ({one.fingerprint()})" for name, one in own.items()},
        "weights": learned,
        "repeats": len(seeds),
    }
    with study_folder(plan, settings) as folder:
        size, simulated = (QUICK_SIZE, QUICK_NORMALS) if plan.quick else (SIZE, NORMALS)
        pictures = make_pictures(
            folder / "data",
            atlas=atlas,
            template=template,
            normals=simulated if own["normals"] is None else own["normals"],
            patients=own["patients"],
            size=size,
            **(QUICK_PICTURES if plan.quick else {}),
        )
        require_same_pictures(folder, folder / "data")
        tables: dict[str, Path] = {str(split): path for split, path in pictures.tables.items()}
        tables[Part.TEST] = pictures.test
        if plan.shuffled:
            tables = {name: shuffle_labels(path, label=DIAGNOSIS, by=CASE, seed=0) for name, path in tables.items()}
        given: dict[str, Any] = {
            "settings": {"patch_size": [size, size], **(QUICK if plan.quick else {})},
            "variants": _variants(learned),
            "seeds": seeds,
        }
        cases = []
        for split in Split:
            experiment = folder / split / EXPERIMENT
            train_variants(
                experiment, cluster=plan.cluster, cohort=tables[split], bundle=BUNDLE, folds=[VALIDATION], **given
            )
            answers = _answers(experiment, tables[split], tables[Part.TEST], seeds=seeds)
            cases.append(answers.assign(**{SPLIT: split}))
        found = _findings(folder, pd.concat(cases, ignore_index=True), tables, pictures)
        return write_perfusion_page(folder, found, pictures=pictures, plan=plan, weights=learned)


def _known(weights: Mapping[str, str | PathLike]) -> dict[str, str]:
    """The weights of each network, see `known_weights`."""
    for name, file in weights.items():
        if name not in NETWORKS:
            raise InputError(f"--weights {name}={file}: there is no network {name}. Give {' or '.join(NETWORKS)}=FILE")
    return {name: str(known_weights(name, file)) for name, file in weights.items()}


def _variants(weights: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Settings of each network."""
    return {
        name: {"architecture": name} | ({"pretrained": weights[name]} if name in weights else {}) for name in NETWORKS
    }


def _answers(experiment: Path, table: Path, test: Path, *, seeds: list[int]) -> pd.DataFrame:
    """Answers of all networks of a split about all parts, with variant, part and seed."""
    parts: dict[Part, tuple[Path, int | None]] = {
        Part.TRAINING: (table, TRAINING),
        Part.VALIDATION: (table, VALIDATION),
        Part.TEST: (test, None),
    }
    found = []
    for network in NETWORKS:
        for seed in seeds:
            run = trained_run(experiment, variant=network, fold=VALIDATION, seed=seed)
            for part, (cohort, fold) in parts.items():
                seen = run.with_name("evaluation" if part is Part.VALIDATION else f"evaluation_{part}")
                if not (seen / File.REPORT).is_file():
                    evaluate(str(run), cohort=cohort, out=seen, fold=fold)
                rows = read_table(seen / File.CASES, text=[TARGET, PREDICTED])[[Column.SUBJECT, TARGET, PREDICTED]]
                about: dict[str, Any] = {VARIANT: network, PART: part, SEED: seed}
                found.append(rows.assign(**about))
    return pd.concat(found, ignore_index=True)


def _findings(folder: Path, cases: pd.DataFrame, tables: Mapping[str, Path], pictures: Pictures) -> Findings:
    """Tables and maps."""
    test = cases[cases[PART].eq(Part.TEST)]
    persons = read_cohort(pictures.test).table.set_index(Column.SUBJECT.value)[Column.GROUP.value]
    recall = {split: compare_recall(test[test[SPLIT].eq(split)], persons=persons) for split in Split}
    scores = score_repeats(cases)
    first = test[test[SPLIT].eq(Split.PUBLISHED) & test[SEED].eq(0)]
    runs = {
        network: trained_run(folder / Split.PUBLISHED / EXPERIMENT, variant=network, fold=VALIDATION, seed=0)
        for network in NETWORKS
    }
    maps, examples = look(runs, first, table=tables[Part.TEST], pictures=pictures, out=folder / "maps")
    return Findings(
        scores=scores,
        means=average_repeats(scores),
        recall=pd.concat(recall, names=[SPLIT]).reset_index(level=SPLIT).reset_index(drop=True),
        maps=maps,
        map_means=average_maps(maps),
        examples=examples,
        counts=count_pictures(tables),
    )
