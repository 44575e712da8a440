r"""Invertible transforms, each with the logarithm of what it does to volume.

A transform f takes a batch x (B, D) to y = f(x), undoes it, and says by which factor it stretches
volume at each point: log |det ∂f/∂x|, in nats. Two ways of making the Jacobian triangular, so that
its determinant is the product of its diagonal, times two curves to put on that diagonal:

    Coupling         y_i = curve(x_i; network(x_kept))      for the coordinates that are not kept
    Autoregressive   y_i = curve(x_i; network(x_<i))        for all, in an ordering
    Affine           curve(x; α, β) = x exp(α) + β
    Spline           curve(x; w, h, d), monotone, of K rational-quadratic pieces

`Inverse` exchanges the two directions of a transform, `Mixing` is a dense matrix between layers,
and `Sequence` a composition, whose log-determinants add up.

References
----------
Dinh, Krueger and Bengio, *NICE*, 2014, and Dinh, Sohl-Dickstein and Bengio, *Density estimation
using Real NVP*, 2017, for couplings. Kingma et al., *Improving variational inference with inverse
autoregressive flow*, 2016, and Papamakarios, Pavlakou and Murray, *Masked autoregressive flow for
density estimation*, 2017. Kingma and Dhariwal, *Glow*, 2018, for the mixing. Durkan, Bekasov,
Murray and Papamakarios, *Neural spline flows*, 2019.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gencourse.kernels import affine_coupling, rational_quadratic_spline
from gencourse.nn.masked import MaskedMLP

__all__ = [
    "Affine",
    "Autoregressive",
    "Coupling",
    "Curve",
    "Inverse",
    "Mixing",
    "Sequence",
    "Spline",
    "Transform",
]


class Transform(nn.Module, ABC):
    """A map from R^D onto itself that can be undone, with its log-determinant both ways."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y = f(x), (B, D), and log |det ∂f/∂x|, (B,) in nats, for x (B, D)."""

    @abstractmethod
    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x = f⁻¹(y), (B, D), and log |det ∂f⁻¹/∂y|, (B,) in nats, for y (B, D)."""


class Curve(nn.Module, ABC):
    """A monotone curve for each coordinate, described by numbers that a network gives.

    size: how many numbers describe the curve of one coordinate.
    """

    size: int

    @abstractmethod
    def forward(self, x: Tensor, shape: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """The curve at x (..., D), and its log-slope summed over D, (...), in nats.

        shape (..., D, size) describes the curves; with `inverse` x is on the vertical axis, and the
        log-slope is that of the way back.
        """


class Affine(Curve):
    """x ↦ x exp(α) + β: the line of RealNVP.

    The log-scale is α = c tanh(a / c), a the network's number: close to a while |a| is small, and
    never beyond ±c. Without a limit one unlucky step can ask for exp(90), the end of float32.
    """

    size = 2

    def __init__(self, limit: float = 3.0) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: Tensor, shape: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        log_scale, shift = shape.unbind(dim=-1)
        log_scale = self.limit * torch.tanh(log_scale / self.limit)
        return affine_coupling(x, log_scale, shift, inverse=inverse)


class Spline(Curve):
    """A monotone curve of `bins` rational-quadratic pieces on [-bound, bound], x = y outside."""

    def __init__(self, bins: int = 8, bound: float = 3.0) -> None:
        super().__init__()
        self.bins, self.bound = bins, bound
        self.size = 3 * bins - 1

    def forward(self, x: Tensor, shape: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        # K widths, K heights and K-1 slopes, before their softmax and softplus.
        parts = shape.split([self.bins, self.bins, self.bins - 1], dim=-1)
        return rational_quadratic_spline(x, *parts, inverse=inverse, bound=self.bound)


class Coupling(Transform):
    """Some coordinates are kept; a network reads them and bends the others.

    kept: which coordinates, (D,) bool, some true and some false. network: any module from the kept
    coordinates (B, number kept) to (B, number bent × curve.size). Both directions take one pass of
    the network, because what it reads is the same before and after.
    """

    kept: Tensor

    def __init__(self, kept: Tensor, network: nn.Module, curve: Curve) -> None:
        super().__init__()
        if kept.dtype != torch.bool or kept.ndim != 1 or kept.all() or not kept.any():
            raise ValueError(
                "A coupling keeps some coordinates and bends the others: `kept` is a bool tensor "
                f"(D,) with both in it. Got {kept.dtype} of shape {tuple(kept.shape)}, "
                f"{int(kept.sum())} of {kept.numel()} true."
            )
        self.register_buffer("kept", kept, persistent=False)
        self.network = network
        self.curve = curve

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._bend(x, inverse=False)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return self._bend(y, inverse=True)

    def _bend(self, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        shape = self.network(x[:, self.kept]).unflatten(-1, (-1, self.curve.size))
        bent, log_det = self.curve(x[:, ~self.kept], shape, inverse=inverse)
        y = x.clone()
        y[:, ~self.kept] = bent
        return y, log_det


class Autoregressive(Transform):
    """Every coordinate is bent by a curve that reads those before it in an ordering (MAF).

    network: a `MaskedMLP` from (B, D) to (B, D, curve.size), whose mask sets the ordering. Forward
    is one pass, for all of x is there to be read. Back, a coordinate can be found only when those
    before it are known: D passes.
    """

    def __init__(self, network: MaskedMLP, curve: Curve) -> None:
        super().__init__()
        self.network = network
        self.curve = curve

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.curve.forward(x, self.network(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x, total = torch.zeros_like(y), y.new_zeros(len(y))
        for i in self.network.order.split(1):
            found, log_det = self.curve(y[:, i], self.network(x)[:, i], inverse=True)
            x = x.index_copy(1, i, found)
            total = total + log_det
        return x, total


class Inverse(Transform):
    """A transform with its two directions exchanged: `Inverse(Autoregressive(...))` is an IAF."""

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.transform.inverse(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        y, log_det = self.transform(y)
        return y, log_det


class Mixing(Transform):
    """y = W x with one dense invertible matrix, so that every coordinate meets every other (Glow).

    weight: W (D, D), learned from there; a random rotation if left out. The determinant costs
    O(D³), once for the whole batch. A 1 × 1 convolution is this matrix over the channels of a
    pixel, its log-determinant times the number of pixels.

    Raises `ValueError` when W is singular, or so nearly that a float could not tell.
    """

    def __init__(self, features: int, weight: Tensor | None = None) -> None:
        super().__init__()
        if weight is None:
            weight = nn.init.orthogonal_(torch.empty(features, features))
        if weight.shape != (features, features):
            raise ValueError(
                f"A mixing of {features} coordinates is a matrix ({features}, {features}); got "
                f"{tuple(weight.shape)}."
            )
        self.weight = nn.Parameter(weight)
        self._log_det(weight)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ self.weight.T, self._log_det(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        log_det = self._log_det(y)
        return torch.linalg.solve(self.weight, y.T).T, -log_det

    def _log_det(self, x: Tensor) -> Tensor:
        condition = float(torch.linalg.cond(self.weight.detach(), 1))
        if not condition < 1 / torch.finfo(self.weight.dtype).eps:
            raise ValueError(
                f"The mixing matrix is singular: its condition number is {condition:.3g}, beyond "
                f"what {self.weight.dtype} can invert. It squashes the space flat, and mass on a "
                "plane has no density. Two equal rows, a row of zeros, or too large a learning "
                "rate?"
            )
        log_det: Tensor = torch.linalg.slogdet(self.weight).logabsdet
        return log_det.expand(len(x))


class Sequence(Transform):
    """One transform after another: f = f_L ∘ ... ∘ f_1, whose log-determinants add up."""

    def __init__(self, transforms: Iterable[Transform]) -> None:
        super().__init__()
        self.transforms = nn.ModuleList(transforms)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x))
        for transform in self.transforms:
            x, log_det = transform(x)
            total = total + log_det
        return x, total

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        total = y.new_zeros(len(y))
        transforms: list[Transform] = list(self.transforms)  # type: ignore[arg-type]
        for transform in reversed(transforms):
            y, log_det = transform.inverse(y)
            total = total + log_det
        return y, total
