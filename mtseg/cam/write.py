"""Writing explanations: maps in the input's grid, pictures, what they are, and tables."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from ignite.engine import Engine, Events
from torch import Tensor, nn

from mtseg.cam.agreement import compare_map
from mtseg.cam.checks import check_map, passes
from mtseg.cam.picture import draw, write_page
from mtseg.cam.subject import SubjectExplainer
from mtseg.cam.targets import MaskTarget
from mtseg.data import Cohort
from mtseg.files import replacing, write_table
from mtseg.images import first_volume, native_affine, read_image, save_like
from mtseg.keys import Column, File, Key
from mtseg.metrics import read_masks
from mtseg.planes import Slice
from mtseg.statistics import means_table
from mtseg.tasks import Head, Structures

logger = logging.getLogger("mtseg")

GAINS = {"deletion_auc": -1, "insertion_auc": 1, "road": 1}
"""Measures that a random map gets too, and whether more or less is better."""

OURS = (
    "*_cam*.nii.gz",
    "*_cam.json",
    "*_cam.png",
    "*_cam.html",
    "group_*_mean.nii.gz",
    "group_*_sd.nii.gz",
    "group_*_n.nii.gz",
    "group_*_peaks.tsv",
    File.EXPLANATIONS,
    File.EXPLANATIONS_SUMMARY,
    File.RANDOMISATION,
    File.CURVES,
    File.REGIONS,
    File.REGIONS_COMPARED,
)
"""What an explanation leaves behind, besides a prediction's files."""


class WriteExplanations:
    """Write the maps of each subject and, at the end, the tables; see the output reference.

    Expects the evaluator's outputs after post-processing: "cam" (maps, *spatial) in the input's own grid, and the
    predicted masks already written.

    Args:
        folder: Where the files go.
        explainer: What made the maps.
        cohort: The subjects; their masks are compared with the maps.
        structures: The mask's structures.
        heads: The network's heads.
        faithfulness: Also check each map, which takes some hundred passes through the network; with scorecam and
            ablationcam thousands, see `mtseg.cam.checks.passes`.
        pictures: Also draw each map, which takes longer than to make it.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        explainer: SubjectExplainer,
        cohort: Cohort,
        structures: Structures,
        heads: tuple[Head, ...],
        faithfulness: bool = False,
        pictures: bool = True,
    ):
        self.folder = Path(folder)
        self.explainer = explainer
        self.references = {r[Key.SUBJECT]: r[Key.MASK] for r in cohort.records(sequences=())}
        self.structures = structures
        self.heads = {head.name: head for head in heads}
        self.faithfulness = faithfulness
        self.pictures = pictures
        self.rows: list[dict[str, Any]] = []
        self.checks: dict[str, list[pd.DataFrame]] = {}

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator, after what writes the masks."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.write_subject)
        engine.add_event_handler(Events.COMPLETED, self.write_tables)

    def start(self) -> None:
        """Remove what an earlier explanation left in the folder, which would pass for a part of this one."""
        self.rows.clear()
        self.checks.clear()
        remove_maps(self.folder)

    def write_subject(self, engine: Engine) -> None:
        """Write the files of a batch of one subject."""
        (sample,), (output,) = engine.state.batch, engine.state.output
        subject, meta = sample[Key.SUBJECT], sample[Key.IMAGE].meta
        layers = len(self.explainer.names)
        maps = np.moveaxis(output["cam"].numpy(force=True), 0, -1).clip(min=0)  # (*spatial, layers)
        maps, spread = maps[..., :layers], maps[..., layers:]
        peaks = maps.max(axis=tuple(range(maps.ndim - 1)))
        normalised = np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > 0)
        for name, values in {"cam": maps, "cam_normalised": normalised, "cam_sd": spread}.items():
            if values.shape[-1]:
                save_like(values[..., 0] if layers == 1 else values, meta, self.folder / f"{subject}_{name}.nii.gz")
        about = self._about(engine.network) | {"peak": float(peaks[0])}
        with replacing(self.folder / f"{subject}_cam.json") as temporary:
            temporary.write_text(json.dumps({"subject": subject} | about, indent=2) + "\n")
        if self.pictures:
            self._draw(subject, sample[Key.IMAGE], about)
        row = {Column.SUBJECT.value: subject, "head": about["head"], "answer": about["answer"]}
        row |= {"score": self.explainer.score, "peak": about["peak"]} | self._agreement(sample, normalised[..., 0])
        if self.faithfulness:
            image = sample[Key.IMAGE].as_tensor()
            if not self.rows:
                anew = passes(self.explainer, engine.network, image)
                logger.info("checking a map makes it anew, by %d passes through the network for each subject", anew)
            checks = check_map(self.explainer, engine.network, image, seed=len(self.rows))
            row |= checks.row
            for name, table in {File.CURVES: checks.curves, File.RANDOMISATION: checks.cascade}.items():
                self.checks.setdefault(name, []).append(table.assign(**{Column.SUBJECT.value: subject}))
        self.rows.append(row)
        # After each subject, so that an interrupted run has the table of what it did.
        write_table(pd.DataFrame(self.rows), self.folder / File.EXPLANATIONS)

    def write_tables(self) -> None:
        """Write the means over subjects, and the tables of the checks."""
        table = pd.DataFrame(self.rows)
        measures = table.drop(columns=[Column.SUBJECT, "head", "answer", "score", "peak"])
        if self.faithfulness:
            for name, sign in GAINS.items():
                measures[f"{name}_gain"] = sign * (measures[name] - measures[f"{name}_random"])
            for name, tables in self.checks.items():
                write_table(pd.concat(tables), self.folder / name)
        write_table(means_table(measures), self.folder / File.EXPLANATIONS_SUMMARY)

    def _about(self, network: nn.Module) -> dict[str, Any]:
        explainer, target = self.explainer, self.explainer.target
        members = 1 + len(explainer.others)
        about = {
            "method": explainer.method,
            "layers": list(explainer.names),
            "head": target.head,
            "answer": self._answer(),
            "score": explainer.score,
            "mirrored_too": explainer.mirror,
            "members": members,
            "unit": "share of each member's maximum, averaged" if members > 1 else "the method's own, 0 and above",
            "models": [fingerprint(member) for member in (network, *explainer.others)],
        }
        if isinstance(target, MaskTarget):
            return about | {"where": explainer.asked.where}  # type: ignore[union-attr]
        against = None if target.against is None else self.heads[str(target.head)].classes[target.against]
        return about | {"against": against, "scale": target.scale.value}

    def _answer(self) -> str:
        """Name of what is explained: the structure, the class, or the number's own head."""
        target = self.explainer.target
        if isinstance(target, MaskTarget):
            return self.structures.names[target.index - 1]
        head = self.heads[str(target.head)]
        return head.classes[int(target.index)] if head.classes else head.name  # type: ignore[arg-type]

    def _agreement(self, sample: Mapping[str, Any], attribution: np.ndarray) -> dict[str, float]:
        """Columns for the network's own mask and the reference."""
        subject, only, target = sample[Key.SUBJECT], Slice.of(sample), self.explainer.target
        own = self.folder / f"{subject}_mask.nii.gz"
        row: dict[str, float] = {}
        if not self.structures.names:
            return row
        attribution = np.atleast_3d(attribution)
        if only is not None:
            attribution = attribution[only.within(native_affine(sample[Key.IMAGE].meta))]
        for which, path in {"own": own, "reference": self.references[subject]}.items():
            if path is not None:
                labels = self.structures.classes(read_masks(own, Path(path), subject=subject, only=only).reference)
                asked = labels == target.index if isinstance(target, MaskTarget) else labels > 0
                found = asdict(compare_map(attribution, asked))
                row |= {f"{measure}_{which}": value for measure, value in found.items()}
        return row

    def _draw(self, subject: str, image: Tensor, about: Mapping[str, Any]) -> None:
        anatomy = first_volume(read_image(image.meta["filename_or_obj"]))  # type: ignore[attr-defined]
        first = first_volume(nib.load(self.folder / f"{subject}_cam_normalised.nii.gz"))
        how = f"{about['method']}, peak {about['peak']:.2g}"
        title = f"{subject}: {about['head']} {about['answer']}, {about['score']:.3g} ({how})"
        own = self.folder / f"{subject}_mask.nii.gz"
        mask = first_volume(nib.load(own)) if self.structures.names else None
        draw(self.folder / f"{subject}_cam.png", anatomy=anatomy, normalised=first, mask=mask, title=title)
        write_page(self.folder / f"{subject}_cam.html", anatomy=anatomy, normalised=first, title=title)


def remove_maps(folder: str | os.PathLike) -> None:
    """Remove what an explanation left in a folder: its maps would pass for those of the next predictions."""
    for pattern in OURS:
        for path in Path(folder).glob(str(pattern)):
            path.unlink()


def fingerprint(network: nn.Module) -> str:
    """Twelve hexadecimal digits that change with any weight."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
