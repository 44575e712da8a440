"""The measured map: the rulers agree with what is known, and a short run goes from end to end."""

import json

import pytest
import torch

from gencourse.bench import protocol
from gencourse.bench.contestants import CONTESTANTS
from gencourse.cli import main
from gencourse.data import EightGaussians, Ring

FIGURES = {
    *("on_data", "precision", "recall", "modes"),
    *("energy", "nats_behind", "mass", "microseconds"),
}


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    monkeypatch.setattr(protocol, "POINTS", 1000)


class Copy:
    """A perfect model of `target`, or one that is wrong in a known way."""

    likelihood = "exact"

    def __init__(self, target, shift=0.0):
        self.target, self.shift = target, shift

    def log_prob(self, x):
        return self.target.log_prob(x - self.shift)

    def sample(self, n, generator=None):
        return self.target.sample(n, generator) + self.shift


def test_a_perfect_model_scores_what_data_score():
    figures = protocol.measure(Copy(EightGaussians()), EightGaussians(), seed=0)
    assert set(figures) == FIGURES
    assert figures["on_data"] == pytest.approx(0.999, abs=0.003)
    assert figures["modes"] == 8
    assert abs(figures["energy"]) < 0.01
    assert figures["nats_behind"] == pytest.approx(0, abs=1e-6)
    assert figures["mass"] == pytest.approx(1, abs=1e-3)


def test_a_shifted_model_is_worse_by_every_ruler():
    good = protocol.measure(Copy(Ring()), Ring(), seed=0)
    bad = protocol.measure(Copy(Ring(), shift=0.5), Ring(), seed=0)
    for figure in ("on_data", "precision", "recall"):
        assert bad[figure] < good[figure]
    for figure in ("energy", "nats_behind"):
        assert bad[figure] > good[figure]


def test_a_forgetful_model_keeps_its_quality_and_loses_modes():
    class Half(Copy):
        def sample(self, n, generator=None):
            x = self.target.sample(4 * n, generator)
            return x[x[:, 0] > 0.5][:n]

    figures = protocol.measure(Half(EightGaussians()), EightGaussians(), seed=0)
    assert figures["on_data"] > 0.99
    assert figures["modes"] == 3
    assert figures["recall"] < 0.6


@pytest.mark.parametrize("name", CONTESTANTS)
def test_contestants_are_of_one_size_and_repeat_themselves(name):
    contestant = CONTESTANTS[name]
    models = [protocol.train(contestant, Ring(), seed=3, seconds=0.0)[0] for _ in range(2)]
    sizes = [sum(p.numel() for p in model.parameters()) for model in models]
    assert 8_000 <= sizes[0] <= 12_000
    first, second = (
        model.sample(5, generator=torch.Generator().manual_seed(0)) for model in models
    )
    assert torch.equal(first, second)
    assert first.shape == (5, 2)


def test_the_command_writes_every_figure_with_its_spread(tmp_path, capsys):
    out = tmp_path / "map.json"
    command = ["bench", "--out", str(out), "--seeds", "2", "--seconds", "0", "--only", "VAE", "GAN"]
    assert main(command) == 0
    result = json.loads(out.read_text(encoding="utf8"))
    assert set(result["results"]) == set(protocol.TARGETS)
    for rows in result["results"].values():
        assert list(rows) == ["data", "VAE", "GAN"]
        for row in rows.values():
            assert set(row["figures"]) == FIGURES
        assert rows["GAN"]["figures"]["nats_behind"] is None
        spread = rows["VAE"]["figures"]["energy"]
        assert spread["low"] <= spread["mean"] <= spread["high"]
    assert "Wrote" in capsys.readouterr().err
