r"""A monotonic curve of rational-quadratic pieces, its inverse, and the logarithm of its slope.

The interval $[-B, B]$ is cut into K bins, from knot to knot $(x_k, y_k)$. A bin of width $w$ and
height $h$, of mean slope $s = h / w$, with the slopes $d_0$ and $d_1$ at its two ends, holds the
curve

$$ y = y_k + h\, \frac{s\,\theta^2 + d_0\,\theta\varphi}
                      {s\,(\theta^2 + \varphi^2) + (d_0 + d_1)\,\theta\varphi},
   \qquad \theta = \frac{x - x_k}{w}, \quad \varphi = 1 - \theta, $$

which rises from end to end whatever the positive numbers $w, h, d_0, d_1$ are, and has the
derivative

$$ \frac{dy}{dx} = s^2\, \frac{d_1\,\theta^2 + 2 s\,\theta\varphi + d_0\,\varphi^2}
     {\bigl(s\,(\theta^2 + \varphi^2) + (d_0 + d_1)\,\theta\varphi\bigr)^2}. $$

Outside the interval the curve is the straight line $y = x$; the slopes at $\pm B$ are 1, so that
it joins smoothly. The curve is applied to each of D coordinates with parameters of its own, so the
logarithms of the D slopes add up to the logarithm of the Jacobian's determinant.

Two things here are written otherwise than in the paper, and are the same numbers. Denominators and
slopes are sums of positive terms, with nothing subtracted, and so is the inverse: with
$\eta = (y - y_k) / h$ and $r = d_0 (1 - \eta) - d_1 \eta$ the discriminant of the quadratic
equation for θ is

$$ r^2 + 4 s^2\, \eta\,(1 - \eta), $$

which cannot turn negative by rounding, as the textbook's $b^2 - 4ac$ does. And x is brought into
the interval *before* the formulas, not selected after them: what would be computed outside is
thrown away, but its derivative would not be, and $0 \cdot \infty$ is not 0.

Everything is computed on the unit interval, where knots are running sums of shares, and in plain
PyTorch, differentiable any number of times, in any direction and under any transform of
`torch.func`. In float64 it is the truth that the kernel is tested against.

References:
    Gregory and Delbourgo (1982), Piecewise Rational Quadratic Interpolation to Monotonic Data.
    Durkan, Bekasov, Murray and Papamakarios (2019), Neural Spline Flows.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "MIN_DERIVATIVE",
    "MIN_SHARE",
    "Bin",
    "bend",
    "bin_gradients",
    "find_bin",
    "gradients",
    "knot_derivative",
    "knots",
    "log_slope",
    "position",
    "rational_quadratic_spline",
    "rise",
    "share_gradients",
    "shares",
]

# No bin is narrower or lower than this share of the interval, no slope at a knot smaller than this.
MIN_SHARE = 1e-3
MIN_DERIVATIVE = 1e-3

# softplus(UNIT) + MIN_DERIVATIVE = 1.
UNIT = math.log(math.expm1(1 - MIN_DERIVATIVE))


class Bin(NamedTuple):
    """The bin that each number falls into, on the unit interval; every field has shape (..., D)."""

    left: Tensor
    width: Tensor
    bottom: Tensor
    height: Tensor
    left_derivative: Tensor
    right_derivative: Tensor


def shares(unnormalised: Tensor) -> Tensor:
    r"""The K bins' shares of the unit interval: a softmax that leaves each at least `MIN_SHARE`.

    $$ m + (1 - K m)\, \operatorname{softmax}(u)_k, \qquad m = 10^{-3}. $$

    The softmax is written out: over a last dimension as short as K, `torch.softmax` on a CPU takes
    eight times as long as its three steps. The largest entry is a constant that cancels, so it
    needs no derivative.

    Args:
        unnormalised: Any real numbers u, with shape (..., K).

    Returns:
        Positive numbers that sum to 1 over the last dimension, with shape (..., K).
    """
    exponentials = torch.exp(unnormalised - unnormalised.detach().amax(-1, keepdim=True))
    scale = (1 - unnormalised.shape[-1] * MIN_SHARE) / exponentials.sum(-1, keepdim=True)
    return MIN_SHARE + scale * exponentials


def knots(unnormalised: Tensor) -> Tensor:
    """The K + 1 knots of one axis: 0, the running sum of the shares, and 1 exactly.

    Args:
        unnormalised: Any real numbers, with shape (..., K).

    Returns:
        Rising numbers from 0 to 1, with shape (..., K + 1).
    """
    inner = shares(unnormalised).cumsum(-1)[..., :-1]
    return F.pad(F.pad(inner, (1, 0)), (0, 1), value=1.0)


def knot_derivative(unnormalised: Tensor) -> Tensor:
    r"""The slope at a knot: `softplus` of a real number, moved so that 0 gives the slope 1.

    $$ m + \log(1 + e^{u + c}), \qquad c = \log(e^{1 - m} - 1), \quad m = 10^{-3}. $$
    """
    return MIN_DERIVATIVE + F.softplus(unnormalised + UNIT)


def find_bin(
    u: Tensor, widths: Tensor, heights: Tensor, derivatives: Tensor, inverse: bool
) -> tuple[Tensor, Bin]:
    """Find the bin of each number and read off its parameters.

    Args:
        u: Numbers in the unit interval, with shape (..., D): on the horizontal axis, or on the
            vertical one for `inverse`.
        widths: Unnormalised bin widths, with shape (..., D, K).
        heights: Unnormalised bin heights, with shape (..., D, K).
        derivatives: Unnormalised slopes at the inner knots, with shape (..., D, K - 1).
        inverse: Whether `u` lies on the vertical axis.

    Returns:
        The index of the bin, 0 to K - 1, with shape (..., D), and the bin.
    """
    horizontal, vertical = knots(widths), knots(heights)
    inner = (vertical if inverse else horizontal)[..., 1:-1]
    index = (inner <= u.unsqueeze(-1)).sum(-1)
    # The slope at both ends is 1, for which the unnormalised value is 0.
    derivatives = F.pad(derivatives, (1, 1))

    def at(table: Tensor, index: Tensor) -> Tensor:
        return table.gather(-1, index.unsqueeze(-1)).squeeze(-1)

    left, bottom = at(horizontal, index), at(vertical, index)
    return index, Bin(
        left,
        # A difference of knots, and not the share itself: so no number of the bin is beyond its
        # end by a rounding, and the inverse never takes the root of a negative number.
        at(horizontal, index + 1) - left,
        bottom,
        at(vertical, index + 1) - bottom,
        knot_derivative(at(derivatives, index)),
        knot_derivative(at(derivatives, index + 1)),
    )


def rise(theta: Tensor, bin: Bin) -> Tensor:
    """The curve's value at the share θ of the bin's width, on the unit interval."""
    phi, slope = 1 - theta, bin.height / bin.width
    both = bin.left_derivative + bin.right_derivative
    denominator = slope * (theta.square() + phi.square()) + both * theta * phi
    numerator = slope * theta.square() + bin.left_derivative * theta * phi
    return bin.bottom + bin.height * numerator / denominator


def log_slope(theta: Tensor, bin: Bin) -> Tensor:
    """The logarithm of the curve's derivative at the share θ of the bin's width."""
    phi, slope = 1 - theta, bin.height / bin.width
    both = bin.left_derivative + bin.right_derivative
    denominator = slope * (theta.square() + phi.square()) + both * theta * phi
    numerator = (
        bin.right_derivative * theta.square()
        + 2 * slope * theta * phi
        + bin.left_derivative * phi.square()
    )
    return torch.log(numerator) + 2 * torch.log(slope / denominator)


def position(eta: Tensor, bin: Bin) -> Tensor:
    r"""The share θ of the bin's width at which the curve has reached the share η of its height.

    The root in [0, 1] of the bin's quadratic equation,

    $$ \theta = \frac{2 s \eta}{2 s \eta + t} \text{ if } r \geq 0, \qquad
       \theta = \frac{t}{2 s (1 - \eta) + t} \text{ if } r < 0, \qquad
       t = |r| + \sqrt{r^2 + 4 s^2 \eta (1 - \eta)}, $$

    where $r = d_0 (1 - \eta) - d_1 \eta$. The two are one number; each adds positive terms only, so
    no digits are lost, and the square root is never of 0, so its derivative is finite.
    """
    slope = bin.height / bin.width
    r = bin.left_derivative * (1 - eta) - bin.right_derivative * eta
    t = r.abs() + torch.sqrt(r.square() + 4 * slope.square() * eta * (1 - eta))
    rising, falling = 2 * slope * eta, 2 * slope * (1 - eta)
    return torch.where(r >= 0, rising, t) / (torch.where(r >= 0, rising, falling) + t)


def rational_quadratic_spline(
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    derivatives: Tensor,
    inverse: bool = False,
    bound: float = 3.0,
) -> tuple[Tensor, Tensor]:
    """The curve or its inverse, computed in float32 or better whatever the inputs' precision.

    Args:
        x: The numbers to transform, with shape (..., D).
        widths: Unnormalised bin widths, with shape (..., D, K).
        heights: Unnormalised bin heights, with shape (..., D, K).
        derivatives: Unnormalised slopes at the inner knots, with shape (..., D, K - 1).
        inverse: Whether to go from y to x.
        bound: The half-width B of the interval.

    Returns:
        The transformed numbers, with shape (..., D), and the logarithm of the Jacobian's
        determinant, of the direction asked for, with shape (...), in float64 for float64 inputs
        and in float32 for all others.
    """
    precise = torch.promote_types(x.dtype, torch.float32)
    x_, widths, heights, derivatives = (
        tensor.to(precise) for tensor in (x, widths, heights, derivatives)
    )
    outside = x_.abs() > bound
    u = (x_.clamp(-bound, bound) + bound) / (2 * bound)
    _, bin = find_bin(u, widths, heights, derivatives, inverse)
    if inverse:
        theta = position((u - bin.bottom) / bin.height, bin)
        image, log_det = bin.left + bin.width * theta, -log_slope(theta, bin)
    else:
        theta = (u - bin.left) / bin.width
        image, log_det = rise(theta, bin), log_slope(theta, bin)
    y = torch.where(outside, x_, 2 * bound * image - bound)
    return y.to(x.dtype), log_det.masked_fill(outside, 0.0).sum(-1)


def bend(theta: Tensor, bin: Bin) -> Tensor:
    """The derivative of `log_slope` with respect to θ."""
    phi, slope = 1 - theta, bin.height / bin.width
    d0, d1 = bin.left_derivative, bin.right_derivative
    denominator = slope * (theta.square() + phi.square()) + (d0 + d1) * theta * phi
    numerator = d1 * theta.square() + 2 * slope * theta * phi + d0 * phi.square()
    return (
        2 * ((slope - d0) * phi + (d1 - slope) * theta) / numerator
        - 2 * (d0 + d1 - 2 * slope) * (phi - theta) / denominator
    )


def bin_gradients(grad_rise: Tensor, grad_log_slope: Tensor, theta: Tensor, bin: Bin) -> Bin:
    """The vector-Jacobian product of `rise` and `log_slope` with respect to the bin, u held fixed.

    Args:
        grad_rise: The derivative of the loss with respect to the curve's value, (..., D).
        grad_log_slope: The derivative of the loss with respect to the log-slope, (..., D).
        theta: The share θ of the bin's width, (u - left) / width, with shape (..., D).
        bin: The bin.

    Returns:
        The derivative of the loss with respect to each of the bin's six parameters.
    """
    phi, slope = 1 - theta, bin.height / bin.width
    d0, d1 = bin.left_derivative, bin.right_derivative
    squares, product = theta.square() + phi.square(), theta * phi
    # rise = bottom + height · part / denominator, exp(log_slope) = top · (slope / denominator)².
    denominator = slope * squares + (d0 + d1) * product
    part = slope * theta.square() + d0 * product
    top = d1 * theta.square() + 2 * slope * product + d0 * phi.square()

    by_rise = grad_rise * bin.height * product / denominator.square()
    by_top, by_denominator = grad_log_slope / top, -2 * grad_log_slope / denominator
    grad_d0 = (
        by_rise * (slope * phi.square() + d1 * product)
        + by_top * phi.square()
        + by_denominator * product
    )
    grad_d1 = -by_rise * part + by_top * theta.square() + by_denominator * product
    grad_slope = (
        by_rise * (d1 * theta.square() - d0 * phi.square())
        + 2 * by_top * product
        + 2 * grad_log_slope / slope
        + by_denominator * squares
    )
    # Where the bin moves or widens, θ moves against it.
    grad_theta = grad_rise * bin.width * top * (slope / denominator).square()
    grad_theta = grad_theta + grad_log_slope * bend(theta, bin)
    return Bin(
        left=-grad_theta / bin.width,
        width=-(grad_theta * theta + grad_slope * slope) / bin.width,
        bottom=grad_rise,
        height=grad_rise * part / denominator + grad_slope / bin.width,
        left_derivative=grad_d0,
        right_derivative=grad_d1,
    )


def share_gradients(
    grad_start: Tensor, grad_size: Tensor, index: Tensor, unnormalised: Tensor
) -> Tensor:
    """From a bin's start and size on one axis back to the K unnormalised numbers.

    A bin starts where the shares before it end, so its start pulls at all of these, its size at its
    own share. Through the softmax each pulls against the mean of all.

    Args:
        grad_start: The derivative of the loss with respect to the bin's start, (..., D).
        grad_size: The derivative of the loss with respect to the bin's size, (..., D).
        index: The index of the bin, with shape (..., D).
        unnormalised: The numbers that were made into shares, with shape (..., D, K).
    """
    bins = unnormalised.shape[-1]
    k, index = torch.arange(bins, device=index.device), index.unsqueeze(-1)
    grad_shares = torch.where(k < index, grad_start.unsqueeze(-1), 0.0)
    grad_shares = torch.where(k == index, grad_size.unsqueeze(-1), grad_shares)
    weights = unnormalised.softmax(-1)
    mean = (weights * grad_shares).sum(-1, keepdim=True)
    return (1 - bins * MIN_SHARE) * weights * (grad_shares - mean)


def gradients(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    derivatives: Tensor,
    inverse: bool = False,
    bound: float = 3.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""The vector-Jacobian product of `rational_quadratic_spline`, written out.

    The inverse needs no formulas of its own. Where $F(u; p) = v$ holds, with slope $F' = e^{L}$,
    and u is moved by v and by the parameters p,

    $$ du = \frac{dv - \partial_p F\, dp}{F'}; $$

    so with $\lambda$ the derivative of the loss with respect to the forward map's log-slope L, and
    $\bar v = (\bar u + \lambda\, \partial_u L) / F'$, the parameters see what they would see in the
    forward map if the derivative with respect to its value were $-\bar v$.

    Args:
        grad_y: The derivative of the loss with respect to the transformed numbers, (..., D).
        grad_log_det: The derivative of the loss with respect to the log-determinant, (...).
        x: The numbers that were transformed, with shape (..., D).
        widths: Unnormalised bin widths, with shape (..., D, K).
        heights: Unnormalised bin heights, with shape (..., D, K).
        derivatives: Unnormalised slopes at the inner knots, with shape (..., D, K - 1).
        inverse: Whether the map went from y to x.
        bound: The half-width B of the interval.

    Returns:
        The derivatives of the loss with respect to `x`, `widths`, `heights` and `derivatives`.
    """
    precise, dtype = grad_log_det.dtype, x.dtype
    x, widths, heights, derivatives, grad_y = (
        tensor.to(precise) for tensor in (x, widths, heights, derivatives, grad_y)
    )
    outside = x.abs() > bound
    u = (x.clamp(-bound, bound) + bound) / (2 * bound)
    index, bin = find_bin(u, widths, heights, derivatives, inverse)
    # The image is 2B · rise - B, and u = (x + B) / 2B: the factors cancel in the gradient of x.
    grad_image = torch.where(outside, 0.0, 2 * bound * grad_y)
    grad_log_slope = torch.where(outside, 0.0, grad_log_det.unsqueeze(-1))
    if inverse:
        theta = position((u - bin.bottom) / bin.height, bin)
        grad_log_slope = -grad_log_slope
        pull = grad_image + grad_log_slope * bend(theta, bin) / bin.width
        grad_u = pull / torch.exp(log_slope(theta, bin))
        grad_bin = bin_gradients(-grad_u, grad_log_slope, theta, bin)
    else:
        theta = (u - bin.left) / bin.width
        grad_bin = bin_gradients(grad_image, grad_log_slope, theta, bin)
        grad_u = -grad_bin.left

    k, column = torch.arange(derivatives.shape[-1], device=x.device), index.unsqueeze(-1)
    grad_derivatives = torch.where(k == column - 1, grad_bin.left_derivative.unsqueeze(-1), 0.0)
    grad_derivatives = torch.where(
        k == column, grad_bin.right_derivative.unsqueeze(-1), grad_derivatives
    )
    found = (
        torch.where(outside, grad_y, grad_u / (2 * bound)),
        share_gradients(grad_bin.left, grad_bin.width, index, widths),
        share_gradients(grad_bin.bottom, grad_bin.height, index, heights),
        grad_derivatives * torch.sigmoid(derivatives + UNIT),
    )
    grad_x, grad_widths, grad_heights, grad_derivatives = (g.to(dtype) for g in found)
    return grad_x, grad_widths, grad_heights, grad_derivatives
