"""Active learning: whose mask to draw next."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from mtseg.export.monai_label.served import ServedModel
from mtseg.export.monai_label.server.score import uncertainty_of
from mtseg.export.monai_label.server.subjects import unlabeled

AT_ONCE = 8
"""Subjects that are predicted while somebody waits; the server scores the others in the background."""


class Picked(Strategy):
    """A subject without a finished mask, whatever the network says of it.

    Args:
        model: Says which images belong together.
        description: Shown by viewers.
        pick: Chooses among the images, which are in the order of the subjects' names.
    """

    def __init__(self, model: ServedModel, description: str, *, pick: Callable[[list[str]], str]):
        super().__init__(description)
        self.model = model
        self.pick = pick

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """Give the image's id, or None where everybody has a mask."""
        images = unlabeled(self.model, datastore)
        return {"id": self.pick(images)} if images else None


class MostUncertain(Strategy):
    """The subject of whom the network, as it is now, is least sure.

    What counts is the mean of the mask's entropy, over the voxels of the predicted mask, and of the heads' entropies;
    each is a share of the largest that there is.

    Args:
        model: What is asked.
    """

    def __init__(self, model: ServedModel):
        super().__init__("Subject of whom the network is least sure: entropy of the mask and of the classes")
        self.model = model

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """Give the image's id and uncertainty, or None where everybody has a mask."""
        images = unlabeled(self.model, datastore)
        if not images:
            return None

        def scores(among: list[str], *, compute: bool) -> Iterator[tuple[str, dict[str, Any]]]:
            found = ((image, uncertainty_of(self.model, datastore, image, compute=compute)) for image in among)
            return ((image, score) for image, score in found if score)

        known = dict(scores(images, compute=False))
        unknown = [image for image in images if image not in known]
        known |= islice(scores(unknown, compute=True), AT_ONCE)  # one that fails takes no time
        if not known:
            return {"id": images[0]}
        chosen = max(known, key=lambda image: known[image]["mean"])
        return {"id": chosen, "uncertainty": known[chosen]}
