"""The subjects of a datastore, which knows only images."""

from collections.abc import Iterator
from pathlib import Path

from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.datastore.local import LocalDatastore

from mtseg.errors import InputError
from mtseg.export.monai_label.served import ServedModel


def file_of(datastore: LocalDatastore, image: str) -> Path:
    """Give an image's file; a series of a DICOM server is fetched.

    Raises:
        InputError: It cannot be.
    """
    try:
        datastore.get_image_uri(image)
        # Only from the second time on MONAI Label names the file that it keeps, which is called like the series.
        return Path(datastore.get_image_uri(image))
    except Exception as error:  # the client raises whatever the DICOM server's answer makes it raise
        raise InputError(f"{image}: cannot be fetched ({error!r}). Check whether the server has it") from error


def images_by_subject(model: ServedModel, datastore: LocalDatastore) -> dict[str, list[str]]:
    """Ids of each subject's images; without looking into them, for a series of a DICOM server is then fetched."""
    remote = isinstance(datastore, DICOMWebDatastore)
    subjects: dict[str, list[str]] = {}
    for image in sorted(datastore.list_images()):
        path = Path(image) if remote else file_of(datastore, image)
        subjects.setdefault(model.subjects.name(path), []).append(image)
    return subjects


def unlabeled(model: ServedModel, datastore: LocalDatastore) -> list[str]:
    """One image of each subject of whose images none has a finished mask: that of the first sequence there is."""
    # What a DICOM server says of masks is kept for hours; the datastore itself knows those submitted since.
    done = {*datastore.get_labeled_images(), *LocalDatastore.get_labeled_images(datastore)}
    subjects = images_by_subject(model, datastore).values()
    return [_first(model, images) for images in subjects if not done & {*images}]


def labeled(datastore: LocalDatastore) -> Iterator[tuple[str, Path, Path]]:
    """Id, image and finished mask of each image that has one."""
    pairs = [(Path(pair["image"]), Path(pair["label"])) for pair in datastore.datalist()]
    if isinstance(datastore, DICOMWebDatastore):  # files are called like the series
        ids = {image: image.name.removesuffix(".nii.gz") for image, _ in pairs}
    else:
        ids = {file_of(datastore, image): image for image in datastore.list_images()}
    for image, label in pairs:
        yield ids[image], image, label


def _first(model: ServedModel, images: list[str]) -> str:
    order = [name.lower() for name in model.about.sequences]

    def place(image: str) -> int:
        found = model.subjects.sequence(Path(f"{image}.nii.gz"))
        return order.index(found.lower()) if found else len(order)

    return min(images, key=place)
