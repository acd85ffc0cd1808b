"""What is compared between networks: each measure of the table of cases, subject by subject."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtseg.keys import Task
from mtseg.statistics.answers import answers
from mtseg.statistics.paired import Paired, PairedTest, mean_auc, paired_accuracy, paired_auc, paired_numbers
from mtseg.statistics.scores import class_errors
from mtseg.statistics.summary import ALL
from mtseg.tasks import Head, Kind, Structures


@dataclass(frozen=True)
class Measure:
    """One line of a comparison before it is made, of one variant.

    Attributes:
        task: "seg" or the head.
        name: As in the summary, where it has the measure.
        of: Structure, class or label.
        better: "higher" or "lower".
        test: Which test compares it.
        numbers: Indexed by subject; NaN: not known. Of AUCs one column per class index that counts.
        target: Class index by subject; of AUCs only.
    """

    task: str
    name: str
    of: str
    better: str
    test: PairedTest
    numbers: pd.DataFrame
    target: pd.Series

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is called in a table."""
        return self.task, self.name, self.of

    def known(self) -> pd.Index:
        """Subjects that have it."""
        return self.numbers.index[self.numbers.notna().all(axis=1)]

    def value(self, subjects: pd.Index) -> float:
        """Mean, accuracy or AUC of some subjects that all have it."""
        values = self.numbers.loc[subjects].to_numpy(dtype=float)
        if self.test in (PairedTest.WILCOXON, PairedTest.MCNEMAR):
            return float(values.mean())
        return float(
            mean_auc(self.target.loc[subjects].to_numpy(), values, classes=[int(c) for c in self.numbers.columns])
        )

    def compare(self, reference: "Measure", *, resamples: int) -> Paired:
        """Compare this variant with another one's same measure."""
        if self.test in (PairedTest.WILCOXON, PairedTest.MCNEMAR):
            paired = paired_numbers if self.test is PairedTest.WILCOXON else paired_accuracy
            return paired(self.numbers[0], reference.numbers[0], resamples=resamples)
        return paired_auc(self.target, self.numbers, reference.numbers, resamples=resamples)


def measures(table: pd.DataFrame, *, structures: Structures, heads: Sequence[Head]) -> list[Measure]:
    """Take the measures out of a table of cases.

    Args:
        table: One row per subject, indexed by subject.
        structures: Names of the mask's structures.
        heads: The questions asked besides the mask.

    Returns:
        Masks: dice_mean, hd95_mm_mean, asd_mm_mean, volume_error_mm3_mean_absolute of each structure, dice_mean of all.
        Classes and labels: auc, accuracy, brier; of more than two classes also the auc of each against the rest.
        Numbers: mae.
    """
    return [*_segmentation(table, structures), *(m for head in heads for m in _head(table, head))]


def measured(*, structures: Structures, heads: Sequence[Head]) -> list[tuple[str, str]]:
    """Task and name of each of the `measures`, known before there is a table.

    >>> measured(structures=Structures({}), heads=[Head("age", Kind.NUMBER), Head("sex", Kind.CLASSES, ("F", "M"))])
    [('age', 'mae'), ('sex', 'auc'), ('sex', 'accuracy'), ('sex', 'brier')]
    """
    scores = [f"{score}_{of}" for of in structures.names for score in ("dice", "hd95_mm", "asd_mm", "volume_error_mm3")]
    said = [f"{h.name}_{what}" for h in heads for what in ("target", "predicted", *(f"prob_{c}" for c in h.classes))]
    nobody = pd.DataFrame(columns=[*scores, *said], dtype=float)
    return list(dict.fromkeys((m.task, m.name) for m in measures(nobody, structures=structures, heads=heads)))


def structures_of(structures: Structures, *tables: pd.DataFrame) -> Structures:
    """Those of the structures on which each of the tables scores somebody."""
    columns = {name: f"dice_{name}" for name in structures.names}
    scored = [name for name, dice in columns.items() if all(dice in t and t[dice].notna().any() for t in tables)]
    return Structures({name: structures.file_values(name) for name in scored})


def all_of(own: Structures, structures: Structures) -> str:
    """What a mean over all own structures is called among others: a mean over fewer ones is another measure.

    >>> all_of(Structures({"core": 1, "rim": 2}), Structures({"core": 1, "rim": 2, "oedema": 3}))
    'core+rim'
    """
    return ALL if own.names == structures.names else "+".join(own.names)


def _numbers(
    task: str, name: str, of: str, values: pd.Series, *, better: str, test: PairedTest = PairedTest.WILCOXON
) -> Measure:
    return Measure(task, name, of, better, test, values.astype(float).to_frame(0), pd.Series(dtype=float))


def _segmentation(table: pd.DataFrame, structures: Structures) -> Iterator[Measure]:
    for of in structures.names:
        yield _numbers(Task.SEG, "dice_mean", of, table[f"dice_{of}"], better="higher")
        yield _numbers(Task.SEG, "hd95_mm_mean", of, table[f"hd95_mm_{of}"], better="lower")
        yield _numbers(Task.SEG, "asd_mm_mean", of, table[f"asd_mm_{of}"], better="lower")
        error = table[f"volume_error_mm3_{of}"].abs()
        yield _numbers(Task.SEG, "volume_error_mm3_mean_absolute", of, error, better="lower")
    if len(structures.names) > 1:
        every = table[[f"dice_{of}" for of in structures.names]].mean(axis=1, skipna=False)
        yield _numbers(Task.SEG, "dice_mean", ALL, every, better="higher")


def _head(table: pd.DataFrame, head: Head) -> Iterator[Measure]:
    found = answers(table, head)
    subjects = table.index[found.subjects]

    def series(values: np.ndarray) -> pd.Series:
        return pd.Series(np.asarray(values, dtype=float), subjects).reindex(table.index)

    def areas(of: str, target: np.ndarray, score: np.ndarray, classes: list[int]) -> Measure:
        values = pd.DataFrame(score, subjects, classes).reindex(table.index)
        test = PairedTest.DELONG if len(classes) == 1 else PairedTest.NONE
        return Measure(head.name, "auc", of, "higher", test, values, series(target))

    def hits(of: str, right: np.ndarray, squares: np.ndarray) -> Iterator[Measure]:
        yield _numbers(head.name, "accuracy", of, series(right), better="higher", test=PairedTest.MCNEMAR)
        yield _numbers(head.name, "brier", of, series(squares), better="lower")

    if head.kind is Kind.NUMBER:
        yield _numbers(head.name, "mae", ALL, series(np.abs(found.target - found.predicted)), better="lower")
        return
    count = len(head.classes)
    if head.kind is Kind.CLASSES and count > 2:
        yield areas(ALL, found.target, found.probability, list(range(count)))
        errors = class_errors(found.target, found.probability)
        yield from hits(ALL, found.target == found.predicted, errors)
    for c, of in enumerate(head.classes):
        if head.kind is Kind.CLASSES and count == 2 and c == 0:
            continue  # the mirror image of the positive class
        target, probability = found.against_rest(c)
        yield areas(of, target.astype(int), probability[:, None], [1])
        if head.kind is Kind.LABELS:
            yield from hits(of, (found.predicted[:, c] == 1) == target, np.square(probability - target))
        elif count == 2:
            yield from hits(of, found.target == found.predicted, np.square(probability - target))
