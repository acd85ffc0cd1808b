"""The images of a subject, found from one of them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtseg.data import read_cohort
from mtseg.data.cohort import IMAGE_SUFFIXES, looks_like_image
from mtseg.errors import InputError
from mtseg.keys import Column, Key


@dataclass(frozen=True)
class Subject:
    """Whom an image shows.

    Attributes:
        name: As in the table, or as the file is called without its sequence.
        images: One for each of the network's sequences, None where there is none; the only one of a 4D file.
    """

    name: str
    images: tuple[Path | None, ...]


class Subjects:
    """Find a subject's images when one of them is named, as a viewer does.

    In this order: the row of the table that has the image; a 4D file, whose volumes are the sequences; the files beside
    it that are called alike, `<subject>_<sequence>.nii.gz`, whatever the case (`sub-01_T1w.nii.gz` is a t1). For the
    series of a DICOM server, which are called by their UIDs, the table is the only way.

    Args:
        sequences: Of the network, in its order.
        optional: Those of them that a subject may lack.
        table: Of the subjects, or None; a cell of a sequence is a path, a series' UID, or missing. It is read again
            when it has changed.

    Attributes:
        fetch: Gives the file of a series of a DICOM server by its UID; None without such a server.

    Raises:
        InputError: The table cannot be read, or a subject is in it twice.
    """

    def __init__(self, sequences: Sequence[str], *, optional: Sequence[str] = (), table: Path | None = None):
        self.fetch: Callable[[str], str] | None = None
        self.sequences = tuple(sequences)
        self.optional = tuple(optional)
        self.table = table
        self._read_at, self._records = -1, list[dict[str, Any]]()
        self._by_image = dict[Path | str, dict[str, Any]]()
        self._refresh()  # what is wrong with the table is said now
        spelt = "|".join(re.escape(name) for name in sequences)
        self.pattern = re.compile(rf"(?P<subject>.+?)[_.-](?P<sequence>{spelt})w?", re.IGNORECASE)

    def name(self, image: Path) -> str:
        """Say whom an image shows, without looking at the others."""
        record, split = self._row_with(image), self._split(image)
        if record is not None:
            return record[Key.SUBJECT]
        return split[0] if split else _stem(image)

    def sequence(self, image: Path) -> str | None:
        """Say which sequence an image is, where its name does."""
        split = self._split(image)
        return split[1] if split else None

    def of(self, image: Path, *, volumes: int = 1) -> Subject:
        """Find whom an image shows, and that subject's other images.

        Args:
            image: The file.
            volumes: How many it holds.

        Raises:
            InputError: A sequence is absent that is needed, there are two files of one, or nothing says which sequence
                the image is.
        """
        record, name = self._row_with(image), self.name(image)
        if record is not None:
            found = tuple(None if cell is None else self._file(cell) for cell in record[Key.IMAGE])
            return self._complete(Subject(name, found), image)
        if len(self.sequences) == 1:
            return Subject(name, (image,))
        if volumes > 1:
            self._count(image, volumes)
            return Subject(name, (image,))
        if self._split(image) is None:
            raise InputError(f"{image.name}: which sequence is this? {self._remedy()}")
        return self._complete(self._beside(image, name), image)

    def cells(self, subject: str) -> dict[str, Any]:
        """Give a subject's row of the table; empty where there is none."""
        self._refresh()
        return next((record for record in self._records if record[Key.SUBJECT] == subject), {})

    def _refresh(self) -> None:
        """Read the table again, if it has changed."""
        if self.table is None:
            return
        changed = self.table.stat().st_mtime_ns if self.table.is_file() else 0  # reading says that it is gone
        if changed != self._read_at:
            cohort = read_cohort(self.table, sequences=self.sequences, optional=self.sequences)
            names = cohort.table[Column.SUBJECT]
            if twice := sorted({str(name) for name in names[names.duplicated()]}):
                raise InputError(f"{self.table}: {', '.join(twice)}: several rows of one subject. Keep one of each")
            self._read_at, self._records = changed, cohort.records(sequences=self.sequences, targets=cohort.targets)
            self._by_image = {
                key: record
                for record in reversed(self._records)  # of two rows with one image the first one counts
                for cell in record[Key.IMAGE]
                if cell
                for key in (Path(cell).name, Path(cell).resolve())
            }

    def _row_with(self, image: Path) -> dict[str, Any] | None:
        self._refresh()
        return self._by_image.get(image.resolve()) or self._by_image.get(_stem(image))

    def _file(self, cell: str) -> Path:
        if self.fetch is None or looks_like_image(cell):
            return Path(cell)
        return Path(self.fetch(Path(cell).name))  # the table took the UID for a path in its own folder

    def _beside(self, image: Path, subject: str) -> Subject:
        files: dict[str, list[Path]] = {}
        for path in sorted(image.parent.iterdir()):
            name = self._split(path)
            if name and name[0] == subject:
                files.setdefault(name[1], []).append(path)
        twice = [path.name for paths in files.values() if len(paths) > 1 for path in paths]
        if twice:
            raise InputError(f"{subject}: {', '.join(twice)} are the same sequence. Remove all but one of each")
        return Subject(subject, tuple(files.get(sequence, [None])[0] for sequence in self.sequences))

    def _complete(self, subject: Subject, image: Path) -> Subject:
        named = zip(self.sequences, subject.images, strict=True)
        absent = [name for name, path in named if path is None and name not in self.optional]
        if absent:
            raise InputError(
                f"{subject.name}: there is no {', '.join(absent)} to go with {image.name}. {self._remedy()}"
            )
        return subject

    def _count(self, image: Path, volumes: int) -> None:
        if volumes != len(self.sequences):
            raise InputError(
                f"{image.name}: has {volumes} volumes, but the network takes {len(self.sequences)}. Save "
                f"{', '.join(self.sequences)} in it, in this order; of a sequence that is missing a volume of zeros"
            )

    def _split(self, path: Path) -> tuple[str, str] | None:
        """Subject and sequence of a file name, where it says both."""
        if not path.name.lower().endswith(IMAGE_SUFFIXES):
            return None
        found = self.pattern.fullmatch(_stem(path))
        if found is None:
            return None
        sequence = next(name for name in self.sequences if name.lower() == found["sequence"].lower())
        return found["subject"], sequence

    def _remedy(self) -> str:
        files = ", ".join(f"<subject>_{name}.nii.gz" for name in self.sequences)
        return (
            f"Call the files of a subject {files}, save them as one 4D file, or give a table with the columns "
            f"{Column.SUBJECT}, {', '.join(self.sequences)}"
        )


def _stem(path: Path) -> str:
    """Name of a file without the suffix of an image.

    >>> [_stem(Path(name)) for name in ("sub-01_t1.nii.gz", "ben.v2.nii", "1.2.840.5")]
    ['sub-01_t1', 'ben.v2', '1.2.840.5']
    """
    for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name
