"""The shipped weights are those that their cards describe, and nothing else is accepted."""

import hashlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from gencourse import checkpoints
from gencourse.checkpoints import SHIPPED
from gencourse.checkpoints.architectures import ARCHITECTURES, vae
from gencourse.recipes import RECIPES

every_name = pytest.mark.parametrize("name", ARCHITECTURES)


@every_name
def test_card_agrees_with_the_weights(name):
    """The card's figures for a part of the test set come out again, on this machine."""
    card = checkpoints.card(name)
    measured = RECIPES[name].subset(checkpoints.load(name))
    assert measured == pytest.approx(card["subset"], rel=1e-3, abs=1e-3)


@every_name
def test_card_is_consistent_with_itself(name):
    card = checkpoints.card(name)
    assert card["name"] == name
    assert card["test"]
    assert card["training"]["minutes"] <= 90


@pytest.mark.parametrize("name", ["vae", "vae-2d"])
def test_bounds_on_the_card_are_consistent(name):
    test, model = checkpoints.card(name)["test"], checkpoints.load(name)
    assert test["images"] == 10_000
    assert test["elbo"] == pytest.approx(test["reconstruction"] - test["kl"])
    assert test["elbo"] < test["iw_bound"] < 0
    assert test["kl"] == pytest.approx(
        test["mutual_information"] + test["aggregate_posterior_kl"], abs=0.1
    )
    assert 0 < test["active_units"] <= test["latent_dim"] == model.latent_dim


@every_name
def test_card_states_the_recipe_that_the_command_runs(name):
    stated, recipe = checkpoints.card(name)["recipe"], RECIPES[name]
    for key, value in recipe.settings().items():
        assert stated[key] == (list(value) if isinstance(value, tuple) else value)


@every_name
def test_card_counts_the_parameters_and_the_bytes(name):
    card, model = checkpoints.card(name), checkpoints.load(name)
    file = SHIPPED / f"{name}.safetensors"
    assert card["parameters"]["total"] == sum(p.numel() for p in model.parameters())
    assert card["weights"]["bytes"] == file.stat().st_size
    assert card["weights"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert {t.dtype for t in load_file(file).values() if t.is_floating_point()} == {torch.float16}


@every_name
def test_loaded_model_is_ready_for_use(name):
    before = torch.get_rng_state()
    model = checkpoints.load(name)
    assert torch.equal(before, torch.get_rng_state())
    assert not model.training
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_more_latent_dimensions_explain_the_digits_better():
    plane, large = (checkpoints.card(name)["test"] for name in ("vae-2d", "vae"))
    assert large["iw_bound"] > plane["iw_bound"]
    assert large["mutual_information"] > plane["mutual_information"]


def test_the_plane_fits_the_page_that_carries_it():
    assert checkpoints.card("vae-2d")["weights"]["bytes"] < 250_000


def test_all_weights_together_stay_small():
    assert sum(file.stat().st_size for file in SHIPPED.glob("*.safetensors")) < 25_000_000


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no checkpoint 'vae_2d'.*'vae', 'vae-2d'"):
        checkpoints.load("vae_2d")


@pytest.fixture
def copies(tmp_path):
    for name in ARCHITECTURES:
        for suffix in ("safetensors", "json"):
            shutil.copy(SHIPPED / f"{name}.{suffix}", tmp_path)
    return tmp_path


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty"])
def test_damaged_weights_are_refused(copies, damage):
    path = copies / "vae-2d.safetensors"
    content = bytearray(path.read_bytes())
    content[100_000] ^= 1
    path.write_bytes(content[: {"truncated": 90_000, "one bit": None, "empty": 0}[damage]])
    with pytest.raises(RuntimeError, match="not the file its card describes: expected SHA-256"):
        checkpoints.load("vae-2d", copies)


def test_missing_weights_and_missing_cards_are_named(copies):
    (copies / "vae.safetensors").unlink()
    with pytest.raises(RuntimeError, match=r"vae\.safetensors is missing.*gencourse train vae"):
        checkpoints.load("vae", copies)
    (copies / "vae.json").unlink()
    with pytest.raises(RuntimeError, match=r"vae\.json is missing"):
        checkpoints.card("vae", copies)


def test_weights_of_another_architecture_are_refused(copies):
    """They are whole and their card is right, but they belong to another model."""
    checkpoints.save("vae-2d", vae(), {}, copies)
    with pytest.raises(RuntimeError, match=r"another architecture.*First difference: encoder"):
        checkpoints.load("vae-2d", copies)


def test_save_and_load_keep_the_weights_to_half_precision(tmp_path):
    model = vae()
    checkpoints.save("vae", model, {"test": {"elbo": -1.0}}, tmp_path)
    loaded = checkpoints.load("vae", tmp_path).state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(loaded[key], value.half().float())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["vae.json", "vae.safetensors"]
    assert json.loads((tmp_path / "vae.json").read_text())["test"]["elbo"] == -1.0
