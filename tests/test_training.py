"""Truths of the training loop: it repeats, it survives an interruption, it says what went wrong."""

import signal
import threading

import pytest
import torch
from torch import nn

from gencourse.families.vae import VAE, Encoder, GaussianDecoder
from gencourse.nn import MLP
from gencourse.training import Interrupted, Player, cosine_decay, fit

DATA = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
SETTINGS = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2, "seed": 0, "progress": False}
STEPS = 9  # three batches of 8, 8 and 4 in each epoch


def tiny_vae():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(Encoder(MLP(3, 4, 2)), GaussianDecoder(MLP(1, 4, 3)), data_dim=3, latent_dim=1)


def fresh_data(epoch):
    """Other data in every epoch, as dynamic binarisation gives."""
    return DATA + epoch


class InterruptedVAE(VAE):
    """Receives Ctrl-C in the middle of a step, as a user would press it."""

    steps_left = STEPS + 1
    presses = 1

    def loss(self, x, condition=None, generator=None):
        self.steps_left -= 1
        if self.steps_left == 0:
            for _ in range(self.presses):
                signal.raise_signal(signal.SIGINT)
        return super().loss(x, condition, generator)


def interrupted_vae(step, presses=1):
    model = tiny_vae()
    model.__class__ = InterruptedVAE
    model.steps_left, model.presses = step, presses
    return model


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_training_repeats_bit_for_bit():
    first, second = tiny_vae(), tiny_vae()
    histories = [fit(model, fresh_data, **SETTINGS) for model in (first, second)]
    assert torch.equal(weights(first), weights(second))
    assert histories[0].losses == histories[1].losses
    assert not first.training


def test_another_seed_gives_another_run():
    first, second = tiny_vae(), tiny_vae()
    fit(first, fresh_data, **SETTINGS)
    fit(second, fresh_data, **{**SETTINGS, "seed": 1})
    assert not torch.equal(weights(first), weights(second))


def test_training_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    fit(tiny_vae(), fresh_data, **SETTINGS)
    assert torch.equal(before, torch.get_rng_state())


# In the middle of an epoch, at its last step, at the first step of the next, at the very last.
@pytest.mark.parametrize("step", [2, 3, 4, STEPS])
def test_resumed_run_equals_uninterrupted_run_bit_for_bit(tmp_path, step):
    straight, resumed = tiny_vae(), tiny_vae()
    whole = fit(straight, fresh_data, **SETTINGS)
    state = tmp_path / "state"
    with pytest.raises(Interrupted, match=f"after step {step} of {STEPS}"):
        fit(interrupted_vae(step), fresh_data, **SETTINGS, state=state)
    history = fit(resumed, fresh_data, **SETTINGS, state=state, resume=True)
    assert torch.equal(weights(straight), weights(resumed))
    assert whole.losses == history.losses
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_run_can_be_interrupted_again_and_again(tmp_path):
    straight = tiny_vae()
    fit(straight, fresh_data, **SETTINGS)
    for _ in range(STEPS):
        model = interrupted_vae(1)
        with pytest.raises(Interrupted):
            fit(model, fresh_data, **SETTINGS, state=tmp_path / "state", resume=True)
    assert torch.equal(weights(straight), weights(model))


def test_finished_run_resumes_to_itself(tmp_path):
    first, second = tiny_vae(), tiny_vae()
    done = fit(first, fresh_data, **SETTINGS, state=tmp_path / "state")
    again = fit(second, fresh_data, **SETTINGS, state=tmp_path / "state", resume=True)
    assert torch.equal(weights(first), weights(second))
    assert done.losses == again.losses


def test_second_interruption_ends_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted_vae(2, presses=2), fresh_data, **SETTINGS, state=tmp_path / "state")


def test_without_a_state_ctrl_c_is_an_ordinary_interruption():
    before = signal.getsignal(signal.SIGINT)  # a job in the background ignores it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(interrupted_vae(2), fresh_data, **SETTINGS)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_has_its_old_meaning_after_training(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    fit(tiny_vae(), fresh_data, **SETTINGS, state=tmp_path / "state")
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_outside_the_main_thread(tmp_path):
    """Where no signal can be caught, as in some notebook servers."""
    model, straight = tiny_vae(), tiny_vae()
    fit(straight, fresh_data, **SETTINGS)
    arguments = {**SETTINGS, "state": tmp_path / "state"}
    thread = threading.Thread(target=fit, args=(model, fresh_data), kwargs=arguments)
    thread.start()
    thread.join()
    assert torch.equal(weights(model), weights(straight))


def test_state_of_another_recipe_is_refused(tmp_path):
    fit(tiny_vae(), fresh_data, **SETTINGS, state=tmp_path / "state")
    with pytest.raises(ValueError, match="settings that it began with"):
        fit(
            tiny_vae(),
            fresh_data,
            **{**SETTINGS, "learning_rate": 1e-3},
            state=tmp_path / "state",
            resume=True,
        )


def test_loss_that_is_no_number_names_the_usual_causes():
    with pytest.raises(FloatingPointError, match=r"step 1 of 9.*learning rate"):
        fit(Explosive(), fresh_data, **SETTINGS)


class Explosive(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def loss(self, x, generator=None):
        return self.weight / 0


class Mean(nn.Module):
    """A model whose maximum of likelihood is the mean of the data."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(3))

    def loss(self, x, generator=None):
        return ((x - self.mean) ** 2).sum(dim=1).mean()


def test_training_finds_a_known_optimum():
    model = Mean()
    settings = {**SETTINGS, "epochs": 400, "batch_size": 20}
    history = fit(model, lambda epoch: DATA, **settings)
    torch.testing.assert_close(model.mean.detach(), DATA.mean(dim=0), rtol=0, atol=1e-3)
    assert history.losses[-1] < history.losses[0]


def test_epoch_sees_every_datum_once():
    """The mean loss of an epoch at learning rate 0 is the loss of all data, remainder included."""
    history = fit(Mean(), lambda epoch: DATA, **{**SETTINGS, "learning_rate": 0.0})
    expected = float((DATA**2).sum(dim=1).mean())
    assert history.losses == pytest.approx([expected] * 3)


def test_long_gradients_are_cut_to_the_cap():
    """With Adam only their ratio in time matters; the cap is seen on the stored first moment."""
    models = [Mean(), Mean()]
    for model, cap in zip(models, (None, 1e-12), strict=True):
        fit(model, lambda epoch: DATA, **SETTINGS, max_grad_norm=cap)
    free, capped = (model.mean.detach().norm() for model in models)
    assert capped < 0.01 * free  # below Adam's ε of 1e-8 the steps vanish


def test_cosine_decay_goes_from_one_to_zero_through_a_half():
    assert cosine_decay(0, 10) == 1
    assert cosine_decay(5, 10) == pytest.approx(0.5)
    assert cosine_decay(10, 10) == 0
    factors = [cosine_decay(step, 10) for step in range(11)]
    assert factors == sorted(factors, reverse=True)


class Tug(nn.Module):
    """Two players pull one rope each: u minimises (u − v)², v minimises (v + u − 2)²."""

    def __init__(self):
        super().__init__()
        self.u, self.v = (nn.Parameter(torch.zeros(())) for _ in range(2))

    def players(self):
        return [
            Player("first", [self.u], lambda x, generator: (self.u - self.v) ** 2),
            Player("second", [self.v], lambda x, generator: (self.v + self.u - 2) ** 2),
        ]


def test_players_reach_the_equilibrium_of_their_game():
    """u = v and u + v = 2: neither gains by moving alone. It is no minimum of either loss."""
    model = Tug()
    fit(model, lambda epoch: DATA, **{**SETTINGS, "epochs": 600})
    assert model.u.item() == pytest.approx(1, abs=0.02)
    assert model.v.item() == pytest.approx(1, abs=0.02)


def test_each_player_moves_only_its_own_parameters():
    model = Tug()
    model.players = lambda: [Player("second", [model.v], lambda x, generator: (model.v - 1) ** 2)]
    fit(model, lambda epoch: DATA, **SETTINGS)
    assert model.u.item() == 0
    assert model.v.item() > 0


def test_a_player_that_fails_is_named():
    model = Tug()
    players = model.players()
    broken = Player("second", players[1].parameters, lambda x, generator: model.v / 0)
    model.players = lambda: [players[0], broken]
    with pytest.raises(FloatingPointError, match="second's loss became"):
        fit(model, lambda epoch: DATA, **SETTINGS)


class Conditional(nn.Module):
    """One mean for each label."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2, 3))

    def loss(self, x, condition, generator=None):
        return ((x - self.mean[condition]) ** 2).sum(dim=1).mean()


def test_conditions_stay_with_their_rows():
    model, labels = Conditional(), torch.arange(20) % 2
    settings = {**SETTINGS, "epochs": 400, "batch_size": 20}
    fit(model, lambda epoch: (DATA, labels), **settings)
    expected = torch.stack([DATA[labels == label].mean(dim=0) for label in (0, 1)])
    torch.testing.assert_close(model.mean.detach(), expected, rtol=0, atol=1e-3)


def test_averaged_weights_are_the_average_of_the_path():
    """With β = 0 the last weights; with a larger one a mean that lags behind them."""
    plain, last, lagging = Mean(), Mean(), Mean()
    for model, decay in ((plain, None), (last, 0.0), (lagging, 0.99)):
        fit(model, fresh_data, **SETTINGS, ema_decay=decay)
    assert torch.equal(plain.mean, last.mean)
    assert (lagging.mean > 0).all()
    assert (lagging.mean < plain.mean).all()


def test_averaged_weights_survive_an_interruption(tmp_path):
    arguments = {**SETTINGS, "ema_decay": 0.9, "state": tmp_path / "state"}
    straight, resumed = tiny_vae(), tiny_vae()
    fit(straight, fresh_data, **{**arguments, "state": None})
    with pytest.raises(Interrupted):
        fit(interrupted_vae(4), fresh_data, **arguments)
    fit(resumed, fresh_data, **arguments, resume=True)
    assert torch.equal(weights(straight), weights(resumed))
