"""Writes the small graphs that tests load: seeded weights, meaningless answers, known costs and faults.

Usage: make_tiny.py tests/data
"""

import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8  # what opset 17 came with; newer ones are refused by older engines


class GraphWriter:
    """Collects nodes and weights of one graph; weights are drawn in the order they are asked for."""

    def __init__(self, seed):
        self.random = numpy.random.RandomState(seed)
        self.nodes, self.weights = [], []

    def weight(self, name, shape):
        scale = (2.0 / numpy.prod(shape[1:])) ** 0.5
        values = (self.random.standard_normal(shape) * scale).astype(numpy.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind, inputs, outputs, **attributes):
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=name, **attributes))

    def dense(self, source, target, rows, columns, relu):
        # Gemm with transB keeps the weight as [outputs, inputs], whose fan-in `weight` scales by.
        self.weight(f"{target}_weight", (columns, rows))
        self.weights.append(numpy_helper.from_array(numpy.zeros(columns, numpy.float32), f"{target}_bias"))
        before = f"{target}_before_relu" if relu else target
        self.node("Gemm", [source, f"{target}_weight", f"{target}_bias"], [before], transB=1)
        if relu:
            self.node("Relu", [before], [target])

    def convolution(self, source, target, channels_in, channels_out, stride):
        self.weight(f"{target}_weight", (channels_out, channels_in, 3, 3))
        self.node("Conv", [source, f"{target}_weight"], [f"{target}_before_relu"],
                  kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])
        self.node("Relu", [f"{target}_before_relu"], [target])

    def save(self, path, inputs, outputs):
        def info(tensors):
            return [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in tensors]

        graph = helper.make_graph(self.nodes, path.parent.name, info(inputs), info(outputs), self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                                  ir_version=IR_VERSION, producer_name="laxity make_tiny")
        onnx.checker.check_model(model, full_check=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString(deterministic=True))


def write_tiny(root):
    """A two-layer perceptron, a few microseconds."""
    g = GraphWriter(1)
    g.dense("input", "hidden", 64, 32, relu=True)
    g.dense("hidden", "output", 32, 10, relu=False)
    g.save(root / "tiny/model.onnx", [("input", TensorProto.FLOAT, ["batch", 64])],
           [("output", TensorProto.FLOAT, ["batch", 10])])


def write_small(root):
    """A convolution network that costs 100 to 300 µs at batch 1 on one core."""
    g = GraphWriter(2)
    g.convolution("image", "conv0", 3, 24, 2)
    g.convolution("conv0", "conv1", 24, 40, 2)
    g.convolution("conv1", "conv2", 40, 40, 1)
    g.node("GlobalAveragePool", ["conv2"], ["pooled"])
    g.node("Flatten", ["pooled"], ["flat"])
    g.dense("flat", "logits", 40, 10, relu=False)
    g.save(root / "small/1/model.onnx", [("image", TensorProto.FLOAT, ["batch", 3, 32, 32])],
           [("logits", TensorProto.FLOAT, ["batch", 10])])


def write_medium(root):
    """A convolution network that costs about 6 ms at batch 1 on one core, to overload a server with."""
    g = GraphWriter(7)
    g.convolution("image", "conv0", 3, 40, 1)
    g.convolution("conv0", "conv1", 40, 64, 2)
    g.convolution("conv1", "conv2", 64, 64, 1)
    g.convolution("conv2", "conv3", 64, 64, 1)
    g.convolution("conv3", "conv4", 64, 48, 2)
    g.node("GlobalAveragePool", ["conv4"], ["pooled"])
    g.node("Flatten", ["pooled"], ["flat"])
    g.dense("flat", "logits", 48, 10, relu=False)
    g.save(root / "medium/1/model.onnx", [("image", TensorProto.FLOAT, ["batch", 3, 64, 64])],
           [("logits", TensorProto.FLOAT, ["batch", 10])])


def write_chain(root, name, width_given, width_wanted):
    """Two stages; the chain is broken when the second wants another width than the first gives."""
    folder = root / name
    g = GraphWriter(3)
    g.dense("image", "features", 16, width_given, relu=True)
    g.dense("features", "logits", width_given, 4, relu=False)
    g.save(folder / "stage0.onnx", [("image", TensorProto.FLOAT, ["batch", 16])],
           [("features", TensorProto.FLOAT, ["batch", width_given]),
            ("logits", TensorProto.FLOAT, ["batch", 4])])
    g = GraphWriter(4)
    g.dense("features", "logits", width_wanted, 4, relu=False)
    g.save(folder / "stage1.onnx", [("features", TensorProto.FLOAT, ["batch", width_wanted])],
           [("logits", TensorProto.FLOAT, ["batch", 4])])
    (folder / "model.toml").write_text(f"""name = "{name}"
postprocess = {{ kind = "softmax", top = 1 }}
mandatory = 1

[[input]]
name = "image"
datatype = "FP32"
shape = [16]

[[output]]
name = "logits"
datatype = "FP32"
shape = [4]

[[variant]]
name = "full"
stages = ["stage0.onnx", "stage1.onnx"]
""")


def write_identity(root):
    """Every input comes back unchanged; one tensor of each of four datatypes."""
    g = GraphWriter(5)
    tensors = {"fp32": TensorProto.FLOAT, "int64": TensorProto.INT64, "uint8": TensorProto.UINT8,
               "bool": TensorProto.BOOL}
    widths = {"fp32": 4, "int64": 3, "uint8": 5, "bool": 2}
    for name in tensors:
        g.node("Identity", [f"in_{name}"], [f"out_{name}"])
    g.save(root / "identity/1/model.onnx",
           [(f"in_{n}", kind, ["batch", widths[n]]) for n, kind in tensors.items()],
           [(f"out_{n}", kind, ["batch", widths[n]]) for n, kind in tensors.items()])


def write_fixed_batch(root):
    """A graph that runs one job a call."""
    g = GraphWriter(6)
    g.dense("input", "output", 8, 3, relu=False)
    g.save(root / "fixed_batch/model.onnx", [("input", TensorProto.FLOAT, [1, 8])],
           [("output", TensorProto.FLOAT, [1, 3])])


def main():
    root = pathlib.Path(sys.argv[1])
    models, bad = root / "models", root / "bad"
    write_tiny(models)
    write_small(models)
    write_medium(models)
    write_chain(models, "chain_bad", 8, 12)
    write_chain(models, "chain_good", 8, 8)
    write_identity(models)
    write_fixed_batch(models)
    bad.mkdir(parents=True, exist_ok=True)
    whole = (models / "tiny/model.onnx").read_bytes()
    (bad / "truncated.onnx").write_bytes(whole[: len(whole) // 2])
    (bad / "not_onnx.onnx").write_text("This is a text file, whatever its name says.\n")


if __name__ == "__main__":
    main()
