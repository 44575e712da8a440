"""A small classifier of digits, whose last hidden layer is where images are compared.

Distances between pixels see a digit that moved by two pixels as another digit. A network that was
taught to name digits has had to learn what does not matter, so its features put alike what looks
alike (Salimans et al., 2016; Heusel et al., 2017, use a classifier of photographs in that way). Two
warnings belong to every figure taken from it. Features trained to name classes are blind to what
does not help to name them, and two networks give two scales: a distance measured here compares with
nothing measured elsewhere, and least of all with an FID.
"""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

__all__ = ["FeatureNetwork"]


class FeatureNetwork(nn.Module):
    """Digits (N, 784), grey levels in [0, 1], to 64 features each and to ten class logits.

    Three convolutions bring 28 × 28 down to 4 × 4; a linear layer makes the features, another
    linear layer the logits. Any shape (N, ...) of 784 numbers an image is taken: (N, 28, 28) and
    (N, 1, 28, 28) too. Its trained weights are the checkpoint "features".
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, 16, kernel_size=5, stride=2, padding=2),
            nn.SiLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.SiLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, kernel_size=3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 64),
            nn.SiLU(),
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Class logits (N, 10)."""
        logits: Tensor = self.head(self.body(_pixels(x)))
        return logits

    def loss(
        self, x: Tensor, condition: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Mean cross-entropy −log p(label|x) in nats; `condition` holds the labels (N,) int64.

        The network draws nothing: `generator` is there because `gencourse.training.fit` hands one
        to every model. Raises `ValueError` without labels.
        """
        if condition is None:
            raise ValueError(
                "FeatureNetwork.loss got no labels; it learns to name digits, so pass "
                "condition=labels, (N,) int64."
            )
        return F.cross_entropy(self(x), condition)

    @torch.no_grad()
    def features(self, x: Tensor, batch_size: int = 1000) -> Tensor:
        """The 64 numbers (N, 64) that the last layer names a digit by, `batch_size` at a time.

        Raises `ValueError` for images of another size, with no rows, outside [0, 1] or with NaN,
        and `TypeError` for anything but floating point.
        """
        x = _checked(x)
        return torch.cat([self.body(batch) for batch in torch.split(x, batch_size)])

    @torch.no_grad()
    def classify(self, x: Tensor, batch_size: int = 1000) -> Tensor:
        """The likeliest digit for every image: (N,) int64, 0 to 9. Raises as `features` does."""
        x = _checked(x)
        return torch.cat([self(batch).argmax(dim=1) for batch in torch.split(x, batch_size)])


def _pixels(x: Tensor) -> Tensor:
    """Images in any shape (N, ...) as rows (N, 784), or an error that says what is wrong."""
    if not x.is_floating_point():
        raise TypeError(
            f"expected grey levels in [0, 1] as floating point, got {x.dtype}. Bytes become grey "
            "levels by x / 255."
        )
    if x.dim() < 2 or x[:1].numel() != 784 * len(x[:1]):
        cause = (
            "One image alone needs a leading 1: x[None]."
            if x.numel() == 784
            else "The network was trained on 28 × 28 digits and takes nothing else."
        )
        raise ValueError(f"expected images (N, 784), got shape {tuple(x.shape)}. {cause}")
    return x.flatten(start_dim=1)


def _checked(x: Tensor) -> Tensor:
    """Rows (N, 784), once there are some and every pixel is a grey level."""
    x = _pixels(x)
    if len(x) == 0:
        raise ValueError("expected at least one image, got none: shape (0, 784).")
    low, high = float(x.min()), float(x.max())
    if not (low >= 0 and high <= 1):  # NaN fails too: it compares with nothing
        raise ValueError(
            f"expected grey levels in [0, 1], got {low:.3g} to {high:.3g}. From [0, 255] divide by "
            "255; from [-1, 1], where a GAN's tanh ends, use (x + 1) / 2; NaN means that a model's "
            "training broke; a tiny excess over 1 is rounding: x.clamp(0, 1)."
        )
    return x
