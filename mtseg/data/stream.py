"""Subjects one after the other, of whom one that is unusable does not stop the others."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import IterableDataset

from mtseg.errors import InputError, PassedOverError, input_error_in

logger = logging.getLogger("mtseg")


class SubjectStream(IterableDataset):
    """Prepare subjects in their order, and pass over those whose files cannot be used.

    Args:
        data: Records.
        transform: Prepares one.

    Attributes:
        wrong: What was wrong with those passed over, the last time.
    """

    def __init__(self, data: Sequence[dict[str, Any]], transform: Callable[[dict[str, Any]], dict[str, Any]]):
        self.data = data
        self.transform = transform
        self.wrong: list[str] = []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give the prepared subjects.

        Raises:
            InputError: At the end, if nobody could be used.
        """
        self.wrong = []
        for record in self.data:
            try:
                sample = self.transform(dict(record))
            except Exception as error:
                if (unusable := input_error_in(error)) is None:
                    raise
                logger.warning("passed over: %s", unusable)
                self.wrong.append(str(unusable))
                continue
            yield sample
        if self.wrong and len(self.wrong) == len(self.data):
            raise InputError(self._told())

    def require_all(self) -> None:
        """Name those who were passed over, when all that can be made without them is made.

        Raises:
            PassedOverError: All that was wrong.
        """
        if self.wrong:
            raise PassedOverError(self._told())

    def _told(self) -> str:
        return "\n".join([f"{len(self.wrong)} of {len(self.data)} subjects could not be used:", *self.wrong])
