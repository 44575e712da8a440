"""Truths of the game: its best critic, its value, its slopes and penalties, what it refuses."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from gencourse.data import EightGaussians, Ring
from gencourse.evaluation.quadrature import grid, jensen_shannon
from gencourse.families.gan import (
    GAN,
    OBJECTIVES,
    game_value,
    gradient_penalty,
    hinge_critic_loss,
    linear_generator_loss,
    logistic_critic_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    optimal_discriminator,
    r1_penalty,
    wasserstein_critic_loss,
)
from gencourse.nn import MLP
from gencourse.training import fit

B, D, d = 6, 3, 2


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small_gan(**settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GAN(MLP(d, 8, D), MLP(D, 8, 1), data_dim=D, latent_dim=d, **settings)


def points(n=B):
    return torch.randn(n, D, generator=seeded(1))


def value_on_grid(verdict, data, forger):
    """V = ∫ p log D + ∫ p_G log(1 - D), by the midpoint rule, for verdicts on a grid."""
    x = grid(2, 4.0, 320)
    p, q = data.log_prob(x).exp(), forger.log_prob(x).exp()
    area = (8 / 320) ** 2
    return area * (torch.xlogy(p, verdict) + torch.special.xlog1py(q, -verdict)).sum()


GAMES = {
    "wide forger": (Ring(2.0, 0.2), Ring(1.8, 0.4)),
    "other shape": (EightGaussians(), Ring(2.0, 0.3)),
}


@pytest.mark.parametrize(("data", "forger"), GAMES.values(), ids=GAMES)
def test_value_at_the_best_critic_is_twice_jsd_less_two_log_two(data, forger):
    x = grid(2, 4.0, 320)
    best = optimal_discriminator(data.log_prob(x), forger.log_prob(x))
    divergence = jensen_shannon(data.log_prob, forger.log_prob, extent=4.0, points=320)
    assert 0.01 < divergence < math.log(2)
    value = value_on_grid(best, data, forger)
    torch.testing.assert_close(value, 2 * divergence - 2 * math.log(2), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("data", "forger"), GAMES.values(), ids=GAMES)
def test_optimal_discriminator_maximises_the_value(data, forger):
    x = grid(2, 4.0, 320)
    best = optimal_discriminator(data.log_prob(x), forger.log_prob(x))
    logit = torch.logit(best)
    top = value_on_grid(best, data, forger)
    others = [torch.full_like(best, 0.5), torch.sigmoid(0.8 * logit), torch.sigmoid(logit + 0.2)]
    assert all(value_on_grid(other, data, forger) < top for other in others)


def test_best_verdict_is_one_half_everywhere_when_the_generator_is_perfect():
    data = EightGaussians()
    x = data.sample(50, seeded())
    torch.testing.assert_close(
        optimal_discriminator(data.log_prob(x), data.log_prob(x)), torch.full((50,), 0.5)
    )
    undecided = torch.zeros(B)
    assert game_value(undecided, undecided).item() == pytest.approx(-2 * math.log(2))


def test_best_verdict_orders_points_otherwise_than_the_density():
    """D* is no probability of x: its least likely point may be its most certain."""
    data, forger = Ring(2.0, 0.2), Ring(1.0, 0.2)
    likely, unlikely = torch.tensor([[2.0, 0.0]]), torch.tensor([[2.9, 0.0]])
    verdict = [
        optimal_discriminator(data.log_prob(x), forger.log_prob(x)) for x in (likely, unlikely)
    ]
    assert data.log_prob(unlikely) < data.log_prob(likely) - 5
    assert verdict[1] > verdict[0] > 0.5


def test_training_a_critic_finds_the_ratio_of_the_densities():
    """Two shifted Gaussians: log p - log p_G is a line, whose slope a linear critic must learn."""
    generator = seeded()
    x = torch.randn(20_000, 1, generator=generator, dtype=torch.float64) + 0.5
    y = torch.randn(20_000, 1, generator=generator, dtype=torch.float64) - 0.5
    critic = nn.Linear(1, 1, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(critic.parameters(), line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = logistic_critic_loss(critic(x), critic(y))
        value.backward()
        return value

    for _ in range(3):
        optimiser.step(loss)
    assert critic.weight.item() == pytest.approx(1.0, abs=0.05)
    assert critic.bias.item() == pytest.approx(0.0, abs=0.05)


def test_logistic_losses_are_cross_entropies_with_labels():
    real, fake = torch.randn(2, B, generator=seeded())
    ones, zeros = torch.ones(B), torch.zeros(B)
    peer = binary_cross_entropy_with_logits
    torch.testing.assert_close(
        logistic_critic_loss(real, fake), peer(real, ones) + peer(fake, zeros)
    )
    torch.testing.assert_close(non_saturating_generator_loss(fake), peer(fake, ones))
    torch.testing.assert_close(minimax_generator_loss(fake), -peer(fake, zeros))
    torch.testing.assert_close(game_value(real, fake), -logistic_critic_loss(real, fake))


def slope(loss, c):
    c = c.clone().requires_grad_()
    return torch.autograd.grad(loss(c), c)[0]


def test_slope_of_the_saturating_loss_dies_where_the_critic_is_sure():
    """dL/dc is -sigmoid(c) for the minimax loss, and -sigmoid(-c) for the non-saturating one."""
    c = torch.linspace(-40, 10, 101, dtype=torch.float64)
    minimax = torch.cat([slope(minimax_generator_loss, c[i : i + 1]) for i in range(101)])
    steep = torch.cat([slope(non_saturating_generator_loss, c[i : i + 1]) for i in range(101)])
    torch.testing.assert_close(minimax, -torch.sigmoid(c))
    torch.testing.assert_close(steep, -torch.sigmoid(-c))
    assert minimax[0].abs() < 1e-17
    assert steep[0].abs() > 1 - 1e-15


def test_both_generator_losses_push_the_same_way_and_agree_at_a_draw():
    undecided = torch.zeros(1)
    assert torch.equal(
        slope(minimax_generator_loss, undecided), slope(non_saturating_generator_loss, undecided)
    )
    c = torch.randn(50, generator=seeded())
    pushes = slope(minimax_generator_loss, c) * slope(non_saturating_generator_loss, c)
    assert (pushes > 0).all()


def test_separated_supports_leave_the_jensen_shannon_divergence_flat():
    """Ring against ever smaller ring: the divergence stops at log 2 while the distance grows."""
    data = Ring(2.5, 0.05)
    divergences = [
        jensen_shannon(data.log_prob, Ring(r, 0.05).log_prob, extent=3.2, points=640)
        for r in (2.4, 1.5, 0.5)
    ]
    assert divergences[0] < math.log(2) - 0.1
    for far in divergences[1:]:
        assert far.item() == pytest.approx(math.log(2), abs=1e-9)


def test_jensen_shannon_is_symmetric_and_zero_for_equal_densities():
    p, q = Ring(2.0, 0.2).log_prob, Ring(1.8, 0.4).log_prob
    torch.testing.assert_close(jensen_shannon(p, q, 4.0), jensen_shannon(q, p, 4.0))
    assert jensen_shannon(p, p, 4.0).abs() < 1e-12


def test_hinge_critic_gets_nothing_for_more_than_a_margin():
    sure, surer = torch.full((B,), 1.0), torch.full((B,), 9.0)
    assert hinge_critic_loss(sure, -sure) == hinge_critic_loss(surer, -surer) == 0
    assert hinge_critic_loss(torch.zeros(B), torch.zeros(B)) == 2


def test_difference_of_a_lipschitz_critic_is_at_most_the_wasserstein_distance():
    """In one dimension W₁ is the mean distance of the sorted points, and C(x) = x attains it."""
    generator = seeded()
    x = torch.randn(500, 1, generator=generator, dtype=torch.float64) + 2
    y = 0.5 * torch.randn(500, 1, generator=generator, dtype=torch.float64)
    distance = (x.sort(dim=0).values - y.sort(dim=0).values).abs().mean()
    for critic in (torch.sin, torch.tanh, torch.abs, lambda x: -x, lambda x: relu_at(x, 1.0)):
        assert -wasserstein_critic_loss(critic(x), critic(y)) <= distance + 1e-12
    shifted = y + 1.7
    torch.testing.assert_close(
        -wasserstein_critic_loss(shifted, y), torch.tensor(1.7, dtype=torch.float64)
    )


def relu_at(x, knee):
    return torch.relu(x - knee)


def linear_critic(weight):
    return lambda x: x @ weight


def test_gradient_penalty_of_a_linear_critic_sees_only_its_norm():
    real, fake = points(), points() + 1
    weight = torch.tensor([2.0, -1.0, 2.0])  # norm 3
    assert gradient_penalty(linear_critic(weight / 3), real, fake, seeded()) < 1e-12
    torch.testing.assert_close(
        gradient_penalty(linear_critic(weight), real, fake, seeded()), torch.tensor(4.0)
    )


def test_gradient_penalty_is_taken_between_the_pairs():
    """The critic is steep outside the segments only, so that nothing is to be paid."""
    real, fake = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0]])

    def critic(x):
        return x[:, 0] + 50 * torch.relu(x[:, 0] - 2) + 50 * torch.relu(1 - x[:, 0])

    for seed in range(20):
        assert gradient_penalty(critic, real, fake, seeded(seed)) < 1e-12


def test_r1_penalty_of_a_linear_critic_is_half_its_squared_norm():
    weight = torch.tensor([2.0, -1.0, 2.0])
    torch.testing.assert_close(r1_penalty(linear_critic(weight), points()), torch.tensor(4.5))


@pytest.mark.parametrize("penalty", ["r1", "between"])
def test_penalties_teach_the_critic(penalty):
    """They are differentiable in the critic's weights: a linear critic shrinks to what is free."""
    weight = torch.tensor([2.0, -1.0, 2.0], requires_grad=True)
    critic = linear_critic(weight)
    if penalty == "r1":
        value, free = r1_penalty(critic, points()), 0.0
    else:
        value, free = gradient_penalty(critic, points(), points() + 1, seeded()), 1.0
    (gradient,) = torch.autograd.grad(value, weight)
    toward = gradient / gradient.norm()
    torch.testing.assert_close(toward, weight.detach() / 3)
    assert weight.norm() > free


def test_critic_moves_first_and_each_player_moves_only_its_own_weights():
    moved = []

    class Watched(GAN):
        def loss(self, *args, **kwargs):
            moved.append("critic")
            return super().loss(*args, **kwargs)

        def generator_loss(self, *args, **kwargs):
            moved.append("generator")
            return super().generator_loss(*args, **kwargs)

    model = Watched(MLP(d, 8, D), MLP(D, 8, 1), data_dim=D, latent_dim=d)
    fit(model, lambda epoch: points(), epochs=2, batch_size=B, learning_rate=1e-3, seed=0,
        progress=False)  # fmt: skip
    assert moved == ["critic", "generator"] * 2
    critic, generator = model.players()
    shared = {id(p) for p in critic.parameters} & {id(p) for p in generator.parameters}
    assert not shared
    assert len(critic.parameters) + len(generator.parameters) == len(list(model.parameters()))


def test_critics_loss_sends_no_gradient_to_the_generator():
    model = small_gan(r1_weight=1.0, gradient_weight=1.0)
    model.loss(points(), generator=seeded()).backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.critic.parameters())


def test_generator_never_sees_the_data():
    model = small_gan()
    losses = [model.generator_loss(x, generator=seeded()) for x in (points(), points() + 5)]
    assert torch.equal(*losses)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_losses_are_those_of_the_objective_plus_the_penalties(objective):
    model = small_gan(objective=objective, r1_weight=0.3, gradient_weight=0.7)
    generator, x = seeded(), points()
    fake = model.sample(B, generator=generator)
    critic_loss, generator_loss = OBJECTIVES[objective]
    expected = (
        critic_loss(model.judge(x), model.judge(fake))
        + 0.3 * r1_penalty(model.judge, x)
        + 0.7 * gradient_penalty(model.judge, x, fake, generator)
    )
    torch.testing.assert_close(model.loss(x, generator=seeded()), expected)
    torch.testing.assert_close(
        model.generator_loss(x, generator=seeded()), generator_loss(model.judge(fake))
    )


def test_samples_settle_on_one_gaussian():
    """Data N((1, -1), 0.3² I): the samples go where the data are, and do not shrink to a point."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GAN(MLP(2, 32, 2), MLP(2, 32, 1), data_dim=2, latent_dim=2, r1_weight=0.3)
    x = torch.tensor([1.0, -1.0]) + 0.3 * torch.randn(2000, 2, generator=seeded())
    fit(model, lambda epoch: x, epochs=25, batch_size=100, learning_rate=3e-3, seed=0,
        betas=(0.0, 0.99), progress=False)  # fmt: skip
    draws = model.sample(4000, generator=seeded(1))
    torch.testing.assert_close(draws.mean(dim=0), torch.tensor([1.0, -1.0]), rtol=0, atol=0.1)
    assert ((draws.std(dim=0) > 0.15) & (draws.std(dim=0) < 0.8)).all()


def test_samples_depend_on_the_generator_alone():
    model = small_gan()
    draws = model.sample(7, generator=seeded())
    assert draws.shape == (7, D)
    assert not draws.requires_grad
    assert torch.equal(draws, model.sample(7, generator=seeded()))
    assert not torch.equal(draws, model.sample(7, generator=seeded(1)))


def test_there_is_no_log_prob_and_the_error_says_why():
    model = small_gan()
    assert model.likelihood == "none"
    with pytest.raises(NotImplementedError, match=r"implicit.*2 numbers of noise to points of 3"):
        model.log_prob(points())


BAD_BATCHES = {
    "square images": (torch.zeros(B, 1, 3), ValueError, r"\(B, 3\); got \(6, 1, 3\)"),
    "other size": (torch.zeros(B, D + 1), ValueError, r"got \(6, 4\)"),
    "empty": (torch.zeros(0, D), ValueError, "empty"),
    "bytes": (torch.zeros(B, D, dtype=torch.uint8), TypeError, "uint8"),
    "0 to 255": (torch.full((B, D), 255.0), ValueError, r"values from 255 to 255.*images / 255"),
    "-1 to 1": (torch.full((B, D), -1.0), ValueError, r"values from -1 to -1.*\(x \+ 1\) / 2"),
    "not a number": (torch.full((B, D), math.nan), ValueError, "18 values that are NaN"),
}


@pytest.mark.parametrize(("batch", "error", "message"), BAD_BATCHES.values(), ids=BAD_BATCHES)
@pytest.mark.parametrize("method", ["loss", "generator_loss", "judge"])
def test_bad_batch_is_refused_with_its_likely_cause(method, batch, error, message):
    with pytest.raises(error, match=message):
        getattr(small_gan(support=(0.0, 1.0)), method)(batch)


def test_condition_is_refused_because_the_model_has_none():
    with pytest.raises(ValueError, match="never saw a label"):
        small_gan().loss(points(), condition=torch.zeros(B))
    with pytest.raises(ValueError, match="Got a condition of type int"):
        small_gan().sample(3, condition=7)


def test_unknown_objective_and_negative_penalty_are_refused():
    with pytest.raises(ValueError, match=r"no objective 'wgan'.*wasserstein"):
        small_gan(objective="wgan")
    with pytest.raises(ValueError, match="weight of 0 or more; got -1"):
        small_gan(r1_weight=-1.0)


def test_best_answer_to_a_critic_that_stands_still_is_a_single_point():
    """With the critic frozen, a generator that may put its points anywhere puts all on its peak."""
    peak = torch.tensor([0.5, -1.0])
    free = torch.randn(40, 2, generator=seeded(), requires_grad=True)
    optimiser = torch.optim.Adam([free], lr=0.05)
    for _ in range(400):
        loss = linear_generator_loss(-((free - peak) ** 2).sum(dim=1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (free - peak).abs().max() < 1e-2
