"""Sets of digits that fool one measure or another, as features of the shipped network."""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from gencourse import checkpoints
from gencourse.data import mnist

N = 1000


@functools.cache
def crowds() -> dict[str, Tensor]:
    """Features (N, 64): "data", and by name what a model might have drawn in their place.

    held out        other digits of the test set: as good as a model can be
    copies          the data themselves
    few copies      a twentieth of the data, each of them twenty times
    one class       ones, all different, and none of the data
    one image       a single good digit, over and over
    blur            the held-out digits, out of focus
    noise           every pixel uniform
    """
    network, test = checkpoints.load("features"), mnist("test")
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(test), generator=generator)
    images = test.images[order].flatten(start_dim=1) / 255
    data, held_out = images[:N], images[N : 2 * N]
    ones = images[N:][test.labels[order][N:] == 1]
    blur = F.avg_pool2d(held_out.view(-1, 1, 28, 28), 5, stride=1, padding=2)
    pictures = {
        "data": data,
        "held out": held_out,
        "copies": data,
        "few copies": data[: N // 20].repeat(20, 1),
        "one class": ones[:N],
        "one image": held_out[:1].expand(N, -1),
        "blur": blur.flatten(start_dim=1),
        "noise": torch.rand(N, 784, generator=generator),
    }
    return {name: network.features(x) for name, x in pictures.items()}
