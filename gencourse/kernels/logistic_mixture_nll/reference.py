r"""A mixture of logistic distributions over grey levels: minus its logarithm.

A pixel takes one of L grey levels $0, \dots, L - 1$. Rescaled to $[-1, 1]$ they are
$c = 2x / (L - 1) - 1$, and each level owns the interval of half-width $\ell = 1 / (L - 1)$ around
its c; the first level owns everything below it too, the last everything above. A logistic
distribution of mean μ and scale s puts on the level the probability

$$ P(x) = \sigma(b) - \sigma(a), \qquad a = \frac{c - \ell - \mu}{s}, \quad
   b = \frac{c + \ell - \mu}{s}, $$

with $a = -\infty$ at the first level and $b = \infty$ at the last, so that the probabilities of all
levels sum to 1 whatever μ and s are. The mixture's negative log-likelihood is

$$ -\log \sum_{m=1}^{M} \pi_m P_m(x), \qquad \pi = \operatorname{softmax}(\text{logits}). $$

Far from the mean, or for a tiny scale, both sigmoids are 0 or both are 1, and their difference is
nothing but rounding. It need not be taken: since $1 - \sigma(a) = \sigma(-a)$,

$$ \sigma(b) - \sigma(a) = \sigma(b)\, \sigma(-a)\, \bigl(1 - e^{-(b - a)}\bigr), $$

three positive factors, each of which has an accurate logarithm. The last depends on the scale
alone, $b - a = 2 \ell / s$.

Everything here is plain PyTorch, differentiable any number of times, in any direction and under
any transform of `torch.func`. In float64 it is the truth that the kernel is tested against.

References:
    Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++: Improving the PixelCNN with Discretized
    Logistic Mixture Likelihood and Other Modifications, section 2.1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["gradients", "level_log_prob", "logistic_mixture_nll"]


def level_log_prob(x: Tensor, means: Tensor, log_scales: Tensor, levels: int = 256) -> Tensor:
    r"""The logarithm of the probability that each logistic distribution puts on a grey level.

    $$ \log P(x) = \log \sigma(b) + \log \sigma(-a) + \log\bigl(1 - e^{-2 \ell / s}\bigr), $$

    of which the first level keeps $\log \sigma(b)$ alone, and the last $\log \sigma(-a)$.

    Args:
        x: Grey levels, whole numbers from 0 to levels - 1, with shape (...).
        means: The means μ, in the units of x rescaled to [-1, 1], with shape (..., M).
        log_scales: The logarithm of the scales s, in the same units, with shape (..., M).
        levels: The number of grey levels L.

    Returns:
        Log-probabilities in nats, with shape (..., M).
    """
    x, half_width = x.unsqueeze(-1), 1 / (levels - 1)
    from_mean = (2 * x - (levels - 1)) * half_width - means
    inverse_scales = torch.exp(-log_scales)
    below = F.logsigmoid((from_mean + half_width) * inverse_scales)
    above = F.logsigmoid((half_width - from_mean) * inverse_scales)
    between = torch.log(-torch.expm1(-2 * half_width * inverse_scales))
    return torch.where(x <= 0, below, torch.where(x >= levels - 1, above, below + above + between))


def logistic_mixture_nll(
    x: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor, levels: int = 256
) -> Tensor:
    """The mixture's negative log-likelihood, in float32 or better whatever the inputs' precision.

    Args:
        x: Grey levels, whole numbers from 0 to levels - 1, with shape (...). They are data: there
            is no derivative with respect to them.
        logits: Unnormalised log-weights of the components, with shape (..., M).
        means: The means μ, in the units of x rescaled to [-1, 1], with shape (..., M).
        log_scales: The logarithm of the scales s, in the same units, with shape (..., M).
        levels: The number of grey levels L.

    Returns:
        Nats, with shape (...), in float64 for float64 inputs and in float32 for all others.
    """
    precise = torch.promote_types(logits.dtype, torch.float32)
    logits, means, log_scales = (tensor.to(precise) for tensor in (logits, means, log_scales))
    log_probs = level_log_prob(x.detach().to(precise), means, log_scales, levels)
    return torch.logsumexp(logits, -1) - torch.logsumexp(logits + log_probs, -1)


def gradients(
    grad_nll: Tensor,
    x: Tensor,
    logits: Tensor,
    means: Tensor,
    log_scales: Tensor,
    levels: int = 256,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""The vector-Jacobian product of `logistic_mixture_nll`, written out.

    With the posterior $\rho_m \propto \pi_m P_m(x)$, the responsibility of each component,

    $$ \overline{\text{logits}}_m = \bar n\, (\pi_m - \rho_m), \quad
       \bar\mu_m = \bar n\, \rho_m\, \frac{\sigma(-b_m) - \sigma(a_m)}{s_m}, \quad
       \overline{\log s}_m = \bar n\, \rho_m \Bigl( b_m\, \sigma(-b_m) - a_m\, \sigma(a_m)
       + \frac{\delta_m}{e^{\delta_m} - 1} \Bigr), $$

    where $\delta = 2 \ell / s$ and a bar is the derivative of the loss with respect to what is
    under it. At the first level the terms of a and δ are absent, at the last those of b and δ.

    Args:
        grad_nll: The derivative of the loss with respect to the negative log-likelihood, with
            shape (...).
        x: Grey levels, with shape (...).
        logits: Unnormalised log-weights, with shape (..., M).
        means: The means μ, with shape (..., M).
        log_scales: The logarithm of the scales s, with shape (..., M).
        levels: The number of grey levels L.

    Returns:
        The derivatives of the loss with respect to `logits`, `means` and `log_scales`, with shape
        (..., M).
    """
    precise, dtype = grad_nll.dtype, logits.dtype
    x, logits, means, log_scales = (
        tensor.to(precise) for tensor in (x.detach(), logits, means, log_scales)
    )
    log_probs = level_log_prob(x, means, log_scales, levels)
    weight = grad_nll.unsqueeze(-1)
    grad_logits = weight * (logits.softmax(-1) - (logits + log_probs).softmax(-1))
    weight = weight * (logits + log_probs).softmax(-1)

    x, half_width = x.unsqueeze(-1), 1 / (levels - 1)
    from_mean = (2 * x - (levels - 1)) * half_width - means
    inverse_scales = torch.exp(-log_scales)
    b, a = (from_mean + half_width) * inverse_scales, (from_mean - half_width) * inverse_scales
    delta = 2 * half_width * inverse_scales
    first, last = x <= 0, x >= levels - 1
    by_b = torch.where(last, 0.0, torch.sigmoid(-b))
    by_a = torch.where(first, 0.0, torch.sigmoid(a))
    by_delta = torch.where(first | last, 0.0, 1 / torch.expm1(delta))
    grad_means = weight * inverse_scales * (by_b - by_a)
    grad_log_scales = weight * (b * by_b - a * by_a + delta * by_delta)
    return grad_logits.to(dtype), grad_means.to(dtype), grad_log_scales.to(dtype)
