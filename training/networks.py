"""The staged networks: every stage ends in an exit, and hands its features to the next stage."""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional


def _convolution(channels_in, channels_out, stride=1):
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


class Plain(nn.Module):
    """Convolution, normalisation, ReLU; halves the picture when `stride` is 2."""

    def __init__(self, channels_in, channels_out, stride=1):
        super().__init__()
        self.body = _convolution(channels_in, channels_out, stride)

    def forward(self, x):
        return functional.relu(self.body(x))


class Residual(nn.Module):
    """ReLU(x + f(x)), f being `depth` convolutions with ReLU between them."""

    def __init__(self, channels, depth):
        super().__init__()
        self.body = nn.ModuleList(_convolution(channels, channels) for _ in range(depth))

    def forward(self, x):
        y = x
        for index, layer in enumerate(self.body):
            y = layer(y)
            if index + 1 < len(self.body):
                y = functional.relu(y)
        return functional.relu(x + y)


class Exit(nn.Module):
    """Averages the features over a grid × grid raster and classifies them, by a hidden layer if `hidden`."""

    def __init__(self, channels, grid, class_count, hidden=0):
        super().__init__()
        self.channels, self.grid, self.class_count = channels, grid, class_count
        width = channels * grid * grid
        if hidden:
            self.classify = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, class_count))
        else:
            self.classify = nn.Linear(width, class_count)

    def pooled(self, x):
        return functional.adaptive_avg_pool2d(x, self.grid).flatten(1)

    def forward(self, x):
        return self.classify(self.pooled(x))


class Stage(nn.Module):
    """Returns (features, logits)."""

    def __init__(self, layers, exit_):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.exit = exit_

    def forward(self, x):
        features = self.layers(x)
        return features, self.exit(features)


class StagedNetwork(nn.Module):
    """Returns the logits of all exits, first exit first."""

    def __init__(self, stages):
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x):
        logits = []
        for stage in self.stages:
            x, exit_logits = stage(x)
            logits.append(exit_logits)
        return logits


def build_cifar10():
    return StagedNetwork([
        Stage([Plain(3, 24), Plain(24, 32, 2), Plain(32, 64, 2), Residual(64, 1)], Exit(64, 2, 10)),
        Stage([Plain(64, 80), Residual(80, 1)], Exit(80, 1, 10)),
        Stage([Plain(80, 160, 2), Residual(160, 2)], Exit(160, 1, 10)),
    ])


def build_gtsrb():
    return StagedNetwork([
        Stage([Plain(3, 16), Plain(16, 32, 2), Plain(32, 48, 2)], Exit(48, 2, 43)),
        Stage([Residual(48, 1), Plain(48, 64)], Exit(64, 2, 43)),
        Stage([Residual(64, 2), Plain(64, 96, 2)], Exit(96, 2, 43)),
    ])


CIFAR10_LABELS = "airplane automobile bird cat deer dog frog horse ship truck".split()

GTSRB_LABELS = [
    "speed limit 20", "speed limit 30", "speed limit 50", "speed limit 60", "speed limit 70",
    "speed limit 80", "end of speed limit 80", "speed limit 100", "speed limit 120", "no overtaking",
    "no overtaking by lorries", "priority at next junction", "priority road", "give way", "stop",
    "no vehicles", "no lorries", "no entry", "danger", "bend left", "bend right", "double bend",
    "uneven road", "slippery road", "road narrows on the right", "road works", "traffic signals",
    "pedestrians", "children", "bicycles", "ice or snow", "wild animals", "end of all limits",
    "turn right ahead", "turn left ahead", "ahead only", "ahead or right", "ahead or left",
    "keep right", "keep left", "roundabout", "end of no overtaking", "end of no overtaking by lorries",
]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a network's weights, besides the data and the thread count."""

    name: str
    build: object
    labels: list
    mean: tuple
    std: tuple
    flips: bool
    shift: int  # pixels, each way
    brightness: float  # 0.3 scales a picture by 0.7 … 1.3
    sizes: tuple  # one an epoch: pictures are scaled to it; small ones teach the most a second at first
    epochs_decay: int  # the last epochs, over which the learning rate falls to zero
    rate: float
    batch: int = 128
    weight_decay: float = 5e-4
    smoothing: float = 0.1
    exit_weights: tuple = field(default=(0.4, 0.5, 1.0))
    distillation: float = 0.5  # share of an early exit's loss that follows the last exit
    distillation_from: int = 2  # first epoch (from 0) that does so: before, the last exit knows too little
    refitted_exits: dict = field(default_factory=dict)  # index: (grid, hidden) of the exit that replaces it
    refit_passes: int = 3  # differently augmented copies of the training set that a refitted exit sees
    refit_epochs: int = 8
    seed: int = 1

    @property
    def epochs(self):
        return len(self.sizes)


def build_final(recipe):
    """The network as it is exported: the refitted exits stand in place of those trained with the trunk."""
    network = recipe.build()
    for index, (grid, hidden) in recipe.refitted_exits.items():
        old = network.stages[index].exit
        network.stages[index].exit = Exit(old.channels, grid, old.class_count, hidden)
    return network


CIFAR10 = Recipe(
    name="cifar10", build=build_cifar10, labels=CIFAR10_LABELS,
    mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616),
    flips=True, shift=2, brightness=0.0,
    sizes=(16,) * 3 + (24,) * 4 + (32,) * 2, epochs_decay=8, rate=0.12, distillation_from=4,
    refitted_exits={0: (4, 128), 1: (2, 128)},
)

GTSRB = Recipe(
    name="gtsrb", build=build_gtsrb, labels=GTSRB_LABELS,
    mean=(0.34, 0.31, 0.32), std=(0.27, 0.26, 0.27),
    flips=False, shift=3, brightness=0.4,
    sizes=(24,) * 3 + (32,) * 2, epochs_decay=4, rate=0.05,
    smoothing=0.05, refitted_exits={0: (4, 128), 1: (4, 128)},
)

RECIPES = {"cifar10": CIFAR10, "gtsrb": GTSRB}
