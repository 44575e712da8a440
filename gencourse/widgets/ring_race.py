"""The same data learned by four families side by side, trained in the reader's browser."""

from typing import ClassVar

import traitlets

from gencourse.widgets.base import STATIC, LiveFigure

__all__ = ["RingRace"]


class RingRace(LiveFigure):
    """Four families learn one target: VAE, GAN, flow and autoregressive model, side by side.

    Each has about two thousand parameters (the GAN's two networks 2403 together) and sees the same
    data at 128 points a step. The meters are those of `gencourse.evaluation.coverage`, on 300
    samples and 300 data, and the mean log-likelihood of these data, or its bound. In a notebook the
    state can be read and set, as in `RingRace(data="eight", steps=0)`.
    """

    name: ClassVar[str] = "ring-race"
    family: ClassVar[str] = "vae"
    title: ClassVar[str] = "One ring, four families."
    legend: ClassVar[str] = (
        "Dots are data, coloured marks are samples. All four have about two thousand parameters "
        "and have seen the same data. Press Play and compare the meters: precision, the share of "
        "samples that lie where the data do; recall, the share of the data that the samples reach; "
        "log p of the data in nats, exact, bounded from below, or not to be had; and the passes "
        "through a network that one sample takes. Who learns fast, who draws clean, who can say "
        "how good it is? Then give them eight Gaussians, or points of your own."
    )
    alt: ClassVar[str] = (
        "Four squares of the plane side by side, one for each family: VAE, GAN, flow and "
        "autoregressive model. In each, dark dots, the data, form a ring, and coloured marks, "
        "samples of the model after some training, lie on it more or less closely; the VAE's are "
        "spread widest. Under each square stand its precision, recall, likelihood and cost."
    )
    picture_size: ClassVar[tuple[int, int]] = (684, 190)

    _esm = STATIC / "ring-race.mjs"

    data = traitlets.Unicode("ring").tag(sync=True, state=True)
    """What is to be learned: the "ring", "eight" Gaussians, or the reader's "own" points."""
    points = traitlets.List(traitlets.Float(), [-1.5, -1.0, 1.5, -1.0, 0.0, 1.5]).tag(
        sync=True, state=True
    )
    """The reader's own points, x1 and x2 of each in turn; each is the centre of a cloud."""
    seed = traitlets.Int(0).tag(sync=True, state=True)
    """What decides the first networks and every draw."""
    steps = traitlets.Int(400).tag(sync=True, state=True)
    """Steps of training, the same for all."""
    k = traitlets.Int(3).tag(sync=True, state=True)
    """Neighbours that precision and recall reach to, from 1 to 10."""
    x = traitlets.List(traitlets.Float(), [0.0, 0.0], 2, 2).tag(sync=True, state=True)
    """Where the next point of the reader's own would go."""
