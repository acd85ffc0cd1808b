"""The page of the perfusion study."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.report.figure import style
from mtseg.report.page import Section
from mtseg.report.tables import plain
from mtseg.report.text import spell, spell_p
from mtseg.statistics import VARIANT
from mtseg.statistics.bootstrap import FEWEST
from mtseg.study.page import BESIDE, plan_notes, write_study
from mtseg.study.perfusion.displays import Split
from mtseg.study.perfusion.figures import Example, map_panel, recall_bars
from mtseg.study.perfusion.layout import layout, spread
from mtseg.study.perfusion.maps import map_cells
from mtseg.study.perfusion.pictures import Pictures
from mtseg.study.perfusion.tables import ACCURACY, CLASSES, KNOWN, MEASURE, NETWORKS, PART, PEOPLE, SPLIT, Part
from mtseg.study.runs import Plan


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found.

    Attributes:
        scores: See `score_repeats`.
        means: See `average_repeats`.
        recall: See `compare_recall`, with the split.
        maps: See `measure_maps`, with participant_id, variant, lowered, right and patient.
        map_means: See `average_maps`.
        examples: Pictures to show.
        counts: See `count_pictures`.
    """

    scores: pd.DataFrame
    means: pd.DataFrame
    recall: pd.DataFrame
    maps: pd.DataFrame
    map_means: pd.DataFrame
    examples: Sequence[Example]
    counts: pd.DataFrame


def write_perfusion_page(
    out: Path, found: Findings, *, pictures: Pictures, plan: Plan, weights: Mapping[str, str]
) -> Path:
    """Write tables and page.

    Args:
        out: The study's folder.
        found: What was found.
        pictures: Who was simulated.
        plan: What was asked for.
        weights: By network, what it began with; the others began with random numbers.

    Returns:
        The page.
    """
    repeats = int(found.scores["seed"].nunique())
    counts = {(row[SPLIT], row[PART]): row for row in found.counts.to_dict("records")}
    tested = counts[Split.PUBLISHED, Part.TEST]
    size = len(found.examples[0].pixels)
    of = _TABLE.format(repeats=f"{repeats} repeat{'s' * (repeats > 1)}", size=size)
    cells = [f"{name}'s {n} × {n}" for network, name in NETWORKS.items() for n in (map_cells(network, size=size),)]
    with style():
        bars = [
            recall_bars(
                found.means[found.means[SPLIT].eq(split) & found.means[PART].eq(Part.TEST)],
                caption=f"{split.capitalize()} split: recall of the test pictures, mean and SD over repeats.",
            )
            for split in Split
        ]
        sections = [
            Section(
                "Published split, beside the published table",
                BESIDE + of + _KNOWN,
                layout(found.means, Split.PUBLISHED, published=True),
            ),
            Section(
                "Disjoint split",
                of + _DISJOINT,
                layout(found.means, Split.DISJOINT, published=False),
            ),
            Section("Recall of the two networks", _RECALL, plain(_compared(found.recall)), bars),
            Section(
                "Where they look",
                _MAPS
                + _CELLS.format(size=size, cells=" and ".join(cells))
                + (_LOWERED if pictures.simulated_test else _SUPPOSED),
                plain(_looked(found.map_means)),
                [map_panel(found.examples, caption=_PANEL)],
            ),
            Section("Pictures", _PICTURES, plain(found.counts)),
        ]
    return write_study(
        out,
        title="Dementia from surface maps of perfusion, two networks",
        result=_result(found.means, [tested[name] for name in CLASSES]),
        n=sum(tested[name] for name in CLASSES),
        unit=f"test pictures of {tested[PEOPLE]} people",
        sections=sections,
        notes=[*_notes(counts, pictures, plan=plan, weights=weights, repeats=repeats)],
        tables={
            "table": found.means,
            "repeats": found.scores,
            "recall": found.recall,
            "maps": found.maps,
            "map_means": found.map_means,
            "pictures": found.counts,
        },
        command="study perfusion",
    )


_TABLE = "Mean ± standard deviation over {repeats}, pictures of {size} × {size} pixels. "
_KNOWN = (
    "Validation pictures are of people of whom other pictures were trained on, as published; test pictures are of "
    "other people. –: the source does not give it."
)
_DISJOINT = "Validation pictures are of people who were not trained on. The source has no such split."
_RECALL = (
    "Test pictures. A picture counts by the share of repeats that are right. Difference: GoogLeNet minus AlexNet, with "
    f"its 95 % bootstrap interval over patients, too narrow where these are few, and none of fewer than {FEWEST}; p: "
    "networks exchanged within patients; Holm over the classes. The last two columns are Welch's t-test over the "
    "repeats, as published (n/a: they are all alike): it speaks of other trainings tested on these very patients, not "
    "of other patients, and every difference becomes significant with enough repeats."
)
_MAPS = (
    "Grad-CAM at the last feature maps for the class that was answered, on the test pictures; first repeat, published "
    "split. Inside: share of the map's part on the brain that lies in the lowered regions; everywhere alike: the share "
    "of the brain's pixels that these regions fill, which is what a map that knows nothing has. 95 % intervals over "
    "patients, whose two pictures stay together; another training has other maps. On the brain: share of the whole "
    "map, and what a map that knows nothing has. "
)
_CELLS = (
    "The last feature maps of {size} × {size} pixels have few cells, {cells}: where these are larger than the regions, "
    "no map can be inside. "
)
_LOWERED = "The regions are those that the simulation lowered."
_SUPPOSED = (
    "Nobody knows where these patients' perfusion is lowered: the regions are those that the simulation lowers for "
    "their diagnosis in the pictures that were trained on."
)
_PANEL = (
    "Above: pictures as the networks see them, bright where perfusion is reduced; lateral views above medial ones, "
    "right hemisphere left, A anterior, P posterior. Below: the maps of either network over them, each as a share of "
    "its maximum. Light blue: the lowered regions; grey: the brain. Right answers first, then wrong ones, if any."
)
_PICTURES = "Each person is shown with several reference regions and display windows; the three classes show the same."


def _compared(recall: pd.DataFrame) -> pd.DataFrame:
    tests = {name: recall[name].map(spell_p) for name in ("p", "p_holm", "p_trainings", "p_trainings_holm")}
    return recall.assign(**tests).rename(
        columns=NETWORKS
        | {
            "p_holm": "p (Holm)",
            "p_trainings": "p over trainings (Welch)",
            "p_trainings_holm": "p over trainings (Welch, Holm)",
        }
    )


def _looked(map_means: pd.DataFrame) -> pd.DataFrame:
    shown = map_means.assign(**{VARIANT: map_means[VARIANT].map(NETWORKS)})
    names = {VARIANT: "network", "empty": "empty maps", "expected": "everywhere alike"}
    names |= {"on_surface": "on the brain", "surface": "on the brain, everywhere alike"}
    return shown.rename(columns=names)


def _result(means: pd.DataFrame, tested: Sequence[int]) -> str:
    test = means[means[PART].eq(Part.TEST) & means[MEASURE].eq(ACCURACY)].set_index([SPLIT, VARIANT])
    found = {key: spread(row["mean"], row["sd"]) for key, row in test.to_dict("index").items()}
    said = [
        f"{split} split: " + ", ".join(f"{name} {found[split, network]}" for network, name in NETWORKS.items())
        for split in Split
    ]
    return (
        f"Test accuracy, {'; '.join(said)}. Chance {spell(1 / len(CLASSES))}, always the most frequent class "
        f"{spell(max(tested) / sum(tested))}."
    )


def _notes(
    counts: Mapping[tuple[str, str], Mapping[Any, Any]],
    pictures: Pictures,
    *,
    plan: Plan,
    weights: Mapping[str, str],
    repeats: int,
) -> Iterator[str]:
    yield from plan_notes(plan)
    if plan.shuffled:
        yield (
            "Labels were exchanged between cases (a person with a pattern), whose pictures keep one label. In the "
            "published split pictures of a case lie on both sides, so its validation can be far above chance although "
            "there is nothing to learn: this is what the split leaks. In the disjoint split and the test it is chance."
        )
    yield _who(pictures)
    if random := [name for network, name in NETWORKS.items() if network not in weights]:
        yield f"{' and '.join(random)} began with random numbers, not with ImageNet's weights as published (--weights)."
    known = counts[Split.PUBLISHED, Part.VALIDATION]
    yield (
        f"Published split: {known[KNOWN]} of the {known[PEOPLE]} people in the validation pictures were trained on "
        "too, so validation flatters; the test does not."
    )
    apart, trained = (counts[Split.DISJOINT, part][PEOPLE] for part in (Part.VALIDATION, Part.TRAINING))
    yield f"Disjoint split: validation rests on pictures of {apart} people (trained on: {trained}), a rough figure."
    if repeats == 1:
        yield "One training each: there is no standard deviation, and how much is chance is not known."


def _who(pictures: Pictures) -> str:
    """Say who is simulated, and what the figures therefore cannot say."""
    if not pictures.simulated_test:
        normals = "simulated" if pictures.simulated_normals else "real"
        return f"The patients to train on are simulated, of {normals} normal people; those to test on are real."
    normals = "Normal people and all patients" if pictures.simulated_normals else "All patients"
    return (
        f"{normals} are simulated, those to test on in the same way as those to train on. These figures show that the "
        "software works, and never how the method does on patients, on whom the source tested."
    )
