"""The subjects of a datastore, which knows only images."""

from collections.abc import Iterator
from pathlib import Path

from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.interfaces.datastore import Datastore

from mtseg.export.monai_label.served import ServedModel


def images_by_subject(model: ServedModel, datastore: Datastore) -> dict[str, list[str]]:
    """Ids of each subject's images; without looking into them, for a series of a DICOM server is then fetched."""
    remote = isinstance(datastore, DICOMWebDatastore)
    subjects: dict[str, list[str]] = {}
    for image in sorted(datastore.list_images()):
        path = Path(image if remote else datastore.get_image_uri(image))
        subjects.setdefault(model.subjects.name(path), []).append(image)
    return subjects


def unlabeled(model: ServedModel, datastore: Datastore) -> list[str]:
    """One image of each subject of whose images none has a finished mask: that of the first sequence there is."""
    labeled = {*datastore.get_labeled_images()}
    subjects = images_by_subject(model, datastore).values()
    return [_first(model, images) for images in subjects if not labeled & {*images}]


def labeled(datastore: Datastore) -> Iterator[tuple[str, Path, Path]]:
    """Id, image and finished mask of each image that has one."""
    ids = {datastore.get_image_uri(image): image for image in datastore.get_labeled_images()}
    for pair in datastore.datalist():
        yield ids[pair["image"]], Path(pair["image"]), Path(pair["label"])


def _first(model: ServedModel, images: list[str]) -> str:
    order = [name.lower() for name in model.about.sequences]

    def place(image: str) -> int:
        found = model.subjects.sequence(Path(f"{image}.nii.gz"))
        return order.index(found.lower()) if found else len(order)

    return min(images, key=place)
