"""Writing what the network found: one mask per subject in the input's grid, and one table."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ignite.engine import Engine, Events
from torch import Tensor

from mtseg.errors import InputError
from mtseg.files import write_table
from mtseg.images import native_affine, save_like
from mtseg.keys import MASK_ENTROPY, SEQUENCES, Column, File, Key, Task
from mtseg.networks.labels import largest
from mtseg.planes import SLICES
from mtseg.statistics import ensemble_uncertainty
from mtseg.tasks import Head, Kind, Structures

logger = logging.getLogger("mtseg")

_PROBABILITIES, _MAPS = "prob", (Key.ENTROPY, Key.DISAGREEMENT)


class WritePredictions:
    """Write `<subject>_mask.nii.gz` for each subject and, at the end, `predictions.tsv`.

    Expects the evaluator's outputs after post-processing: "seg" as probabilities (K, ...) in the input's own grid,
    heads as probabilities or numbers; of an `EnsembleInferer` also the uncertainty. See the output reference for the
    columns.

    Args:
        folder: Where the files go.
        structures: Mask values to write.
        heads: The network's heads.
        probabilities: Also write `<subject>_prob.nii.gz`, 4D, one volume per structure in the order of `structures`;
            and, where there are any, the maps `<subject>_entropy.nii.gz` and `<subject>_disagreement.nii.gz`.
        sequences: Names of the image's channels, of which a subject may lack some; empty where none may be missing.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        structures: Structures,
        heads: Sequence[Head],
        probabilities: bool = False,
        sequences: Sequence[str] = (),
    ):
        self.folder = Path(folder)
        self.structures = structures
        self.heads = tuple(heads)
        self.probabilities = probabilities
        self.sequences = sequences
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.STARTED, self.begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.write_batch)
        engine.add_event_handler(Events.COMPLETED, self.write_rows)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def begin(self) -> None:
        """Remove an earlier table, which would pass for that of the masks written from now on."""
        self.rows.clear()
        (self.folder / File.PREDICTIONS).unlink(missing_ok=True)

    def write_rows(self) -> None:
        """Write the table of the subjects so far; tell of masks by earlier calls, which it does not list."""
        write_table(pd.DataFrame(self.rows), self.folder / File.PREDICTIONS)
        listed = {row.get("mask_file") for row in self.rows}
        if others := sorted({path.name for path in self.folder.glob("*_mask.nii.gz")} - listed):
            logger.warning(
                "%s: masks of an earlier call stay, which %s no longer lists (%d): %s. Better a folder for each",
                self.folder,
                File.PREDICTIONS,
                len(others),
                ", ".join(others[:6]),
            )

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Keep what is done when a later subject cannot be read."""
        if self.rows:
            self.write_rows()
        raise error

    def write_batch(self, engine: Engine) -> None:
        """Write the subjects of one batch."""
        for sample, answers in zip(engine.state.batch, engine.state.output, strict=True):
            row = self._write(sample[Key.SUBJECT], sample[Key.IMAGE].meta, answers)
            row |= {name: int(sample[name]) for name in SLICES if name in sample}
            self.rows.append(row | self._there(sample[Key.IMAGE]))

    def _write(self, subject: str, meta: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
        if broken := [name for name in (Task.SEG.value, *(head.name for head in self.heads)) if _broken(answers, name)]:
            raise InputError(f"{subject}: {', '.join(broken)}: no finite answer. Train the network again")
        for name in (_PROBABILITIES, *_MAPS):  # earlier ones would stay beside another mask
            (self.folder / f"{subject}_{name}.nii.gz").unlink(missing_ok=True)
        row: dict[str, Any] = {Column.SUBJECT.value: subject}
        members = {name: said.numpy(force=True) for name, said in answers.get(Key.MEMBERS, {}).items()}
        if self.structures.names:
            row |= self._write_mask(subject, meta, answers[Task.SEG].numpy(force=True))
        if self.structures.names and members:
            row |= self._write_uncertainty(subject, meta, answers) | self._spread(meta, members[Task.SEG])
        for head in self.heads:
            row |= _columns(head, answers[head.name].numpy(force=True))
            row |= _uncertainty(head, members[head.name]) if members else {}
        return row

    def _there(self, image: Tensor) -> dict[str, str]:
        """Column of the sequences that the subject had."""
        if not self.sequences:
            return {}
        there = ~image.flatten(1).isnan().any(dim=1)
        names = [name for name, has in zip(self.sequences, there.tolist(), strict=True) if has]
        return {SEQUENCES: "+".join(names)}

    def _write_mask(self, subject: str, meta: dict[str, Any], probabilities: np.ndarray) -> dict[str, Any]:
        values = np.array([0, *(self.structures.file_values(name)[0] for name in self.structures.names)])
        mask = np.empty(probabilities.shape[1:], np.min_scalar_type(values.max()))
        for plane, voxels in enumerate(probabilities.swapaxes(0, 1)):  # all at once: 16 bytes a voxel more
            mask[plane] = values[voxels.argmax(axis=0)]
        file = f"{subject}_mask.nii.gz"
        save_like(mask, meta, self.folder / file)
        if self.probabilities:
            structures = np.moveaxis(probabilities[1:], 0, -1).astype(np.float32)
            save_like(structures, meta, self.folder / f"{subject}_{_PROBABILITIES}.nii.gz")
        voxel = abs(np.linalg.det(native_affine(meta)[:3, :3]))
        row: dict[str, Any] = {"mask_file": file}
        for name, value in zip(self.structures.names, values[1:], strict=True):
            row[f"{name}_volume_mm3"] = round(float((mask == value).sum() * voxel), 3)
        return row

    def _write_uncertainty(self, subject: str, meta: dict[str, Any], answers: dict[str, Tensor]) -> dict[str, Any]:
        maps = {str(name): answers[name][0].numpy(force=True) for name in _MAPS if name in answers}
        for name, values in maps.items() if self.probabilities else ():
            save_like(values.astype(np.float32), meta, self.folder / f"{subject}_{name}.nii.gz")
        inside = largest(answers[Task.SEG][None])[0].numpy(force=True) > 0
        return {MASK_ENTROPY: float(maps[Key.ENTROPY][inside].mean()) if inside.any() else None}

    def _spread(self, meta: dict[str, Any], voxels: np.ndarray) -> dict[str, Any]:
        """How far the members' volumes are apart, on the network's grid: only the average goes back to the input's."""
        if len(voxels) == 1:
            return {}
        sd = voxels.std(axis=0, ddof=1) * abs(np.linalg.det(np.asarray(meta["affine"])[:3, :3]))
        columns = [f"{name}_volume_sd_mm3" for name in self.structures.names]
        return {column: round(float(mm3), 3) for column, mm3 in zip(columns, sd, strict=True)}


def _broken(answers: dict[str, Any], name: str) -> bool:
    """Whether there are NaN or infinite values, of which the largest would pass for an answer."""
    return name in answers and not answers[name].sum().isfinite()  # a map of them would take much memory


def _columns(head: Head, answer: np.ndarray) -> dict[str, Any]:
    if head.kind is Kind.NUMBER:
        return {f"{head.name}_predicted": float(answer[0])}
    columns: dict[str, Any] = {
        f"{head.name}_prob_{name}": float(p) for name, p in zip(head.classes, answer, strict=True)
    }
    if head.kind is Kind.CLASSES:
        columns[f"{head.name}_predicted"] = head.classes[int(answer.argmax())]
    return columns


def _uncertainty(head: Head, members: np.ndarray) -> dict[str, Any]:
    """Columns of what the members, (M, outputs), say together; one alone has an entropy and no spread."""
    if head.kind is Kind.NUMBER:
        return {f"{head.name}_sd": float(members.std(ddof=1))} if len(members) > 1 else {}
    labels = head.kind is Kind.LABELS
    found = ensemble_uncertainty(np.stack([1 - members, members], axis=-1) if labels else members[:, None])
    of = [f"_{label}" for label in head.classes] if labels else [""]
    columns = {f"{head.name}_entropy{name}": float(nats) for name, nats in zip(of, found.entropy, strict=True)}
    if len(members) > 1:
        mutual, sd = found.mutual_information, found.sd[:, 1] if labels else found.sd[0]
        columns |= {f"{head.name}_mutual_information{name}": float(nats) for name, nats in zip(of, mutual, strict=True)}
        columns |= {f"{head.name}_sd_{name}": float(p) for name, p in zip(head.classes, sd, strict=True)}
    return columns
