"""The app: one bundle, its inference, training, active learning and scoring."""

import random
from operator import itemgetter
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from mtseg.errors import InputError
from mtseg.export.monai_label.served import ServedModel
from mtseg.export.monai_label.server.errors import told
from mtseg.export.monai_label.server.infer import CAM, JointInference, map_asked
from mtseg.export.monai_label.server.score import Dice, Uncertainty
from mtseg.export.monai_label.server.strategy import MostUncertain, Picked
from mtseg.export.monai_label.server.subjects import file_of
from mtseg.export.monai_label.server.train import JointTraining

TABLE = "participants.tsv"
"""Table of the subjects, where there is one in the folder of images."""

CT, MR = {"Modality": "CT"}, {"Modality": "MR"}
"""Which series of a DICOM server are listed: MONAI Label's own setting, and ours."""


class JointApp(MONAILabelApp):
    """Serve the bundle in the folder `model`.

    Args:
        app_dir: Of the exported app.
        studies: Folder of images, or address of a DICOMweb server.
        conf: "cohort": table of the subjects, if it is not `participants.tsv` beside the images.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]):
        bundle = next(path.parent.parent for path in Path(app_dir).glob("model/*/configs/metadata.json"))
        beside = Path(studies) / TABLE
        table = conf.get("cohort") or (beside if beside.is_file() else None)
        self.model = ServedModel(bundle, table=None if table is None else Path(table))
        if settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER == CT:
            settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER = MR
        super().__init__(
            app_dir,
            studies,
            conf,
            name=f"mtseg {bundle.name}",
            description="Where is the lesion, and what does it mean: mask and classes by one network",
        )
        if isinstance(self.datastore(), DICOMWebDatastore):
            self.model.subjects.fetch = lambda series: str(file_of(self.datastore(), series))

    def init_infers(self) -> dict[str, InferTask]:
        """Of the one network."""
        return {self.model.folder.name: JointInference(self.model)}

    def init_trainers(self) -> dict[str, TrainTask]:
        """Of the one network."""
        return {self.model.folder.name: JointTraining(self.model)}

    def init_strategies(self) -> dict[str, Strategy]:
        """The first named is what viewers offer first."""
        return {
            "uncertainty": MostUncertain(self.model),
            "random": Picked(self.model, "Random subject without a finished mask", pick=random.choice),
            "first": Picked(self.model, "First subject without a finished mask", pick=itemgetter(0)),
        }

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """Both are also run by the server itself after a training and after each sample."""
        return {"dice": Dice(self.model), "uncertainty": Uncertainty(self.model)}

    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Answer about an image, and keep the map, if one was asked for, as a label `cam` of the image."""
        image = request["image"]
        with told():
            listed = image in self.datastore().list_images()
            if listed:
                file_of(self.datastore(), image)
            elif not Path(image).exists():  # not sent along either
                raise InputError(f"{image}: there is no such image. Check the name, as /datastore lists it")
            if not listed and map_asked(request, self.model) is not None:
                raise InputError("cam: a map is kept beside its image, so put the image into the folder of studies")
            answer = super().infer(request, datastore)
            if CAM in answer["params"]:
                self._keep(answer, image=image)
        return answer

    def _keep(self, answer: dict[str, Any], *, image: str) -> None:
        """Move the map from its temporary file to the labels of the image."""
        about = answer["params"][CAM]
        file = Path(about.pop("file"))
        try:
            about["label"] = self.datastore().save_label(image, str(file), CAM, dict(about))
            about["tag"] = CAM
        finally:
            file.unlink()

    def train(self, request: dict[str, Any]) -> dict[str, Any]:
        """Train on the finished masks."""
        with told():
            return super().train(request)

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """Choose whose mask to draw next."""
        with told():
            return super().next_sample(request)

    def scoring(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Score masks, or how sure the network is of those without one."""
        with told():
            return super().scoring(request, datastore)
