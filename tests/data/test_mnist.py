"""MNIST arrives whole or not at all, and binarisation is the Bernoulli that it says it is."""

import shutil
import sys

import pytest
import torch

from gencourse.data import binarize, mnist
from gencourse.data.mnist import FILES, SHA256

# As an attribute of the package, the function hides the module of the same name.
MODULE = sys.modules["gencourse.data.mnist"]


@pytest.mark.parametrize(("split", "n"), [("train", 60_000), ("test", 10_000)])
def test_split_has_the_published_size_and_types(split, n):
    data = mnist(split)
    assert data.images.shape == (n, 28, 28)
    assert data.images.dtype == torch.uint8
    assert data.labels.shape == (n,)
    assert data.labels.dtype == torch.int64
    assert len(data) == n


def test_class_counts_and_pixel_moments_are_the_published_ones():
    train, test = mnist("train"), mnist("test")
    assert train.labels.bincount().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert test.labels.bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    pixels = train.images.double() / 255
    assert round(float(pixels.mean()), 4) == 0.1307
    assert round(float(pixels.std()), 4) == 0.3081


def test_files_are_read_once():
    assert mnist("test") is mnist("test")


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match=r'"train" and "test"; got \'validation\''):
        mnist("validation")


@pytest.fixture
def copied_files(tmp_path, monkeypatch):
    for name in SHA256:
        shutil.copy(FILES / name, tmp_path)
    monkeypatch.setattr(MODULE, "FILES", tmp_path)
    mnist.cache_clear()
    yield tmp_path
    mnist.cache_clear()


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty"])
def test_damaged_file_is_refused_by_name(copied_files, damage):
    path = copied_files / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[1000] ^= 1
    path.write_bytes(content[: {"truncated": 4000, "one bit": None, "empty": 0}[damage]])
    with pytest.raises(
        RuntimeError, match=r"t10k-labels-idx1-ubyte\.gz is damaged: expected .* got"
    ):
        mnist("test")


def test_missing_file_is_refused_by_name(copied_files):
    (copied_files / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(RuntimeError, match=r"train-images-idx3-ubyte\.gz is missing"):
        mnist("train")


def test_binarised_pixels_are_bernoulli_of_their_intensity():
    levels = torch.tensor([0, 1, 64, 128, 254, 255], dtype=torch.uint8)
    n = 200_000
    share = binarize(levels.expand(n, -1), seed=0).mean(dim=0)
    p = levels / 255
    error = (p * (1 - p) / n).sqrt()
    assert ((share - p).abs() <= 4 * error).all()
    assert share[0] == 0
    assert share[-1] == 1


def test_binarisation_depends_on_the_seed_alone():
    images = mnist("test").images[:100]
    x = binarize(images, seed=0)
    assert x.shape == (100, 784)
    assert x.dtype == torch.float32
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(x, binarize(images, seed=0))
    assert not torch.equal(x, binarize(images, seed=1))


def test_binarisation_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    binarize(mnist("test").images[:10], seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_images_already_divided_by_255_are_refused():
    with pytest.raises(TypeError, match=r"torch\.float32.*originals"):
        binarize(mnist("test").images[:10] / 255, seed=0)
