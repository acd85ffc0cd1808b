"""What a client is told when its image, mask or request cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException
from monailabel.interfaces.exception import MONAILabelException

from mtseg.errors import InputError


@contextmanager
def told() -> Iterator[None]:
    """Answer a request with the message of an input error and the status 422; the server goes on.

    Likewise of MONAI Label's own errors, such as that there is no model of that name, whose message it does not send.
    """
    try:
        yield
    except InputError as error:
        raise HTTPException(status_code=422, detail=str(error)) from error
    except MONAILabelException as error:
        raise HTTPException(status_code=422, detail=error.msg) from error
