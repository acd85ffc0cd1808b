"""Maps of the test pictures: how much of them lies where perfusion was really lowered, and which to show."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mtseg.cam.agreement import compare_map
from mtseg.data import read_cohort
from mtseg.keys import Column
from mtseg.networks.backbones import make_backbone
from mtseg.ssp import Pattern, Reference
from mtseg.statistics import VARIANT, Estimate
from mtseg.statistics.clusters import estimate_clustered
from mtseg.statistics.summary import RESAMPLES
from mtseg.study.perfusion.cases import DIAGNOSIS
from mtseg.study.perfusion.drawing import PICTURE
from mtseg.study.perfusion.figures import Example
from mtseg.study.perfusion.pictures import Pictures
from mtseg.study.pictures import read_picture
from mtseg.study.runs import map_pictures, read_maps

METHOD = "gradcam"
LOWERED, RIGHT, PERSON = "lowered", "right", "patient"
EXAMPLES = 2
"""Right ones of each network, and as many wrong ones."""


def look(
    runs: Mapping[str, Path], answers: pd.DataFrame, *, table: Path, pictures: Pictures, out: Path
) -> tuple[pd.DataFrame, list[Example]]:
    """Map the test pictures by a training of each network, unless that is done, and measure where the maps lie.

    Args:
        runs: By network, a training's folder.
        answers: Of these networks: participant_id, variant, diagnosis_target and diagnosis_predicted.
        table: The test pictures as the networks were tested on them.
        pictures: What was really lowered, also where diagnoses were exchanged.
        out: Folder of the maps, one folder per network.

    Returns:
        Rows of `measure_maps` with participant_id, variant, lowered, right and patient; and examples.
    """
    rows = read_cohort(pictures.test).table
    names, lowered = rows[Column.SUBJECT].tolist(), rows[DIAGNOSIS].map(Pattern).tolist()
    regions = {pattern: read_picture(path) > 0 for pattern, path in pictures.regions.items()}
    surface = read_picture(pictures.surface) > 0
    by_network = answers.set_index([VARIANT, Column.SUBJECT.value])
    said = {network: by_network.loc[network][f"{DIAGNOSIS}_predicted"].loc[names] for network in runs}
    labels = by_network.loc[next(iter(runs))][f"{DIAGNOSIS}_target"].loc[names]
    right = pd.DataFrame({network: one.eq(labels) for network, one in said.items()})
    maps, measured = {}, []
    for network, run in runs.items():
        found = read_maps(map_pictures(run, cohort=table, out=out / network, method=METHOD), rows)
        maps[network] = dict(zip(names, found, strict=True))
        about = {Column.SUBJECT.value: names, VARIANT: network, LOWERED: lowered, RIGHT: right[network].to_numpy()}
        where = measure_maps(found, lowered, regions=regions, surface=surface)
        measured.append(pd.concat([pd.DataFrame(about | {PERSON: rows[Column.GROUP]}), where], axis=1))
    shown = choose_examples(right, pd.Series(lowered, names))
    examples = [
        Example(
            title=_title(row, labels[row[Column.SUBJECT]]),
            pixels=read_picture(row[PICTURE]),
            surface=surface,
            regions=regions.get(row[DIAGNOSIS]),
            maps={network: of[row[Column.SUBJECT]] for network, of in maps.items()},
            answers={
                network: _answer(of[row[Column.SUBJECT]], labels[row[Column.SUBJECT]]) for network, of in said.items()
            },
        )
        for row in rows.set_index(Column.SUBJECT.value, drop=False).loc[shown].to_dict("records")
    ]
    return pd.concat(measured, ignore_index=True), examples


def measure_maps(
    maps: np.ndarray, lowered: Sequence[Pattern], *, regions: Mapping[Pattern, np.ndarray], surface: np.ndarray
) -> pd.DataFrame:
    """Measure where each map lies.

    Args:
        maps: Of 0 and above, any unit (pictures, rows, columns).
        lowered: What was lowered in each picture.
        regions: Of the patterns that have any: where they lie on the picture, bool (rows, columns).
        surface: Pixels that show the brain, bool (rows, columns).

    Returns:
        A row per map: inside, the share of the map's part on the surface that lies in the regions that were lowered;
        expected, the share of the surface that these fill, which is what a map that looks everywhere alike has inside;
        on_surface, the share of the whole map that lies on the surface; surface, the share of the picture that this
        fills. NaN where the map is empty, or nothing was lowered.
    """
    rows = []
    for one, pattern in zip(maps, lowered, strict=True):
        whole = compare_map(one, surface)
        row = {"inside": np.nan, "expected": np.nan, "on_surface": whole.energy_inside, "surface": whole.mask_share}
        if pattern in regions:
            found = compare_map(one[surface], regions[pattern][surface])
            row |= {"inside": found.energy_inside, "expected": found.mask_share}
        rows.append(row)
    return pd.DataFrame(rows)


def average_maps(measured: pd.DataFrame) -> pd.DataFrame:
    """Average the measures by network, what was lowered, and whether the answer was right.

    Args:
        measured: Rows of `measure_maps`, with variant, lowered, right and patient.

    Returns:
        variant, lowered, answer (right, wrong), pictures, patients, empty (maps with nothing on the surface), then
        inside with inside_low and inside_high (95 %, over patients, all of whose pictures are drawn together),
        expected, on_surface and surface. Those of whom nothing was lowered are left out.
    """
    keys, rows = [VARIANT, LOWERED, RIGHT], []
    patients = measured[measured[LOWERED].ne(Pattern.NC)].sort_values(keys, ascending=[True, True, False])
    for (network, pattern, right), part in patients.groupby(keys, sort=False):
        known = part.dropna(subset=["inside"])
        found = _mean(known["inside"].to_numpy(), known[PERSON].to_numpy())
        row = {VARIANT: network, LOWERED: pattern, "answer": "right" if right else "wrong", "pictures": len(part)}
        row |= {"patients": part[PERSON].nunique(), "empty": len(part) - len(known)}
        row |= {"inside": found.value, "inside_low": found.low, "inside_high": found.high}
        rows.append(row | {name: known[name].mean() for name in ("expected", "on_surface", "surface")})
    columns = [VARIANT, LOWERED, "answer", "pictures", "patients", "empty", "inside", "inside_low", "inside_high"]
    return pd.DataFrame(rows, columns=[*columns, "expected", "on_surface", "surface"])  # none if all are normal


def map_cells(network: str, *, size: int) -> int:
    """Count the cells along a side of a network's last feature maps: its maps show nothing finer.

    Args:
        network: Architecture.
        size: Pixels of the picture along each side.

    >>> map_cells("alexnet", size=224), map_cells("googlenet", size=224)
    (13, 7)
    """
    with torch.device("meta"):  # shapes without numbers
        return int(
            make_backbone(network, spatial_dims=2, in_channels=1).stages(torch.empty(1, 1, size, size)).shape[-1]
        )


def choose_examples(right: pd.DataFrame, lowered: pd.Series) -> list[str]:
    """Choose pictures of which each network has two right and two wrong answers, if it has so many.

    Pictures on which the networks agree are taken first, then those with lowered regions, then what is not yet shown.

    Args:
        right: Whether each network (column) was right about each picture (the index).
        lowered: What was lowered in each picture.

    Returns:
        Ids of pictures, the right ones first, each once.

    >>> right = pd.DataFrame({"a": [True, True, True, False], "b": [True, True, False, True]}, index=list("pqrs"))
    >>> choose_examples(right, pd.Series(["AD", "NC", "DLB", "DLB"], index=list("pqrs")))
    ['p', 'q', 'r', 's']
    """
    return list(dict.fromkeys([*_covering(right, lowered), *_covering(~right, lowered)]))


def _mean(values: np.ndarray, whose: np.ndarray) -> Estimate:
    if not len(values):
        return Estimate(np.nan)
    everyone = np.zeros(len(values))
    return estimate_clustered(lambda rows: values[rows].mean(), whose, strata=everyone, resamples=RESAMPLES)


def _covering(flags: pd.DataFrame, lowered: pd.Series) -> Iterator[str]:
    """Take pictures until each network has enough, or no more."""
    missing = pd.Series(EXAMPLES, index=flags.columns)
    left, shown = flags[flags.any(axis=1)].sort_index(), dict.fromkeys(lowered, 0)
    while len(left := left[(left & missing.gt(0)).any(axis=1)]):
        order = pd.DataFrame(
            {
                "networks": -(left & missing.gt(0)).sum(axis=1),
                "nothing": lowered[left.index].eq(Pattern.NC),
                "shown": lowered[left.index].map(shown),
            }
        )
        name = order.sort_values([*order], kind="stable").index[0]
        missing -= left.loc[name].astype(int)
        shown[lowered[name]] += 1
        left = left.drop(name)
        yield str(name)


def _title(row: Mapping[Any, Any], label: str) -> str:
    """What a picture shows, of whom, and the region that perfusion was divided by."""
    called = "" if row[DIAGNOSIS] == label else f", labelled {label}"
    return f"{row[DIAGNOSIS]}{called}: {row[Column.GROUP]}, {Reference(row['reference']).in_words}"


def _answer(said: str, label: str) -> str:
    return f"{said}, {'right' if said == label else 'wrong'}"
