r"""The generative adversarial network (Goodfellow et al., 2014): a game of two networks.

A generator G turns noise into data, and so draws from some density p_G that nobody writes down. A
critic C looks at a point and answers with one real number, high for what it takes to be real:

    z ~ N(0, I),   x = G(z)                        generator, x ~ p_G
    D(x) = sigmoid(C(x))                           the discriminator: is x data or was it made?
    V(D, G) = E_p[log D(x)] + E_{p_G}[log(1 - D(x))]

D climbs the value V and G descends it. For a given G the best discriminator and its value are

    D*(x) = p(x) / (p(x) + p_G(x)),     V(D*, G) = 2 JSD(p, p_G) - 2 log 2,

so that G, facing the best critic, descends the Jensen-Shannon divergence to the data. In terms of
the critic's number c the objectives in use differ in two functions each:

                        critic: real + made             generator
    minimax             softplus(-c) + softplus(c)       -softplus(c)
    non-saturating      softplus(-c) + softplus(c)       softplus(-c)
    hinge               relu(1 - c) + relu(1 + c)        -c
    wasserstein         -c + c                           -c

since -log sigmoid(c) = softplus(-c). A penalty on the critic's gradient keeps the game from
running away: `r1_penalty` at the data, `gradient_penalty` between the data and what was made.

Shapes: B points in a batch, D numbers in a point, d in its noise.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import relu, softplus

from gencourse.families.inputs import check_batch, check_within, refuse_condition
from gencourse.training import Player

__all__ = [
    "GAN",
    "OBJECTIVES",
    "game_value",
    "gradient_penalty",
    "hinge_critic_loss",
    "linear_generator_loss",
    "logistic_critic_loss",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "optimal_discriminator",
    "r1_penalty",
    "wasserstein_critic_loss",
]


def optimal_discriminator(log_p: Tensor, log_q: Tensor) -> Tensor:
    """D*(x) = p(x) / (p(x) + q(x)), the best answer when real and made are equally frequent.

    log_p, log_q (B,): log-densities of the data and of the generator at the same points, in nats.
    Returns (B,) in [0, 1]. The critic behind it is C* = log p - log q (Goodfellow et al., 2014).
    """
    return torch.sigmoid(log_p - log_q)


def game_value(real: Tensor, fake: Tensor) -> Tensor:
    """V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))], a scalar in nats, never above 0.

    real (B,), fake (B',): the critic's numbers for data and for what was made. Two coins give
    -2 log 2; a critic that is never wrong gives 0.
    """
    return -logistic_critic_loss(real, fake)


def logistic_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-V(D, G): the cross-entropy of telling data from made, twice over. real (B,), fake (B',)."""
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_generator_loss(fake: Tensor) -> Tensor:
    """E[log(1 - D(G(z)))]: the generator's half of V, flat where the critic is sure. fake (B,)."""
    return -softplus(fake).mean()


def non_saturating_generator_loss(fake: Tensor) -> Tensor:
    """E[-log D(G(z))]: the same fixed point, and steep where the critic is sure. fake (B,)."""
    return softplus(-fake).mean()


def hinge_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Real above 1, made below -1, and no reward for more (Lim and Ye, 2017; Tran et al., 2017)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def wasserstein_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-(E[C(x)] - E[C(G(z))]): for a 1-Lipschitz critic, at least -W₁ (Arjovsky et al., 2017)."""
    return fake.mean() - real.mean()


def linear_generator_loss(fake: Tensor) -> Tensor:
    """-E[C(G(z))]: the generator climbs the critic's number itself. fake (B,)."""
    return -fake.mean()


OBJECTIVES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "minimax": (logistic_critic_loss, minimax_generator_loss),
    "non-saturating": (logistic_critic_loss, non_saturating_generator_loss),
    "hinge": (hinge_critic_loss, linear_generator_loss),
    "wasserstein": (wasserstein_critic_loss, linear_generator_loss),
}
"""The critic's loss of (real, fake) and the generator's loss of (fake), by the objective's name."""


def input_gradient(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∇ₓ C(x) for each row: (B, D) → (B, D), itself differentiable in the critic's parameters."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient


def r1_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """½ E_p ‖∇ₓ C(x)‖², the critic's steepness at the data: a scalar (Mescheder et al., 2018).

    critic: (B, D) → (B,); real (B, D).
    """
    return 0.5 * input_gradient(critic, real).square().sum(dim=1).mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    generator: Generator | None = None,
) -> Tensor:
    """E (‖∇ₓ C(x̂)‖ - 1)² at random points x̂ between real and made: a scalar.

    critic: (B, D) → (B,); real, fake (B, D), paired row by row; x̂ is uniform on the segment of each
    pair (Gulrajani et al., 2017).
    """
    t = torch.rand(len(real), 1, generator=generator, dtype=real.dtype, device=real.device)
    between = torch.lerp(fake, real, t)
    steepness: Tensor = input_gradient(critic, between).norm(dim=1)
    return (steepness - 1).square().mean()


class GAN(nn.Module):
    """A generator, a critic, and the game between them.

    generator: noise (B, d) to points (B, D). critic: points (B, D) to one number each, (B, 1).
    objective: a name in `OBJECTIVES`. The critic's loss carries r1_weight · `r1_penalty` and
    gradient_weight · `gradient_penalty`, for the γ and the λ of their papers. support: the interval
    in which every number of a data point lies, where there is one, (0, 1) for grey levels.

    Methods that take a batch raise `ValueError` or `TypeError` with the likely cause when it is not
    what the game is about.
    """

    likelihood = "none"

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        data_dim: int,
        latent_dim: int,
        objective: str = "non-saturating",
        r1_weight: float = 0.0,
        gradient_weight: float = 0.0,
        support: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        if objective not in OBJECTIVES:
            raise ValueError(
                f"There is no objective {objective!r}; there are {', '.join(OBJECTIVES)}."
            )
        if min(r1_weight, gradient_weight) < 0:
            raise ValueError(
                f"A penalty has a weight of 0 or more; got {r1_weight:g} and {gradient_weight:g}. "
                "A negative one would reward the critic for being steep."
            )
        self.generator = generator
        self.critic = critic
        self.data_dim = data_dim
        self.latent_dim = latent_dim
        self.objective = objective
        self.r1_weight = r1_weight
        self.gradient_weight = gradient_weight
        self.support = support

    def players(self) -> list[Player]:
        """The critic, who moves first in every step, and the generator, who answers."""
        return [
            Player("critic", list(self.critic.parameters()), self.loss),
            Player("generator", list(self.generator.parameters()), self.generator_loss),
        ]

    def judge(self, x: Tensor) -> Tensor:
        """The critic's number C(x) for each point, (B,), for points x (B, D)."""
        self._check(x)
        return self._judge(x)

    def loss(self, x: Tensor, condition: None = None, generator: Generator | None = None) -> Tensor:
        """What the critic minimises, penalties included: a scalar. x (B, D).

        It says how the game stands, not how good the samples are: it falls when the critic gains,
        and rises when the generator does.
        """
        refuse_condition(condition, self)
        self._check(x)
        fake = self.sample(len(x), generator=generator)
        critic_loss, _ = OBJECTIVES[self.objective]
        loss = critic_loss(self._judge(x), self._judge(fake))
        if self.r1_weight > 0:
            loss = loss + self.r1_weight * r1_penalty(self._judge, x)
        if self.gradient_weight > 0:
            loss = loss + self.gradient_weight * gradient_penalty(self._judge, x, fake, generator)
        return loss

    def generator_loss(
        self, x: Tensor, condition: None = None, generator: Generator | None = None
    ) -> Tensor:
        """What the generator minimises, a scalar: it draws as many points as x has rows.

        The data do not enter. All that a generator ever learns of them is the critic's gradient.
        """
        refuse_condition(condition, self)
        self._check(x)
        _, generator_loss = OBJECTIVES[self.objective]
        return generator_loss(self._judge(self.generator(self._noise(len(x), generator))))

    @torch.no_grad()
    def sample(self, n: int, condition: None = None, generator: Generator | None = None) -> Tensor:
        """n draws from p_G, (n, D): one pass of the generator."""
        refuse_condition(condition, self)
        points: Tensor = self.generator(self._noise(n, generator))
        return points

    def log_prob(self, x: Tensor) -> Tensor:
        """There is none. Raises `NotImplementedError`, with the reasons."""
        raise NotImplementedError(
            "A GAN has no log_prob. Its density is implicit: the generator only says how to draw. "
            f"Here it maps {self.latent_dim} numbers of noise to points of {self.data_dim}, and "
            "p_G(x) would be a sum over every z with G(z) = x, which nobody can list; with fewer "
            "numbers in than out almost no x has any such z, and then no density exists at all. "
            "The critic's sigmoid(judge(x)) is no substitute: at best it is p / (p + p_G), which "
            "is 1/2 everywhere when the generator is perfect. Compare samples instead, with "
            "gencourse.evaluation.coverage; for a likelihood train a flow or an autoregressive "
            "model (exact) or a VAE (a bound)."
        )

    def _judge(self, x: Tensor) -> Tensor:
        number: Tensor = self.critic(x).squeeze(dim=1)
        return number

    def _noise(self, n: int, generator: Generator | None) -> Tensor:
        like = next(self.generator.parameters())
        shape = (n, self.latent_dim)
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)

    def _check(self, x: Tensor) -> None:
        """Refuse a batch that the critic could tell from the generator's by a slip of its maker."""
        check_batch(x, (self.data_dim,), self)
        if self.support is not None:
            check_within(
                x,
                *self.support,
                self,
                "The generator draws inside that interval, so the critic would win by looking at "
                "the range alone. Bring bytes there with images / 255, and [-1, 1] with "
                "(x + 1) / 2.",
            )
