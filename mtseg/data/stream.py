"""Subjects one after the other, of whom one that is unusable does not stop the others."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import IterableDataset

from mtseg.errors import InputError, input_error_in

logger = logging.getLogger("mtseg")


class SubjectStream(IterableDataset):
    """Prepare subjects in their order, pass over those whose files cannot be used, and name these at the end.

    Args:
        data: Records.
        transform: Prepares one.
    """

    def __init__(self, data: Sequence[dict[str, Any]], transform: Callable[[dict[str, Any]], dict[str, Any]]):
        self.data = data
        self.transform = transform

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give the prepared subjects.

        Raises:
            InputError: At the end: all that was wrong.
        """
        wrong = []
        for record in self.data:
            try:
                sample = self.transform(dict(record))
            except Exception as error:
                if (unusable := input_error_in(error)) is None:
                    raise
                logger.warning("passed over: %s", unusable)
                wrong.append(str(unusable))
                continue
            yield sample
        if wrong:
            raise InputError("\n".join([f"{len(wrong)} of {len(self.data)} subjects could not be used:", *wrong]))
