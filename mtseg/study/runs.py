"""What studies have in common: settings that stay, trainings, maps of every picture, and labels that mean nothing."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from mtseg.bundle import explain
from mtseg.data import read_cohort, write_cohort
from mtseg.errors import InputError, PassedOverError
from mtseg.experiment import run_experiment
from mtseg.files import alone_in, read_table, replacing
from mtseg.keys import Column, File
from mtseg.networks.backbones import make_backbone
from mtseg.provenance import check_command
from mtseg.study.pictures import read_picture

SETTINGS = "settings.json"
"""What a study's folder was made with."""
PICTURES = "pictures.sha256"
"""Fingerprint of the pictures that its networks learn from and answer about."""


@dataclass(frozen=True)
class Plan:
    """What every study is asked: where it goes, how much is computed, and by whom.

    Attributes:
        out: Output folder, see the reference of studies. What is finished in it is kept.
        quick: Few and short trainings: shows that everything works.
        repeats: Trainings that differ by chance only; None: as many as the study has by default.
        shuffled: Exchange the labels: the study of nothing.
        cluster: Where the trainings are executed, see `mtseg.experiment.run_experiment`.
    """

    out: str | PathLike
    quick: bool = False
    repeats: int | None = None
    shuffled: bool = False
    cluster: str | None = None

    def seeds(self, *, full: int, quick: int) -> list[int]:
        """One for each repeat, of which a study has so many by default."""
        return [*range(self.repeats or (quick if self.quick else full))]


@contextmanager
def study_folder(plan: Plan, settings: Mapping[str, Any]) -> Iterator[Path]:
    """Keep other processes out of a study's folder, and what was made with other settings apart.

    Args:
        plan: Whose folder it is; made if absent.
        settings: What else decides what the study computes; paths as they are.

    Raises:
        InputError: The folder holds a study with other settings, or something else, or another process is in it.
    """
    out = Path(plan.out).absolute()
    known = json.loads(json.dumps({**settings, "quick": plan.quick, "shuffled": plan.shuffled}, default=str))
    with alone_in(out):
        path = out / SETTINGS
        if not path.is_file():
            check_command(out, "study")
        try:
            before = dict(json.loads(path.read_text())) if path.is_file() else known
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: is not of a study ({error}). Choose another --out") from error
        if changed := [key for key in {**known, **before} if known.get(key) != before.get(key)]:
            raise InputError(f"{out}: was begun with another {', '.join(changed)}. Choose another --out")
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(known, indent=2) + "\n")
        try:
            yield out
        except InputError:
            if [*out.iterdir()] == [path]:  # nothing was made: the same folder takes the corrected input
                path.unlink()
            raise


def require_same_pictures(out: Path, data: Path) -> None:
    """Note the pictures that a study begins with, and refuse others when it goes on: what is finished is of those.

    Args:
        out: The study's folder.
        data: Its folder of pictures.

    Raises:
        InputError: Pictures have changed, as they do when input files are replaced under their names.
    """
    digest = hashlib.sha256()
    for path in sorted(data.rglob("*.nii.gz")):
        digest.update(str(path.relative_to(data)).encode() + path.read_bytes())
    found, noted = digest.hexdigest(), out / PICTURES
    if noted.is_file() and noted.read_text() != found:
        raise InputError(f"{out}: was begun with other images of these names. Put them back, or choose another --out")
    with replacing(noted) as temporary:
        temporary.write_text(found)


def train_variants(out: Path, *, cluster: str | None, cohort: Path, **spec: Any) -> Path:
    """Do what is missing of an experiment.

    Args:
        out: Its folder; its file lies beside it, for `mtseg experiment`.
        cluster: See `mtseg.experiment.run_experiment`.
        cohort: The table.
        **spec: The other keys of the file, see `mtseg.experiment.spec.read_spec`.

    Raises:
        InputError: The input is wrong, or trainings failed: fewer would not be the study that was asked for.
    """
    file = out.with_suffix(".yaml")
    with replacing(file) as temporary:
        given = {"cohort": os.path.relpath(cohort, file.parent), **spec}
        temporary.write_text(yaml.safe_dump(given, sort_keys=False))
    with suppress(PassedOverError):  # told below
        run_experiment(file, out=out, cluster=cluster)
    runs = read_table(out / "runs.tsv", text=["error"])
    failed = runs[runs["status"] != "finished"]
    if len(failed):
        raise InputError(
            f"{out / 'runs.tsv'}: {len(failed)} of {len(runs)} trainings failed, the first with: "
            f"{failed['error'].iloc[0]}. Remove the cause and call again: what is finished is kept"
        )
    return out


def map_pictures(run: Path, *, cohort: Path, out: Path, weights: Sequence[Path] = (), **options: Any) -> Path:
    """Explain all pictures of a table, unless that is done; see `mtseg.bundle.explain`. Nothing is drawn."""
    if not (out / File.EXPLANATIONS_SUMMARY).is_file():
        explain(str(run), cohort=cohort, out=out, weights=weights, pictures=False, **options)
    return out


def known_weights(architecture: str, weights: str | PathLike | None) -> str | None:
    """Try a classifier and its learned weights: a training would refuse them only when everything is prepared.

    Returns:
        The weights, a file as its absolute path, since a worker may run in another folder.

    Raises:
        InputError: There is no such architecture, or the weights cannot be had or do not fit.
    """
    if weights is not None:
        weights = str(Path(weights).absolute() if Path(weights).is_file() else weights)
    make_backbone(architecture, spatial_dims=2, in_channels=1, weights=weights)
    return weights


def shuffle_labels(table: Path, *, label: str, by: str, seed: int) -> Path:
    """Write a table in which labels mean nothing: exchanged between persons (or events) of a fold.

    What a study finds on it is what it finds where there is nothing to find. Folds keep their share of each class:
    else a network would have learnt as frequent what is rare where it is asked, and answer worse than by chance. Only
    what lies in several folds is exchanged across them: whatever keeps its label there can be recognised, and is.

    Args:
        table: A cohort's.
        label: Column that is exchanged.
        by: Column of what keeps its label whole; of several labels the first is its.
        seed: Of the exchange.

    Returns:
        A table beside the other one.

    Raises:
        InputError: In each fold all labels are alike.
    """
    cohort = read_cohort(table)
    units = cohort.table.groupby(by, sort=True)
    first = units.first()
    apart = Column.FOLD in first and units[Column.FOLD].nunique().max() == 1
    folds = first[Column.FOLD] if apart else pd.Series(0, first.index)
    labels = first[label].groupby(folds)
    if labels.nunique().max() < 2:
        raise InputError(f"{table}: --shuffle-labels finds nothing to exchange: in each fold all have one {label}")
    rng, exchanged = np.random.default_rng(seed), first[label]
    while exchanged.equals(first[label]):  # few persons may get their own labels back
        exchanged = labels.transform(lambda one: rng.permutation(one.to_numpy()))
    path = table.with_name(f"{table.stem}_shuffled.tsv")
    write_cohort(cohort.table.assign(**{label: cohort.table[by].map(exchanged)}), path)
    return path


def trained_run(experiment: Path, *, variant: str, fold: int, seed: int) -> Path:
    """The folder of one of an experiment's trainings."""
    return experiment / "runs" / variant / f"fold{fold}" / f"seed{seed}" / "run"


def read_maps(folder: Path, table: pd.DataFrame) -> np.ndarray:
    """Read the maps of a table's pictures, each divided by its maximum, (pictures, rows, columns) float32."""
    return np.stack([read_picture(folder / f"{name}_cam_normalised.nii.gz") for name in table[Column.SUBJECT]])
