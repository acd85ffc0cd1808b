"""How fast samples come, beside how fast training takes them, and beside the pipelines of TorchIO and MONAI."""

from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import monai.transforms as mt
import torch
import torchio as tio
from monai.bundle import ConfigParser
from monai.data import CacheDataset
from torch.utils.data import DataLoader

from benchmarks.timing import DEVICE, now
from mtseg.bundle.run import training_config
from mtseg.data import read_cohort
from mtseg.data.template import make_template_cohort
from mtseg.engine import TrainingInferer
from mtseg.memory import reuse_memory

BUNDLE = "stroke_dwi_adc"
SUBJECTS = 24
CUT = [32, 32, 32]
WARM, COUNTED = 4, 40


def run() -> None:
    """Print samples a second, one process each: of whole brains, and of patches that are cut from them."""
    reuse_memory()
    for size in (None, CUT):
        _compare([] if size is None else [f"patch_size={size}"])


def _compare(settings: list[str]) -> None:
    with TemporaryDirectory() as folder:
        table = make_template_cohort(Path(folder) / "cohort", subjects=SUBJECTS)
        config = training_config(BUNDLE, cohort=table, out=Path(folder) / "run", fold=None, seed=0, settings=settings)
        parser = ConfigParser(config)
        trainer = parser.get_parsed_content("train::trainer")
        size, batch = config["patch_size"], config["batch_size"]
        print(f"{BUNDLE}: patches of {'x'.join(map(str, size))}, two sequences and a mask, batches of {batch}")
        loader = parser.get_parsed_content("train::dataloader")
        ours = _rate(lambda: (trainer.prepare_batch(item, DEVICE) for item in _forever(loader)), batch)
        image, target = next(trainer.prepare_batch(item, DEVICE) for item in loader)
        taken = _rate(lambda: (_step(trainer, image, target) for _ in cycle([0])), batch)
        print(f"    mtseg {ours:.1f} samples/s, {ours / taken:.1f} times what training takes ({taken:.1f} samples/s)")
        records = read_cohort(table).table.to_dict("records")
        for name, items in (("TorchIO", _torchio(records, size, batch)), ("MONAI", _monai(records, size, batch))):
            rate = _rate(lambda items=items: _forever(items), batch)
            print(f"    {name} {rate:.1f} samples/s, mtseg {ours / rate:.1f} times as fast")


def _step(trainer: Any, image: torch.Tensor, target: dict[str, torch.Tensor]) -> None:
    trainer.optimizer.zero_grad()
    trainer.loss_function(TrainingInferer()(image, trainer.network), target).backward()
    trainer.optimizer.step()


def _forever(items: Iterable) -> Iterator:
    while True:
        yield from items


def _rate(make: Any, batch: int) -> float:
    """Samples a second, without the first batches."""
    items = make()
    for _ in islice(items, WARM):
        pass
    began = now()
    for _ in islice(items, COUNTED // batch):
        pass
    return COUNTED // batch * batch / (now() - began)


def _torchio(records: list[dict[str, Any]], size: list[int], batch: int) -> Iterable:
    """A Queue without workers, over subjects in memory, with nnU-Net's augmentations and probabilities."""
    subjects = [
        tio.Subject(dwi=tio.ScalarImage(row["dwi"]), adc=tio.ScalarImage(row["adc"]), mask=tio.LabelMap(row["mask"]))
        for row in records
        if isinstance(row["dwi"], str) and isinstance(row["adc"], str) and isinstance(row["mask"], str)
    ]
    for subject in subjects:
        subject.load()
    augment = tio.Compose(
        [
            tio.CropOrPad(size),
            tio.ZNormalization(),
            tio.RandomAffine(scales=0.15, degrees=15, p=0.5),
            tio.RandomElasticDeformation(max_displacement=2, p=0.5),
            tio.RandomNoise(p=0.1),
            tio.RandomBlur((0, 1), p=0.2),
            tio.RandomBiasField(p=0.15),
            tio.RandomAnisotropy(p=0.25),
            tio.RandomGamma(p=0.3),
            tio.RandomFlip(axes=0, p=0.5),
        ]
    )
    dataset = tio.SubjectsDataset(subjects, transform=augment)
    queue = tio.Queue(dataset, max_length=2 * batch, samples_per_volume=1, sampler=tio.UniformSampler(size))
    return tio.SubjectsLoader(queue, batch_size=batch)


def _monai(records: list[dict[str, Any]], size: list[int], batch: int) -> Iterable:
    """A CacheDataset with the same."""
    files = [{name: row[name] for name in ("dwi", "adc", "mask")} for row in records]
    files = [row for row in files if all(isinstance(path, str) for path in row.values())]
    every, images = ["image", "mask"], ["image"]
    steps = [
        mt.LoadImaged(["dwi", "adc", "mask"], ensure_channel_first=True),
        mt.ConcatItemsd(["dwi", "adc"], name="image"),
        mt.SelectItemsd(every),
        mt.NormalizeIntensityd(images, channel_wise=True),
        mt.SpatialPadd(every, size),
        mt.RandSpatialCropd(every, size, random_size=False),
        mt.RandAffined(every, size, 0.5, rotate_range=[0.26] * 3, scale_range=[0.15] * 3, mode=["bilinear", "nearest"]),
        mt.Rand3DElasticd(every, (5, 8), (1, 2), size, prob=0.5, mode=["bilinear", "nearest"]),
        mt.RandGaussianNoised(images, prob=0.1),
        mt.RandGaussianSmoothd(images, prob=0.2),
        mt.RandBiasFieldd(images, prob=0.15),
        mt.RandSimulateLowResolutiond(images, prob=0.25),
        mt.RandAdjustContrastd(images, prob=0.3, gamma=(0.7, 1.5)),
        mt.RandFlipd(every, prob=0.5, spatial_axis=0),
    ]
    dataset = CacheDataset(files, mt.Compose(steps), num_workers=2, progress=False)
    return DataLoader(dataset, batch_size=batch, shuffle=True, drop_last=True)
