"""The staged networks: every stage ends in an exit, and hands its features to the next stage."""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional


def _convolution(channels_in, channels_out, stride=1):
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


class Whitening(nn.Module):
    """ReLU of 3 × 3 patches along ± their principal directions, scaled to variance 1; fitted, not learned.

    The layers above begin with uncorrelated inputs of one size, and learn faster for it.
    """

    def __init__(self, directions):
        super().__init__()
        self.convolution = nn.Conv2d(3, 2 * directions, 3, 1, 1, bias=False)
        self.convolution.weight.requires_grad_(False)

    @torch.no_grad()
    def fit(self, pictures):
        """`pictures`: normalised float32 [n, 3, h, w]; a few thousand suffice."""
        patches = functional.unfold(pictures, 3).transpose(1, 2).reshape(-1, 27)[::7].double()
        patches -= patches.mean(dim=0)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        count = self.convolution.out_channels // 2
        chosen = torch.arange(26, 26 - count, -1)
        half = (vectors[:, chosen] / (values[chosen] + 5e-4).sqrt()).T.reshape(count, 3, 3, 3)
        self.convolution.weight.copy_(torch.cat([half, -half]).float())

    def forward(self, x):
        return functional.relu(self.convolution(x))


class Plain(nn.Module):
    """Convolution, normalisation, ReLU; then the larger of each 2 × 2 square when `pool` says so."""

    def __init__(self, channels_in, channels_out, stride=1, pool=False):
        super().__init__()
        self.body = _convolution(channels_in, channels_out, stride)
        self.pool = pool

    def forward(self, x):
        y = self.body(x)
        return functional.relu(functional.max_pool2d(y, 2) if self.pool else y)


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
        Stage([Whitening(12), Plain(24, 40, pool=True), Plain(40, 80, pool=True), Residual(80, 1)],
              Exit(80, 2, 10)),
        Stage([Plain(80, 160), Residual(160, 1)], Exit(160, 2, 10)),
        Stage([Plain(160, 256, pool=True), Residual(256, 2)], Exit(256, 1, 10)),
    ])


def build_gtsrb():
    return StagedNetwork([
        # Signs stand in the sun and in the dark: each channel of a picture is brought to mean 0, variance 1.
        Stage([nn.InstanceNorm2d(3), Plain(3, 24), Plain(24, 48, 2), Plain(48, 96, 2), Residual(96, 1)],
              Exit(96, 2, 43)),
        Stage([Plain(96, 128), Residual(128, 1)], Exit(128, 2, 43)),
        Stage([Plain(128, 192, 2), Residual(192, 2)], Exit(192, 2, 43)),
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
    turn: float  # degrees, each way
    zoom: float  # 0.1 scales a picture's width by 0.9 … 1.1
    sizes: tuple  # one an epoch: pictures are scaled to it; small ones teach the most a second at first
    epochs_decay: int  # the last epochs, over which the learning rate falls to zero
    rate: float
    batch: int = 256
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
    flips=True, shift=2, brightness=0.0, turn=0.0, zoom=0.0,
    sizes=(16,) * 6 + (24,) * 4 + (32,) * 2, epochs_decay=11, rate=0.2, distillation_from=4,
    refitted_exits={0: (4, 128), 1: (4, 128)},
)

GTSRB = Recipe(
    name="gtsrb", build=build_gtsrb, labels=GTSRB_LABELS,
    mean=(0.34, 0.31, 0.32), std=(0.27, 0.26, 0.27),
    flips=False, shift=3, brightness=0.4, turn=8.0, zoom=0.12,
    sizes=(16,) * 3 + (24,) * 4 + (32,) * 2, epochs_decay=8, rate=0.1,
    smoothing=0.05, refitted_exits={0: (4, 128), 1: (4, 128)},
)

RECIPES = {"cifar10": CIFAR10, "gtsrb": GTSRB}
