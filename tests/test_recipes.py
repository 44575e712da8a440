"""`gencourse train` from end to end, on a hundredth of MNIST."""

import signal

import pytest
import torch

from gencourse import checkpoints
from gencourse.cli import main
from gencourse.data import MNIST, mnist
from gencourse.families.vae import VAE
from gencourse.recipes import vae as recipe


@pytest.fixture(autouse=True)
def small_mnist(monkeypatch):
    def few(split):
        data, n = mnist(split), {"train": 600, "test": 100}[split]
        return MNIST(data.images[:n], data.labels[:n])

    monkeypatch.setattr(recipe, "mnist", few)


def train(folder, *more):
    return main(["train", "vae-2d", "--out", str(folder), "--epochs", "2", *more])


def weights(folder):
    return (folder / "vae-2d.safetensors").read_bytes()


def test_training_writes_weights_and_the_card_that_describes_them(tmp_path, capsys):
    before = torch.get_rng_state()
    assert train(tmp_path) == 0
    assert torch.equal(before, torch.get_rng_state())
    model, card = checkpoints.load("vae-2d", tmp_path), checkpoints.card("vae-2d", tmp_path)
    assert isinstance(model, VAE)
    assert card["recipe"]["epochs"] == 2
    assert card["test"]["images"] == 100
    assert "loss" in capsys.readouterr().err  # the progress bar


def test_interrupted_training_resumes_to_the_same_weights(tmp_path, capsys, monkeypatch):
    assert train(tmp_path / "straight") == 0
    calls = []
    loss = VAE.loss

    def pressed(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return loss(*args, **kwargs)

    monkeypatch.setattr(VAE, "loss", pressed)
    assert train(tmp_path / "broken") == 130
    assert "The same command with --resume goes on from there" in capsys.readouterr().err
    assert not (tmp_path / "broken" / "vae-2d.safetensors").exists()
    assert train(tmp_path / "broken", "--resume") == 0
    assert weights(tmp_path / "broken") == weights(tmp_path / "straight")


def test_resuming_another_recipe_is_refused_without_a_traceback(tmp_path, capsys):
    assert train(tmp_path) == 0
    assert main(["train", "vae-2d", "--out", str(tmp_path), "--epochs", "3", "--resume"]) == 2
    assert "settings that it began with" in capsys.readouterr().err


def test_unknown_name_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["train", "no-such-model"])
    assert "vae-2d" in capsys.readouterr().err
