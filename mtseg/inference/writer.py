"""Writing what the network found: one mask per subject in the input's grid, and one table."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ignite.engine import Engine, Events
from torch import Tensor

from mtseg.files import write_table
from mtseg.images import native_affine, save_like
from mtseg.keys import Column, File, Key, Task
from mtseg.tasks import Head, Kind, Structures


class WritePredictions:
    """Write `<subject>_mask.nii.gz` for each subject and, at the end, `predictions.tsv`.

    Expects the evaluator's outputs after post-processing: "seg" as probabilities (K, ...) in the input's own grid,
    heads as probabilities or numbers. See the output reference for the columns.

    Args:
        folder: Where the files go.
        structures: Mask values to write.
        heads: The network's heads.
        probabilities: Also write `<subject>_prob.nii.gz`, 4D, one volume per structure in the order of `structures`.
    """

    def __init__(
        self, folder: str | os.PathLike, *, structures: Structures, heads: Sequence[Head], probabilities: bool = False
    ):
        self.folder = Path(folder)
        self.structures = structures
        self.heads = tuple(heads)
        self.probabilities = probabilities
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.STARTED, lambda: self.rows.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.write_batch)
        engine.add_event_handler(Events.COMPLETED, self.write_rows)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def write_rows(self) -> None:
        """Write the table of the subjects so far."""
        write_table(pd.DataFrame(self.rows), self.folder / File.PREDICTIONS)

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Keep what is done when a later subject cannot be read."""
        if self.rows:
            self.write_rows()
        raise error

    def write_batch(self, engine: Engine) -> None:
        """Write the subjects of one batch."""
        for sample, answers in zip(engine.state.batch, engine.state.output, strict=True):
            self.rows.append(self._write(sample[Key.SUBJECT], sample[Key.IMAGE].meta, answers))

    def _write(self, subject: str, meta: dict[str, Any], answers: dict[str, Tensor]) -> dict[str, Any]:
        row: dict[str, Any] = {Column.SUBJECT.value: subject}
        if self.structures.names:
            row |= self._write_mask(subject, meta, answers[Task.SEG].numpy(force=True))
        for head in self.heads:
            row |= _columns(head, answers[head.name].numpy(force=True))
        return row

    def _write_mask(self, subject: str, meta: dict[str, Any], probabilities: np.ndarray) -> dict[str, Any]:
        values = np.array([0, *(self.structures.file_values(name)[0] for name in self.structures.names)])
        mask = values[probabilities.argmax(axis=0)].astype(np.min_scalar_type(values.max()))
        file = f"{subject}_mask.nii.gz"
        save_like(mask, meta, self.folder / file)
        if self.probabilities:
            structures = np.moveaxis(probabilities[1:], 0, -1).astype(np.float32)
            save_like(structures, meta, self.folder / f"{subject}_prob.nii.gz")
        voxel = abs(np.linalg.det(native_affine(meta)[:3, :3]))
        row: dict[str, Any] = {"mask_file": file}
        for name, value in zip(self.structures.names, values[1:], strict=True):
            row[f"{name}_volume_mm3"] = round(float((mask == value).sum() * voxel), 3)
        return row


def _columns(head: Head, answer: np.ndarray) -> dict[str, Any]:
    if head.kind is Kind.NUMBER:
        return {f"{head.name}_predicted": float(answer[0])}
    columns: dict[str, Any] = {
        f"{head.name}_prob_{name}": float(p) for name, p in zip(head.classes, answer, strict=True)
    }
    if head.kind is Kind.CLASSES:
        columns[f"{head.name}_predicted"] = head.classes[int(answer.argmax())]
    return columns
