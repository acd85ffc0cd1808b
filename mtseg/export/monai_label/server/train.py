"""Training on the masks that were drawn, with the classes of the table."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import nibabel as nib
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.train import TrainTask

from mtseg.bundle import train
from mtseg.bundle.config import load_config
from mtseg.bundle.locate import root
from mtseg.errors import InputError
from mtseg.export.monai_label.drawn import read_drawn
from mtseg.export.monai_label.options import switched_on, training_settings
from mtseg.export.monai_label.served import ServedModel, to_grid_of
from mtseg.export.monai_label.server.subjects import labeled
from mtseg.export.monai_label.subjects import Subject
from mtseg.files import read_table, replacing
from mtseg.keys import Column, File

EPOCHS = 20
GENTLER = 0.1
"""Share of the bundle's learning rate with which trained weights go on: a few new masks shall not undo them."""

TRAININGS = "trainings"
"""Folder of the app that keeps every training: its masks, its table, its weights."""


class JointTraining(TrainTask):
    """Go on with the served weights on all finished masks, and serve the result.

    A subject's classes and numbers are looked up in the table; one who is not in it teaches the mask alone.

    Args:
        model: What is trained.
    """

    def __init__(self, model: ServedModel):
        super().__init__("Train on all finished masks, with the classes of the table")
        self.model = model
        self.settings = load_config(model.folder / "configs" / "train.yaml", root=root())
        self.folder = model.folder.parent.parent / TRAININGS

    def config(self) -> dict[str, Any]:
        """Options that a viewer shows; without `pretrained` everything learnt before is forgotten."""
        rate = GENTLER * self.settings["learning_rate"]
        return {"max_epochs": EPOCHS, "learning_rate": rate, "pretrained": True}

    def stats(self) -> dict[str, Any]:
        """How far the newest training is."""
        history = max(self.folder.glob(f"*/run/{File.HISTORY}"), default=None)
        if history is None:
            return {}
        rows = read_table(history)
        epochs = load_config(history.parent / "configs" / "train.yaml", root=root())["epochs"]
        said = {"epoch": int(rows["epoch"].iloc[-1]), "total_epochs": epochs, "loss": float(rows["loss"].iloc[-1])}
        done = (history.parent / "models" / File.WEIGHTS).is_file()
        return said | ({"total_time": float(rows["seconds"].iloc[-1])} if done else {})

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, and replace the served weights if it succeeds.

        Args:
            request: The options of `config`, where they differ from it.
            datastore: Holds the masks.

        Raises:
            InputError: An option cannot be used; there is no finished mask, or one cannot be used; lists all of them.
        """
        options = self.config() | {name: request[name] for name in self.config() if name in request}
        settings = training_settings(epochs=options["max_epochs"], rate=options["learning_rate"])
        if switched_on(options["pretrained"], name="pretrained"):
            settings.append(f"start_weights={json.dumps(str(self.model.weights))}")
        folder, started = self.folder / f"{datetime.now():%Y%m%d-%H%M%S-%f}", perf_counter()
        folder.mkdir(parents=True)
        try:
            subjects = self._subjects(datastore, folder=folder)
            run = train(str(self.model.folder), cohort=folder / "subjects.tsv", out=folder / "run", settings=settings)
        except Exception:  # one that is kept is complete
            shutil.rmtree(folder)
            raise
        with replacing(self.model.weights) as temporary:
            shutil.copyfile(run / "models" / File.WEIGHTS, temporary)
        return self.stats() | {"subjects": subjects, "total_time": round(perf_counter() - started, 1)}

    def _subjects(self, datastore: Datastore, *, folder: Path) -> list[str]:
        """Write the masks and the table to train on; give the subjects."""
        structures = self.model.about.structures.names
        subjects: list[Subject] = []
        rows: list[dict[str, Any]] = []
        problems: list[str] = []
        for image_id, image, label in labeled(datastore):
            info = datastore.get_label_info(image_id, DefaultLabelTag.FINAL)
            try:
                subject, drawn = self.model.find(image), read_drawn(label, info=info, structures=structures)
            except InputError as error:
                problems.append(str(error))
                continue
            mask = folder / f"{subject.name}_mask.nii.gz"
            nib.save(drawn, mask)
            to_grid_of(next(path for path in subject.images if path is not None), mask)
            cells = self.model.subjects.cells(subject.name)
            targets = {head.name: cells.get(head.name) for head in self.model.about.heads}
            subjects.append(subject)
            rows.append({Column.MASK.value: str(mask)} | targets)
        names = [subject.name for subject in subjects]
        problems += [f"{name}: has two finished masks. Remove one" for name in {*names} if names.count(name) > 1]
        if not subjects and not problems:
            problems = ["there is no finished mask to train on. Submit one first"]
        if problems:
            raise InputError("\n".join(problems))
        self.model.table_of(subjects, folder=folder, rows=rows)
        return names
