"""Subjects one after the other; those who cannot be used are passed over, and told when the others are done."""

import logging

import pytest
from torch.utils.data import DataLoader

from mtseg.data import SubjectStream
from mtseg.errors import InputError, PassedOverError


def prepare(record):
    if record["file"] == "bad":
        raise InputError(f"{record['subject']}: is damaged")
    if record["file"] == "wrapped":  # as MONAI's Compose does
        try:
            raise InputError(f"{record['subject']}: is damaged inside")
        except InputError as error:
            raise RuntimeError("applying transform") from error
    if record["file"] == "bug":
        raise KeyError("image")
    record["file"] += "!"
    return record


def records(*files):
    return [{"subject": f"p{i}", "file": file} for i, file in enumerate(files)]


def test_all_come_in_their_order_and_the_records_stay_as_they_are():
    data = records("x", "y", "z")
    stream = SubjectStream(data, prepare)
    for _ in range(2):  # as often as wanted
        assert [(one["subject"], one["file"]) for one in stream] == [("p0", "x!"), ("p1", "y!"), ("p2", "z!")]
    assert data == records("x", "y", "z")


def test_the_unusable_are_passed_over_and_told_when_asked(caplog):
    stream = SubjectStream(records("bad", "x", "wrapped", "y"), prepare)
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="mtseg"):
            assert [one["subject"] for one in stream] == ["p1", "p3"]
        assert caplog.messages == ["passed over: p0: is damaged", "passed over: p2: is damaged inside"]
        with pytest.raises(PassedOverError) as error:
            stream.require_all()
        assert str(error.value).splitlines() == [
            "2 of 4 subjects could not be used:", "p0: is damaged", "p2: is damaged inside",
        ]  # fmt: skip
    SubjectStream(records("x"), prepare).require_all()


def test_nobody_left_is_told_too():
    with pytest.raises(InputError, match="1 of 1 subjects could not be used") as error:
        next(iter(SubjectStream(records("bad"), prepare)))
    assert not isinstance(error.value, PassedOverError), "nothing can be made without them"
    assert [*SubjectStream([], prepare)] == []


def test_a_mistake_in_the_program_stops_at_once():
    stream = iter(SubjectStream(records("x", "bug", "y"), prepare))
    assert next(stream)["file"] == "x!"
    with pytest.raises(KeyError):
        next(stream)


def test_a_loader_gives_every_subject_once():
    loader = DataLoader(SubjectStream(records(*"abc"), prepare), batch_size=1, num_workers=0)
    assert [batch["subject"] for batch in loader] == [["p0"], ["p1"], ["p2"]]
