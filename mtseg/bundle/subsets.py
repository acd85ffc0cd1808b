"""How well a network does with fewer sequences."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.bundle.config import load_config
from mtseg.bundle.locate import find, root
from mtseg.bundle.run import Path_, evaluate
from mtseg.data import Cohort, check_cohort, read_cohort, write_cohort
from mtseg.errors import InputError, ProblemsError
from mtseg.files import read_table, write_table
from mtseg.keys import File


def evaluate_subsets(name: str, *, cohort: Path_, out: Path_, fold: int | None = None, **options: Any) -> Path:
    """Evaluate once for each subset of the sequences, always on the subjects that have all of them.

    Args:
        name: Bundle name or folder.
        cohort: Cohort table with masks and targets.
        out: Output folder; each subset gets a folder in it.
        fold: Score this fold's subjects only.
        **options: Of `evaluate`.

    Returns:
        `subsets.tsv`: the summaries of all, the full set first.

    Raises:
        InputError: The bundle needs all of its sequences, nobody has all of them, or a mask fits one of them only.
    """
    config = load_config(find(name) / "configs" / "inference.yaml", root=root())
    sequences, optional = config["sequences"], config.get("optional_sequences", [])
    if not optional or len(sequences) == 1:
        raise InputError(f"{name}: needs {', '.join(sequences)}, so there are no subsets (optional_sequences is empty)")
    everyone = read_cohort(cohort, sequences=sequences, optional=optional)
    subjects = everyone if fold is None else everyone.fold(fold)[1]
    complete = subjects.table.dropna(subset=sequences)
    if complete.empty:
        raise InputError(f"{cohort}: nobody has all of {', '.join(sequences)}, so subsets cannot be compared")
    check_subsets(replace(everyone, table=complete), sequences=sequences, optional=optional)
    summaries = []
    for kept in subsets(sequences, optional):
        folder = Path(out) / "+".join(kept)
        table = complete.assign(**{sequence: None for sequence in sequences if sequence not in kept})
        write_cohort(table, folder / "cohort.tsv")
        evaluate(name, cohort=folder / "cohort.tsv", out=folder, **options)
        summary = read_table(folder / File.SUMMARY)
        summary.insert(0, "sequences", "+".join(kept))
        summaries.append(summary)
    write_table(pd.concat(summaries), Path(out) / File.SUBSETS)
    return Path(out) / File.SUBSETS


def check_subsets(cohort: Cohort, *, sequences: Sequence[str], optional: Sequence[str]) -> None:
    """Refuse images that cannot be scored by some subset: a mask lies on the grid of the first sequence that is left.

    Raises:
        ProblemsError: Names the images.
    """
    found = [p for kept in subsets(sequences, optional) for p in check_cohort(cohort, sequences=kept, heads=())]
    if fatal := [*dict.fromkeys(problem for problem in found if problem.fatal)]:
        raise ProblemsError(fatal)


def subsets(sequences: Sequence[str], optional: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Sets of sequences that a subject may have, the largest first, in the order of the channels.

    >>> list(subsets(["t1", "flair"], ["t1"]))
    [('t1', 'flair'), ('flair',)]
    """
    needed = {*sequences} - {*optional}
    for size in range(len(sequences), 0, -1):
        yield from (chosen for chosen in combinations(sequences, size) if needed <= {*chosen})
