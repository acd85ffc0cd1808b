"""Phantom cohorts for any bundle, and one tiny training that many tests look at."""

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
from hypothesis import settings
from matplotlib.figure import Figure
from nibabel.affines import apply_affine
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.stats import binomtest

from mtseg.bundle import find, train
from mtseg.bundle.config import load_config
from mtseg.bundle.locate import root
from mtseg.data import read_cohort
from mtseg.data.checks.header import is_series
from mtseg.study.pictures import read_picture
from mtseg.tasks import Head, Kind, Structures, heads_from

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")  # a busy one is slow, which is no fault

TINY = (
    "network_def={_target_: mtseg.networks.JointNet, in_channels: 2, mask_classes: 2, heads: {outcome: 2}, "
    "channels: [4, 8]}",
    "patch_size=[12, 12, 12]",
    "batch_size=2",
    "epochs=4",
    "val_interval=2",
)
"""Settings that make stroke_dwi_adc train in a second; a phantom (20, 16, 14) is larger than its patch."""


def read_config(name: str, file: str = "train.yaml") -> dict[str, Any]:
    return load_config(find(name) / "configs" / file, root=root())


def make_phantoms(folder: Path, name: str, *, edge: int = 16, subjects: int = 8) -> Path:
    """Write a cohort with all columns that a bundle needs; odd and even subjects answer differently."""
    config, scores = read_config(name), read_config(name, "evaluate.yaml")["simple_scores"]
    rng = np.random.default_rng(0)
    x_mm, y_mm, z_mm = (*config["spacing"], 5.0)[:3]  # that of a slice says nothing across it
    shape, affine = (edge + 4, edge, edge - 2), np.diag([x_mm, y_mm, z_mm, 1.0])
    structures, side = Structures(config["structures"]), edge // 6
    rows = []
    for i in range(subjects):
        mask, brightness = np.zeros(shape, np.int16), np.full(shape, 100.0)
        for k, structure in enumerate(structures.names):
            x, y = (2 + (side + 1) * n for n in divmod(k, 4))
            box = (slice(x, x + side), slice(y, y + side), slice(3, -3))
            mask[box], brightness[box] = structures.file_values(structure)[0], 150 + 20 * k
        row = {"participant_id": f"p{i}", "fold": i // 2 % 2, "mask": f"p{i}_mask.nii.gz"}
        nib.save(nib.Nifti1Image(mask, affine), folder / row["mask"])
        for sequence in config["sequences"]:
            row[sequence] = f"p{i}_{sequence}.nii.gz"
            if is_series(sequence):  # longer than a clip
                brightness = np.stack([brightness] * (config["clip"] + 4), axis=-1)
            voxels = rng.normal(brightness, 10).astype(np.float32)
            nib.save(nib.Nifti1Image(voxels, affine), folder / row[sequence])
        row |= {f"slice_{config['plane']}": edge // 2 - i % 4} if "plane" in config else {}
        row |= dict.fromkeys(scores, 40 + i)
        rows.append(row | {head.name: _answer(head, i) for head in heads_from(config["heads"])})
    pd.DataFrame(rows).to_csv(folder / "cohort.tsv", sep="\t", index=False)
    return folder / "cohort.tsv"


def _answer(head: Head, i: int) -> Any:
    return head.mean + head.sd * (-1) ** i + i if head.kind is Kind.NUMBER else head.classes[i % len(head.classes)]


@dataclass(frozen=True)
class TinyStroke:
    """A phantom cohort, and the settings with which stroke_dwi_adc trains on it quickly."""

    table: Path

    def train(self, out: Path, *settings: str, **options: Any) -> Path:
        return train(**self.arguments(out, *settings, **options))

    def arguments(self, out: Path, *settings: str, **options: Any) -> dict[str, Any]:
        given = {"name": "stroke_dwi_adc", "cohort": self.table, "out": out, "fold": 0}
        return given | {"settings": (*TINY, *settings)} | options

    def with_cells(self, name: str, cells: dict[tuple[str, str], Any]) -> Path:
        """Write the table once more, with some (subject, column) cells changed."""
        table = pd.read_csv(self.table, sep="\t", dtype=object).set_index("participant_id")
        for where, value in cells.items():
            table.loc[where] = value
        table.to_csv(self.table.with_name(name), sep="\t", na_rep="n/a")
        return self.table.with_name(name)


@pytest.fixture(scope="session")
def bundle_config():
    return read_config


@pytest.fixture(scope="session")
def phantoms():
    return make_phantoms


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyStroke:
    return TinyStroke(make_phantoms(tmp_path_factory.mktemp("cohort"), "stroke_dwi_adc"))


@pytest.fixture(scope="session")
def trained(tiny: TinyStroke, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of an uninterrupted tiny training."""
    return tiny.train(tmp_path_factory.mktemp("trained") / "run")


@pytest.fixture(scope="session")
def tiny_settings() -> Sequence[str]:
    return TINY


@pytest.fixture(scope="session")
def save_series():
    def save(folder: Path, voxels: np.ndarray, affine: np.ndarray) -> None:
        """Store (column, row, slice) voxels as a DICOM series; `affine` leads to RAS mm, DICOM counts LPS."""
        lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        folder.mkdir()
        series, study, frame = generate_uid(), generate_uid(), generate_uid()
        for k in range(voxels.shape[2]):
            meta = pydicom.dataset.FileMetaDataset()
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
            ds.SOPClassUID, ds.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
            ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID = series, study, frame
            ds.Modality, ds.PatientID, ds.InstanceNumber = "MR", "p1", k + 1
            ds.ImagePositionPatient = [f"{v:.6f}" for v in apply_affine(lps, [0, 0, k])]
            ds.ImageOrientationPatient = [f"{v:.9f}" for v in (lps[:3, :2] / spacing[:2]).T.ravel()]
            ds.PixelSpacing = [f"{spacing[1]:.6f}", f"{spacing[0]:.6f}"]  # between rows first
            ds.SliceThickness = f"{spacing[2]:.6f}"
            ds.Columns, ds.Rows = voxels.shape[:2]
            ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
            ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
            ds.PixelData = np.ascontiguousarray(voxels[:, :, k].T).astype("<u2").tobytes()
            # the names' order is not the slices'
            ds.save_as(folder / f"{voxels.shape[2] - k:03d}.dcm", enforce_file_format=True)

    return save


@pytest.fixture(scope="session")
def processes() -> BaseContext:
    """Starts processes of their own in no time: they come with all that takes long to import, and nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mtseg.experiment"])
    forkserver.ensure_running()  # before Dask, which has its own idea of what to import
    return context


@pytest.fixture
def remembered():
    """The network that remembers most: how often an image gets the label of the most similar one that trains,
    and how unlikely that is.

    Images of one person (or event) look alike here and persons do not, so a fold that shares a person with another one
    is answered by heart, whatever the labels mean.
    """

    def call(path, *, image, label, of, folds=None):
        table = read_cohort(path).table
        fold = table["fold"].to_numpy() if folds is None else np.asarray(folds)
        pixels = np.stack([read_picture(file).ravel() for file in table[image]])
        far = np.square(pixels[:, None] - pixels[None]).sum(axis=-1)
        far[fold[:, None] == fold[None]] = np.inf
        right = table[label].to_numpy() == table[label].to_numpy()[far.argmin(axis=1)]
        persons = pd.Series(right).groupby(table[of].to_numpy()).mean() > 0.5
        chance = np.square(table.groupby(of)[label].first().value_counts(normalize=True)).sum()
        return right.mean(), binomtest(int(persons.sum()), len(persons), chance, alternative="greater").pvalue

    return call


@pytest.fixture(scope="session")
def hide_figures():
    """Figures of reports are made but not rendered, which takes most of the time of tiny trainings."""
    render = Figure.savefig

    def render_files(figure, target, **options):
        if not isinstance(target, BytesIO):
            render(figure, target, **options)

    return lambda patch: patch.setattr(Figure, "savefig", render_files)


@pytest.fixture
def hidden_figures(hide_figures, monkeypatch):
    hide_figures(monkeypatch)


@pytest.fixture(scope="session")
def omit_figures():
    """Reports of evaluations are without figures, which take most of the time of tiny trainings."""

    def omit(patch):
        patch.setattr("mtseg.report.write.head_pictures", lambda *_, **__: ())
        patch.setattr("mtseg.report.write.learning_curves", lambda _: None)

    return omit


@pytest.fixture
def plain_reports(omit_figures, monkeypatch):
    omit_figures(monkeypatch)
