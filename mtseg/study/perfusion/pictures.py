"""The study's pictures: surface maps of Z as four views, and the tables that say which to train on."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mtseg.cam.atlas import read_atlas
from mtseg.data import Cohort, write_cohort
from mtseg.errors import InputError
from mtseg.files import read_table, replacing
from mtseg.keys import Column
from mtseg.ssp import Pattern, Reference
from mtseg.ssp.database import LEAST_SUBJECTS
from mtseg.study.perfusion.cases import check_people, project_normals, project_unseen, read_perfusion, shown
from mtseg.study.perfusion.composite import lowered_regions, seen_surface
from mtseg.study.perfusion.displays import TRAINING, UNUSED, WAYS, Display, Split, Way, Window, divide, draw_displays
from mtseg.study.perfusion.drawing import BASE_SUBJECT, FOLDER, Drawing
from mtseg.study.pictures import save_picture

TEST_REFERENCES = (Reference.GLB, Reference.PNS)
"""Two for each patient, as published, where a physician chose which; here whole brain and pons for everybody."""

TEST_WINDOW = Window(1.5, 5.0)
"""One of those trained on, neither the narrowest nor the widest."""

LEAST_NORMALS = LEAST_SUBJECTS + 1
"""One is left out where its own pictures are made."""

LEAST_SIZE = 32
SETTINGS = "settings.json"


@dataclass(frozen=True)
class Pictures:
    """What `make_pictures` leaves behind.

    Attributes:
        tables: Cohort tables of the splits: fold 1 to train on, fold 0 to validate on.
        test: Cohort table of the patients to test on, of other people.
        regions: Pictures that are 1 where the regions of AD and of DLB lie, else 0.
        surface: Picture that is 1 where the surface is seen, else 0.
        simulated_normals: Whether the normal subjects are simulated; patients to train on always are.
        simulated_test: Whether the patients to test on are.
    """

    tables: Mapping[Split, Path]
    test: Path
    regions: Mapping[Pattern, Path]
    surface: Path
    simulated_normals: bool
    simulated_test: bool

    def training_per_class(self, split: Split) -> int:
        """Pictures that a split leaves to train on."""
        return int((read_table(self.tables[split])[Column.FOLD] == TRAINING).sum()) // len(Pattern)


def make_pictures(
    out: str | PathLike,
    *,
    atlas: str | PathLike,
    template: str | PathLike | None = None,
    normals: int | Cohort = 28,
    patients: Cohort | None = None,
    test_subjects: int = 20,
    size: int = 224,
    pictures_per_class: int = 369,
    validation_per_class: int = 28,
    seed: int = 0,
) -> Pictures:
    """Make the pictures and tables, unless they are there and were made with the same settings.

    A picture shows Z of one case against the normal subjects, without the one that the case is or was made of. The
    three classes show the same normal subjects, reference regions and display windows. In both splits all normal
    subjects are in the database, also those held out.

    Args:
        out: Folder to write: `pictures/`, `published.tsv`, `disjoint.tsv`, `test.tsv`, `settings.json` and pictures of
            the surface and the lowered regions. What an earlier call with other settings left there is replaced.
        atlas: AAL in MNI space, its names beside it.
        template: Mean perfusion of normal people in MNI space; needed if anybody is simulated. Beside own images it
            must be of their tracer and camera, or Z mean nothing.
        normals: How many normal subjects to simulate, or a cohort with one scan each in MNI space (`perfusion`).
        patients: The user's own to test on, with `perfusion` and `diagnosis` (NC, AD or DLB).
        test_subjects: How many to simulate of each class, where the user brings none; each of a normal subject that is
            in no other picture.
        size: Pixels of a picture along each side; 247 were published, the classifiers take multiples of 32.
        pictures_per_class: To train and to validate on; spread evenly over the normal subjects.
        validation_per_class: Those of them to validate on.
        seed: Of everything random.

    Raises:
        InputError: A file cannot be used, or there are not so many pictures; nothing is written then.

    References:
        Yamamoto et al., Classification of the statistical analysis images of cerebral blood flow SPECT by using the
        transfer learning; Minoshima et al., J Nucl Med 1995.
    """
    out, unseen = Path(out), test_subjects if patients is None else patients
    bases = len(normals) if isinstance(normals, Cohort) else normals
    _check_numbers(bases=bases, test_subjects=test_subjects, size=size)
    numbers = {"pictures_per_class": pictures_per_class, "validation_per_class": validation_per_class, "seed": seed}
    _plan([WAYS] * bases, **numbers)  # what cannot be is said now, not in minutes
    check_people(normals, unseen, template=template)
    aal, mean = read_atlas(atlas), None if template is None else read_perfusion(template)
    settings = {
        "mtseg": version("mtseg"),
        "atlas": _digest(aal.labels, aal.affine, aal.names),
        "template": None if mean is None else _digest(mean.dataobj, mean.affine),
        "normals": normals.fingerprint() if isinstance(normals, Cohort) else normals,
        "patients": unseen.fingerprint() if isinstance(unseen, Cohort) else unseen,
        "size": size,
    }
    made = Pictures(
        tables={split: out / f"{split}.tsv" for split in Split},
        test=out / "test.tsv",
        regions={pattern: out / f"regions_{pattern}.nii.gz" for pattern in Pattern if pattern.regions},
        surface=out / "surface.nii.gz",
        simulated_normals=not isinstance(normals, Cohort),
        simulated_test=patients is None,
    )
    if _complete(out, made, settings | numbers):
        return made

    # Everybody is looked at before anything is written: projections take little memory.
    known = project_normals(normals, template=mean, atlas=aal, seed=seed)
    others = project_unseen(unseen, template=mean, atlas=aal, seed=seed)
    drawing = Drawing.against([versions[0] for versions in known], out=out, size=size)
    displays, folds = _plan([drawing.ways(versions) for versions in known], **numbers)
    lowered = {path: lowered_regions(pattern, atlas=aal, size=size) for pattern, path in made.regions.items()}

    _begin(out, made, settings | numbers)
    for path, pixels in {**lowered, made.surface: seen_surface(size=size)}.items():
        save_picture(path, pixels)
    drawn = [
        drawing.draw(f"{case.pattern}-{number:03d}", case, display.reference, display.window, without=case.subject)
        for number, display in enumerate(shown(displays, "Pictures", total=len(displays)), start=1)
        for case in known[display.base]
    ]
    tested = [
        drawing.draw(f"test-{case.subject}-{reference}", case, reference, TEST_WINDOW)
        for case in others
        for reference in TEST_REFERENCES
    ]
    _write_tables(pd.DataFrame(drawn), pd.DataFrame(tested), folds, made)
    return made


def _check_numbers(*, bases: int, test_subjects: int, size: int) -> None:
    if bases < LEAST_NORMALS:
        raise InputError(f"normal subjects: {bases}, but {LEAST_NORMALS} are the least: each is compared with others")
    if test_subjects < 1:
        raise InputError(f"test subjects per class: {test_subjects}, but there must be one at least")
    if size < LEAST_SIZE:
        raise InputError(f"size of the pictures: {size} pixels, but the classifiers need {LEAST_SIZE} at least")


def _plan(
    ways: Sequence[Sequence[Way]], *, pictures_per_class: int, validation_per_class: int, seed: int
) -> tuple[tuple[Display, ...], dict[Split, np.ndarray]]:
    """Draw the displays, and their folds in each split."""
    displays = draw_displays(ways, count=pictures_per_class, seed=seed)
    return displays, {split: divide(displays, split, validation=validation_per_class, seed=seed) for split in Split}


def _digest(*parts: Any) -> str:
    """Twelve hexadecimal digits that change with any number or name."""
    return hashlib.sha256(b"".join(np.asarray(part).tobytes() for part in parts)).hexdigest()[:12]


def _complete(out: Path, made: Pictures, settings: Mapping[str, Any]) -> bool:
    """Whether the tables, which are written last, are there, and were made with these settings."""
    written = out / SETTINGS
    tables = all(path.exists() for path in (*made.tables.values(), made.test))
    return tables and written.exists() and written.read_text() == _as_text(settings)


def _begin(out: Path, made: Pictures, settings: Mapping[str, Any]) -> None:
    """Take away what other settings left, and say what is being made."""
    for path in (*made.tables.values(), made.test):
        path.unlink(missing_ok=True)
    if (out / SETTINGS).exists():  # or the pictures are not those of an earlier call
        shutil.rmtree(out / FOLDER, ignore_errors=True)
    with replacing(out / SETTINGS) as temporary:
        temporary.write_text(_as_text(settings))


def _as_text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, indent=2) + "\n"


def _write_tables(drawn: pd.DataFrame, tested: pd.DataFrame, folds: Mapping[Split, np.ndarray], made: Pictures) -> None:
    grouped = {BASE_SUBJECT: Column.GROUP.value}
    for split, path in made.tables.items():
        table = drawn.assign(**{Column.FOLD.value: np.repeat(folds[split], len(Pattern))})
        table = table[table[Column.FOLD] != UNUSED]
        write_cohort(table if split is Split.PUBLISHED else table.rename(columns=grouped), path)
    write_cohort(tested.rename(columns=grouped), made.test)
