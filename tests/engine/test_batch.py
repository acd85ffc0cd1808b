"""A batch on its way to network and loss."""

import torch

from mtseg.engine.batch import PrepareBatch
from mtseg.keys import Key, Task

BATCH = {
    Key.IMAGE: torch.arange(2 * 8.0).view(2, 1, 2, 2, 2),
    Key.MASK: torch.ones(2, 1, 2, 2, 2, dtype=torch.uint8),
    Key.TARGETS: {"outcome": torch.tensor([[0], [1]])},
}
CPU = torch.device("cpu")


def test_without_augmentation_nothing_changes_and_every_sample_counts_whole():
    image, targets = PrepareBatch()(BATCH, CPU)
    assert torch.equal(image, BATCH[Key.IMAGE])
    assert {*targets} == {Task.SEG.value, Key.SHARE.value, "outcome"}
    assert all(one.dtype == torch.float32 for one in (image, *targets.values()))
    assert targets[Key.SHARE].tolist() == [1, 1] and targets["outcome"].tolist() == [[0], [1]]


def test_image_and_mask_are_augmented_together_and_sequences_left_out_last():
    told = []

    def spatial(image, mask):
        told.append("spatial")
        return image.flip(2), mask * 2

    def named(name, factor):
        def change(image):
            told.append(name)
            return image * factor

        return change

    prepare = PrepareBatch(spatial=spatial, intensity=named("intensity", 3), dropout=named("dropout", 1))
    image, targets = prepare(BATCH | {Key.SHARE: torch.tensor([0.5, 1.0])}, CPU)
    assert told == ["spatial", "intensity", "dropout"]
    assert torch.equal(image, BATCH[Key.IMAGE].flip(2) * 3)
    assert targets[Task.SEG].unique().tolist() == [2] and targets[Key.SHARE].tolist() == [0.5, 1]
