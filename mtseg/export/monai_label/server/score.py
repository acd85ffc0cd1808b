"""Scores that the server keeps beside images and masks: agreement with what was drawn, and uncertainty."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.scoring import ScoringMethod

from mtseg.errors import InputError
from mtseg.export.monai_label.drawn import read_drawn
from mtseg.export.monai_label.served import ServedModel
from mtseg.export.monai_label.server.subjects import file_of, labeled, unlabeled
from mtseg.metrics import compare_masks, read_masks

logger = logging.getLogger("mtseg")

UNCERTAINTY = "uncertainty"
DICE = "dice"
VERSION = "weights"
"""Key of a score that says by which weights it was made, and of which mask."""


class Dice(ScoringMethod):
    """Compare each finished mask with what the network, as it is now, draws.

    Of masks that the network was trained on this says how well it learnt them, not how well it does on others.

    Args:
        model: What is compared.
    """

    def __init__(self, model: ServedModel):
        super().__init__("Dice and surface distances between the finished masks and the network's")
        self.model = model

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score the masks; the scores are also kept beside them.

        Returns:
            For each image id its scores, or "error", why there are none.
        """
        found: dict[str, Any] = {}
        for image_id, image, label in labeled(datastore):
            info = datastore.get_label_info(image_id, DefaultLabelTag.FINAL)
            # If the mask is replaced meanwhile, its score is kept beside the new one, of which it must not count.
            version = f"{self.model.version}-{label.stat().st_mtime_ns}"
            if info.get(DICE, {}).get(VERSION) == version:
                found[image_id] = info[DICE]
                continue
            try:
                found[image_id] = self._compare(image, label, info=info) | {VERSION: version}
            except InputError as error:
                logger.warning("%s: cannot be scored: %s", image_id, error)
                found[image_id] = {"error": str(error)}
                continue
            datastore.refresh()  # this may be another process than the one to which masks were submitted meanwhile
            datastore.update_label_info(image_id, DefaultLabelTag.FINAL, {DICE: found[image_id]})
        return found

    def _compare(self, image: Path, label: Path, *, info: dict[str, Any]) -> dict[str, Any]:
        structures = self.model.about.structures.names
        with self.model.answer(image) as answer, TemporaryDirectory(prefix="mtseg-") as folder:
            drawn = Path(folder) / "drawn.nii.gz"
            nib.save(read_drawn(label, info=info, structures=structures), drawn)
            masks = read_masks(answer.mask, drawn, subject=answer.result["subject"])
        scores: dict[str, Any] = {}
        for k, name in enumerate(structures, start=1):
            agreement = compare_masks(masks.predicted == k, masks.reference == k, spacing=masks.spacing)
            scores[name] = {"dice": agreement.dice} | {
                measure: float(mm)
                for measure, mm in (("hd95_mm", agreement.hd95), ("asd_mm", agreement.asd))
                if np.isfinite(mm)  # JSON has no NaN
            }
        return scores | {"mean": float(np.mean([scores[name]["dice"] for name in structures]))}


class Uncertainty(ScoringMethod):
    """Ask the network about every subject without a finished mask, so that the most uncertain can be drawn next.

    Args:
        model: What is asked.
    """

    def __init__(self, model: ServedModel):
        super().__init__("Entropy of the mask and of the classes, of subjects without a finished mask")
        self.model = model

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score the subjects; the scores are also kept beside the images."""
        return {image: uncertainty_of(self.model, datastore, image) for image in unlabeled(self.model, datastore)}


def uncertainty_of(
    model: ServedModel, datastore: Datastore, image: str, *, compute: bool = True
) -> dict[str, Any] | None:
    """Give how uncertain the network, as it is now, is about an image; None if that is not known or it cannot be read.

    Args:
        model: What is asked.
        datastore: Keeps the scores.
        image: Its id.
        compute: Ask the network, if the datastore has no score by its weights.
    """
    kept = datastore.get_image_info(image).get(UNCERTAINTY, {})
    if kept.get(VERSION) == model.version:
        return kept
    if not compute:
        return None
    try:
        with model.answer(file_of(datastore, image)) as answer:
            score = answer.result[UNCERTAINTY]
    except InputError as error:  # not kept: the file, its siblings or the table may be mended
        logger.warning("%s: cannot be predicted: %s", image, error)
        return None
    datastore.refresh()  # as above
    datastore.update_image_info(image, {UNCERTAINTY: score | {VERSION: model.version}})
    return score
