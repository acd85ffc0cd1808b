"""Sections about where the networks of one modality look: mean maps, their peaks, and regions by class."""

from collections.abc import Iterator

import pandas as pd

from mtseg.report.figure import Picture
from mtseg.report.page import Section
from mtseg.report.tables import plain
from mtseg.report.text import spell, spell_p
from mtseg.statistics.groups import ALPHA, expected_by_chance
from mtseg.study.motor_learning.figures import EXAMPLES, chosen_slices, example_panels, mean_panels, panels_picture
from mtseg.study.motor_learning.findings import Findings
from mtseg.study.motor_learning.maps import Maps
from mtseg.study.motor_learning.regions import AREA, HITS, LISTED, listed
from mtseg.study.motor_learning.slices import Prepared
from mtseg.study.motor_learning.volumes import TOP_MM

PEAKS = 5
"""Of each class in the page."""

_MAPS = (
    "Grad-CAM at the last feature maps for the logit of {positive}, of every person, by networks that did not train on "
    "the person ({repeats} repeats). Each slice's map is divided by its maximum. In {empty} of the maps nothing speaks "
    "for {positive}; they count as 0. A map is interpolated from a grid 32 times coarser than the network's image."
)
_MEANS = (
    " Means over persons and repeats are shown where half of the persons have brain; {outside} of them lies elsewhere. "
    "Table: the highest places of each class{where}."
)
_NO_MEANS = (
    " The volumes have several grids, so there is no mean: of each class the first persons are shown, one slice each, "
    "first repeat. Normalise the volumes to one template for means and regions."
)
_HITS = (
    "A region is hit in a slice if it shares at least one pixel with the highest 5 % of the slice's map inside the "
    "brain. Slices at {top} mm or below count, {slices} of each person at most. "
)
_PERSONS = (
    "The primary test. A person's value is the share of slices in which the region is hit, averaged over the repeats; "
    "{n} persons are compared, each counted once. "
)
_TEST = (
    "Welch's t-test of {positive} against {other} in {tested} regions: {hits} with p < .05, where {chance} are "
    "expected by chance; {q} with q < .05 (Benjamini-Hochberg), {familywise} with p (max-T, permuted labels) < .05. "
    "Shown in both directions: all with p < .05, and the {listed} smallest p in any case."
)
_NO_SPREAD = " n/a: the values differ between the classes and not at all within them, which a t-test cannot use."
_AREA = (
    "The rule of one pixel favours large regions. Here a person's value is the share of the region's voxels with high "
    "attention. High attention is a fixed share of each slice, so what one region gains others lose. "
)
_RUNS = (
    "A row is a training and a class: the mean over the persons of the class. This is the nearest to the published "
    "wording, and it measures trainings, not people: it asks whether other trainings on these very persons would look "
    "there too, and says nothing of other persons. A third reading, persons × repeats as if all were independent, is "
    "refused: maps of one person by several trainings are one person. "
)


def looking_sections(one: Findings, prepared: Prepared) -> Iterator[Section]:
    """Make the sections of one modality; none without maps."""
    if one.maps is None:
        return
    other, positive = prepared.persons.classes
    lead = _MAPS.format(positive=positive, repeats=one.maps.repeats, empty=f"{one.maps.empty:.0%}")
    peaks = None
    if one.peaks is not None and one.maps.means is not None:
        where = ", with the region there or within 10 mm" * (prepared.atlas is not None)
        lead += _MEANS.format(where=where, outside=f"{one.maps.means.outside:.0%}")
        peaks = plain(one.peaks[one.peaks["peak"] <= PEAKS])
    else:
        lead += _NO_MEANS
    yield Section(f"Where the networks look, {one.name}", lead, peaks, [_picture(one, one.maps, prepared)])
    if one.persons is None or one.volumes.stack is None:
        return
    n = int(one.persons[[f"n_{positive}", f"n_{other}"]].sum(axis=1).max())
    hits = _HITS.format(top=TOP_MM, slices=one.volumes.stack.analysed)
    persons = one.persons[one.persons["measure"] == HITS]
    area = one.persons[one.persons["measure"] == AREA]
    yield _compared(f"Regions, {one.name}: persons", hits + _PERSONS.format(n=n), persons, prepared)
    yield _compared(f"Regions, {one.name}: persons, by area", _AREA, area, prepared)
    if one.runs is not None:
        yield _compared(f"Regions, {one.name}: trainings", _RUNS, one.runs, prepared)
    else:
        yield Section(f"Regions, {one.name}: trainings", f"{_RUNS}One training has no spread: it needs --repeats 2.")


def counted(compared: pd.DataFrame) -> dict[str, str]:
    """Count the regions of one family of tests.

    >>> counted(pd.DataFrame({"p": [0.01, 0.5], "q": [0.02, 0.5], "p_familywise": [0.06, 0.9]}))
    {'tested': '2', 'hits': '1', 'chance': '0.100', 'q': '1', 'familywise': '0'}
    """
    below = {name: str(int(compared[name].lt(ALPHA).sum())) for name in ("p", "q", "p_familywise")}
    return {
        "tested": str(int(compared["p"].notna().sum())),
        "hits": below["p"],
        "chance": spell(expected_by_chance(compared)),
        "q": below["q"],
        "familywise": below["p_familywise"],
    }


def _compared(title: str, lead: str, compared: pd.DataFrame, prepared: Prepared) -> Section:
    other, positive = prepared.persons.classes
    rows = listed(compared, classes=(positive, other))
    table = pd.DataFrame(
        {
            "higher in": rows["more_in"].map({positive: f"{positive} > {other}", other: f"{other} > {positive}"}),
            "region": rows["region"],
            **{f"mean {name}": rows[f"mean_{name}"].clip(lower=0).round(9) for name in (positive, other)},  # not -1e-18
            "p": rows["p"].map(spell_p),
            "q": rows["q"].map(spell_p),
            "p (max-T)": rows["p_familywise"].map(spell_p),
            "Hedges g": rows["hedges_g"],
            "Hedges g_low": rows["hedges_g_low"],
            "Hedges g_high": rows["hedges_g_high"],
        }
    )
    lead += _TEST.format(positive=positive, other=other, listed=LISTED, **counted(compared))
    if rows["p"].isna().any():
        lead += _NO_SPREAD
    return Section(title, lead, plain(table))


def _picture(one: Findings, maps: Maps, prepared: Prepared) -> Picture:
    stack, (other, positive) = one.volumes.stack, prepared.persons.classes
    side = "Radiological view: the subject's right (R) is on the left of the picture."
    if stack is None or maps.means is None:
        rows = {name: example_panels(one.slices, one.name, maps.files, label=name) for name in (positive, other)}
        return panels_picture(rows, caption=f"{one.name}: the first {EXAMPLES} persons of each class. {side}")
    places = chosen_slices(stack, in_atlas_space=prepared.atlas is not None)
    means = {positive: maps.means.positive, other: maps.means.other}
    rows = {name: mean_panels(maps.means.anatomy, mean, stack, places) for name, mean in means.items()}
    return panels_picture(rows, caption=f"{one.name}: mean maps of each class on the mean of all persons. {side}")
