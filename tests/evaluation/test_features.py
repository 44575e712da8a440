"""The feature network names digits, and is not moved by what does not matter."""

import pytest
import torch

from gencourse import checkpoints
from gencourse.data import mnist
from gencourse.evaluation.features import FeatureNetwork


@pytest.fixture(scope="module")
def network():
    return checkpoints.load("features")


@pytest.fixture(scope="module")
def digits():
    return mnist("test").images[:1000].flatten(start_dim=1) / 255


def moved(x, pixels):
    return x.view(-1, 28, 28).roll(pixels, dims=2).flatten(start_dim=1)


def test_card_reports_the_accuracy_asked_of_it():
    test = checkpoints.card("features")["test"]
    assert test["images"] == 10_000
    assert test["accuracy"] >= 0.99
    assert test["accuracy_binarised"] >= 0.99
    assert checkpoints.card("features")["weights"]["bytes"] <= 400_000


def test_a_digit_moved_is_nearer_to_itself_than_another_digit_is(network, digits):
    """In pixels it is not: two pixels to the right are farther than another digit."""
    others = mnist("test").images[1000:2000].flatten(start_dim=1) / 255

    def share_nearer(represent):
        a, b = represent(digits), represent(others)
        to_itself = (a - represent(moved(digits, 2))).norm(dim=1)
        return float((to_itself < torch.cdist(a, b).amin(dim=1)).double().mean())

    assert share_nearer(network.features) > share_nearer(lambda x: x) + 0.2


def test_features_of_one_class_lie_together(network, digits):
    features, labels = network.features(digits), mnist("test").labels[:1000]
    distances = torch.cdist(features, features)
    same = labels[:, None] == labels
    off_diagonal = ~torch.eye(1000, dtype=torch.bool)
    assert distances[same & off_diagonal].mean() < 0.6 * distances[~same].mean()


def test_logits_are_a_linear_map_of_the_features(network, digits):
    torch.testing.assert_close(network.head(network.features(digits)), network(digits))
    assert torch.equal(network.classify(digits), network(digits).argmax(dim=1))


def test_batches_and_shapes_of_images_make_no_difference(network, digits):
    whole = network.features(digits)
    torch.testing.assert_close(network.features(digits, batch_size=333), whole)
    for shape in ((-1, 28, 28), (-1, 1, 28, 28)):
        torch.testing.assert_close(network.features(digits.view(shape)), whole)
    assert whole.shape == (1000, 64)
    assert not whole.requires_grad


def test_loss_of_a_network_that_knows_nothing_is_log_ten():
    network = FeatureNetwork()
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    loss = network.loss(torch.zeros(4, 784), torch.tensor([0, 3, 5, 9]))
    torch.testing.assert_close(loss, torch.tensor(10.0).log())


class TestErrors:
    network = FeatureNetwork()

    def test_bytes(self):
        with pytest.raises(TypeError, match=r"torch\.uint8.*x / 255"):
            self.network.features(torch.zeros(2, 784, dtype=torch.uint8))

    @pytest.mark.parametrize(
        ("scale", "shift", "found"), [(255, 0, "0 to 255"), (2, -1, "-1 to 1")]
    )
    def test_grey_levels_of_another_range(self, scale, shift, found):
        x = torch.linspace(0, 1, 784)[None] * scale + shift
        with pytest.raises(ValueError, match=rf"got {found}.*\(x \+ 1\) / 2"):
            self.network.classify(x)

    def test_nan(self):
        x = torch.zeros(2, 784)
        x[1, 5] = float("nan")
        with pytest.raises(ValueError, match=r"got nan to nan.*NaN means"):
            self.network.features(x)

    def test_another_size(self):
        with pytest.raises(ValueError, match=r"\(N, 784\), got shape \(2, 3, 32, 32\)"):
            self.network.features(torch.zeros(2, 3, 32, 32))

    def test_one_image_alone(self):
        with pytest.raises(ValueError, match=r"x\[None\]"):
            self.network.features(torch.zeros(784))

    def test_no_images(self):
        with pytest.raises(ValueError, match=r"at least one image, got none"):
            self.network.features(torch.zeros(0, 784))

    def test_no_labels(self):
        with pytest.raises(ValueError, match="got no labels"):
            self.network.loss(torch.zeros(2, 784))
