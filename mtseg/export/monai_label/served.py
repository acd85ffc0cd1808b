"""A trained bundle that answers about one image at a time, as a server needs it; nothing here needs MONAI Label."""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import log, nan
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.filebasedimages import ImageFileError
from nilearn.image import resample_to_img

from mtseg.bundle import describe, explain
from mtseg.bundle.config import load_config
from mtseg.bundle.locate import root
from mtseg.bundle.members import add_uncertainty
from mtseg.bundle.run import infer
from mtseg.data import write_cohort
from mtseg.data.checks.header import check_kind
from mtseg.data.checks.scan import Scan
from mtseg.errors import InputError, ProblemsError
from mtseg.export.monai_label.subjects import Subject, Subjects
from mtseg.files import read_table
from mtseg.grids import grid_shift
from mtseg.images import first_volume, read_image
from mtseg.keys import MASK_ENTROPY, Column, File, Task
from mtseg.tasks import Head, Kind


@dataclass(frozen=True)
class Answer:
    """What the network says of an image.

    Attributes:
        mask: The file, in the image's own grid; structures are numbered from 1 in the bundle's order.
        result: What is said in words and numbers, ready for JSON.
        cam: The map, in the grid of the subject's first sequence, 0 to 1; None if it was not asked for.
    """

    mask: Path
    result: dict[str, Any]
    cam: Path | None = None


class ServedModel:
    """Answer about images with a bundle's weights as they are at the moment.

    Args:
        folder: The bundle; complete, with weights, and without a setting that takes slices or clips.
        table: Table of the subjects, or None: their images, and the targets to train on.
    """

    def __init__(self, folder: Path, *, table: Path | None = None):
        self.folder = folder
        self.about = describe(str(folder))
        self.weights = folder / "models" / File.WEIGHTS
        self.subjects = Subjects(self.about.sequences, optional=self.about.optional, table=table)
        self.config = load_config(folder / "configs" / "inference.yaml", root=root())
        self._one_at_a_time = Lock()

    @property
    def maps(self) -> tuple[str, ...]:
        """What a map can explain: heads and structures."""
        return (*(head.name for head in self.about.heads), *self.about.structures.names)

    @property
    def version(self) -> str:
        """Changes whenever the weights are replaced."""
        weights = self.weights.stat()
        return f"{weights.st_mtime_ns}-{weights.st_size}"

    def find(self, image: Path) -> Subject:
        """Find whom an image shows.

        Raises:
            InputError: See `Subjects.of`; or it cannot be read.
        """
        return self.subjects.of(image, volumes=_volumes(image) if len(self.about.sequences) > 1 else 1)

    @contextmanager
    def answer(self, image: Path, *, cam: str | None = None) -> Iterator[Answer]:
        """Segment and classify a subject; the files are there within the block.

        Args:
            image: One of the subject's images, or a 4D file of all its sequences.
            cam: Name of a head or a structure, of whose answer a map is made too.

        Raises:
            InputError: The image cannot be used; says why.
        """
        with self._one_at_a_time, TemporaryDirectory(prefix="mtseg-") as folder:
            subject = self.find(image)
            out = Path(folder) / "out"
            table = self.table_of([subject], folder=Path(folder))
            self._predict(table, out, cam=cam)
            classes = [f"{head.name}_predicted" for head in self.about.heads if head.kind is Kind.CLASSES]
            row = read_table(out / File.PREDICTIONS, text=classes).iloc[0].to_dict()
            mask = out / row["mask_file"]
            to_grid_of(image, mask)
            found = next(out.glob("*_cam_normalised.nii.gz"), None)
            said = {} if found is None else {"cam": _about_map(out)}
            yield Answer(mask=mask, result=self._result(subject, row) | said, cam=found)

    def table_of(self, subjects: list[Subject], *, folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
        """Write a cohort table of subjects.

        Args:
            subjects: Their 4D images are divided into files in the folder.
            folder: Where the table goes.
            rows: Further cells of each subject.
        """
        cells: list[dict[str, Any]] = [
            {Column.SUBJECT.value: subject.name} | self._files(subject, folder=folder) for subject in subjects
        ]
        more = rows or [{} for _ in subjects]
        table = pd.DataFrame([a | b for a, b in zip(cells, more, strict=True)], dtype=object)
        write_cohort(table, folder / "subjects.tsv")
        return folder / "subjects.tsv"

    def _predict(self, table: Path, out: Path, *, cam: str | None) -> None:
        if cam is not None:
            if cam not in self.maps:
                raise InputError(f"cam {cam}: there is no such answer. Choose one of {', '.join(self.maps)}")
            head, answer = (Task.SEG.value, cam) if cam in self.about.structures.names else (cam, None)
            explain(str(self.folder), cohort=table, out=out, pictures=False, head=head, answer=answer)
            return
        config = self.config | {"cohort": str(table), "mirror": False, "probabilities": False}
        infer(self.folder, "inference.yaml", add_uncertainty(config), out=out, weights=[self.weights])

    def _files(self, subject: Subject, *, folder: Path) -> dict[str, str | None]:
        """Give a file for each sequence; a volume of a 4D file that is the same everywhere is a missing sequence."""
        sequences = self.about.sequences
        if len(subject.images) == len(sequences):
            named = zip(sequences, subject.images, strict=True)
            return {name: None if path is None else str(path) for name, path in named}
        whole = nib.load(subject.images[0])
        if problems := [*check_kind(Scan(subject.name, "image", str(subject.images[0])), whole)]:
            raise ProblemsError(problems)
        files: dict[str, str | None] = {}
        for k, name in enumerate(sequences):
            path = folder / f"{subject.name}_{name}.nii.gz"
            try:
                volume = whole.slicer[..., k]  # this reads the voxels
            except (OSError, EOFError, zlib.error) as error:
                raise InputError(f"{subject.images[0]}: is cut off or damaged ({error}). Copy it again") from error
            empty = name in self.about.optional and np.ptp(np.asarray(volume.dataobj)) == 0
            if not empty:
                nib.save(volume, path)
            files[name] = None if empty else str(path)
        return files

    def _result(self, subject: Subject, row: Mapping[Any, Any]) -> dict[str, Any]:
        structures = self.about.structures.names
        named = zip(self.about.sequences, subject.images, strict=True) if len(subject.images) > 1 else ()
        result: dict[str, Any] = {
            "subject": subject.name,
            "sequences": {name: path and path.name for name, path in named},
            "label_names": {name: k for k, name in enumerate(structures, start=1)},
            "volumes_mm3": {name: row[f"{name}_volume_mm3"] for name in structures},
            "heads": {head.name: _said(head, row) for head in self.about.heads},
        }
        return result | ({"uncertainty": self._uncertainty(row)} if MASK_ENTROPY in row else {})

    def _uncertainty(self, row: Mapping[Any, Any]) -> dict[str, float]:
        """Entropies as shares of the largest that there is, and their mean, in which mask and heads count alike.

        A network that found nothing is as uncertain about the mask as can be: there it is worth looking.
        """
        entropy = row[MASK_ENTROPY]
        mask = 1.0 if pd.isna(entropy) else entropy / log(self.about.structures.count)
        heads = {head.name: share for head in self.about.heads if (share := _entropy(head, row)) is not None}
        parts = [mask, *([float(np.mean([*heads.values()]))] if heads else [])]
        return {"mask": mask, **heads, "mean": float(np.mean(parts))}


def _volumes(image: Path) -> int:
    try:
        shape = nib.load(image).shape
    except (OSError, ImageFileError) as error:
        raise InputError(f"{image.name}: cannot be read ({error}). Convert or copy it again") from error
    return shape[3] if len(shape) == 4 else 1


def to_grid_of(image: Path, mask: Path) -> None:
    """Put a mask onto the grid of an image, if it is on that of another sequence."""
    wanted, found = first_volume(read_image(image)), nib.load(mask)
    if wanted.shape == found.shape and not grid_shift(found.affine, wanted.affine, shape=wanted.shape):
        return
    moved = resample_to_img(found, wanted, interpolation="nearest", force_resample=True, copy_header=True)
    nib.save(moved, mask)


def _said(head: Head, row: Mapping[Any, Any]) -> dict[str, Any]:
    """A head's answer: the probabilities of its classes, and the class or number that is predicted."""
    said: dict[str, Any] = {}
    if head.classes:
        said["probabilities"] = {name: float(row[f"{head.name}_prob_{name}"]) for name in head.classes}
    if head.kind is not Kind.LABELS:
        predicted = row[f"{head.name}_predicted"]
        said["predicted"] = float(predicted) if head.kind is Kind.NUMBER else predicted
    return said


def _entropy(head: Head, row: Mapping[Any, Any]) -> float | None:
    if head.kind is Kind.NUMBER:
        return None
    if head.kind is Kind.CLASSES:
        return float(row[f"{head.name}_entropy"]) / log(len(head.classes))
    return float(np.mean([row.get(f"{head.name}_entropy_{label}", nan) for label in head.classes])) / log(2)


def _about_map(out: Path) -> dict[str, Any]:
    about = read_table(out / File.EXPLANATIONS, text=["answer"]).iloc[0]
    return {name: about[name] if isinstance(about[name], str) else float(about[name]) for name in _MAP}


_MAP = ("head", "answer", "score", "peak")
