"""What the latent variables of a VAE carry: the measures of posterior collapse.

The KL term of the ELBO, averaged over the data, is the sum of two numbers that mean different
things (Hoffman and Johnson, 2016). With q(z) = E_x[q(z|x)], the aggregate posterior,

    E_x[KL(q(z|x) || p(z))] = I_q(x; z) + KL(q(z) || p(z)):

the first is what z tells about x, the second how far the codes as a whole miss the prior. Here x is
uniform over the N data given, so that the first cannot exceed log N, the number of nats it takes to
say which of them x is. A value near log N means "at least this much" for data at large, and then
the second, which is the rest, is too large by as much.
"""

import math

import torch
from torch import Tensor

from gencourse.families.vae import normal_log_prob

__all__ = ["active_units", "aggregate_posterior_kl", "mutual_information"]


def active_units(mean: Tensor, threshold: float = 0.01) -> Tensor:
    """Which latent dimensions are in use: those with Var_x(E_q[z_u|x]) > threshold. (d,) bool.

    mean (N, d): the means of q(z|x) for N data. A dimension that ignores x has the same mean for
    every x, hence no variance (Burda, Grosse and Salakhutdinov, 2016, section 5.3).
    """
    return mean.var(dim=0) > threshold


def _log_aggregate_posterior(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log (1/N) Σ_j q(z|x_j) for every z (M, d), where mean and log_var are (N, d)."""
    rows = [
        torch.logsumexp(normal_log_prob(z_i[:, None], mean, log_var), dim=1)
        for z_i in torch.split(z, 100)  # never more than 100 × N × d numbers at once
    ]
    return torch.cat(rows) - math.log(len(mean))


def mutual_information(mean: Tensor, log_var: Tensor, noise: Tensor) -> float:
    """I_q(x; z) = E[log q(z|x) - log q(z)] in nats, x uniform over N data, z from q(z|x).

    mean, log_var (N, d): q(z|x) for every datum; noise (N, d): draws from N(0, I). It is 0 when z
    ignores x and never above log N, which is reached when every z betrays its x.
    """
    z = mean + torch.exp(log_var / 2) * noise
    log_ratio = normal_log_prob(z, mean, log_var) - _log_aggregate_posterior(z, mean, log_var)
    return float(log_ratio.mean())


def aggregate_posterior_kl(mean: Tensor, log_var: Tensor, noise: Tensor) -> float:
    """KL(q(z) || p(z)) in nats: how far the codes of all N data, together, are from N(0, I).

    mean, log_var, noise (N, d), as in `mutual_information`.
    """
    z = mean + torch.exp(log_var / 2) * noise
    log_prior = normal_log_prob(z, torch.zeros_like(z), torch.zeros_like(z))
    return float((_log_aggregate_posterior(z, mean, log_var) - log_prior).mean())
