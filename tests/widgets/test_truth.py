"""What the browser computes is what PyTorch computes from the same float16 weights."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from playwright.sync_api import Page

from gencourse import checkpoints
from gencourse.data import binarize, mnist
from gencourse.families.vae import VAE, elbo
from gencourse.kernels.reparameterize_kl import reparameterize_kl
from gencourse.widgets.base import STATIC
from gencourse.widgets.export.latent_plane import restore
from gencourse.widgets.weights import unpack

pytestmark = pytest.mark.browser

OpenFigure = Callable[..., Page]

PIXEL_TOLERANCE = 1e-4
"""Between a probability of ink in the browser and in PyTorch: float32 sums in another order."""

IN_BROWSER = """async (input) => {
    const figure = await import("../_static/live/latent-plane.mjs");
    const file = await (await fetch("../_static/live/latent-plane.bin")).arrayBuffer();
    const model = figure.vae(figure.readWeights(new DataView(file)));
    %s
}"""


@pytest.fixture(scope="module")
def model() -> VAE:
    """The checkpoint's architecture with the weights that travel to the browser."""
    model = checkpoints.load("vae-2d")
    restore(model, unpack((STATIC / "latent-plane.bin").read_bytes())[1])
    return model


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    """Twenty binary test digits, (20, 784)."""
    return binarize(mnist("test").images[:20], seed=3)


def test_decoded_pixels_equal_pytorchs(open_figure: OpenFigure, model: VAE) -> None:
    grid = list(itertools.product(np.linspace(-4, 4, 9).tolist(), repeat=2))
    script = IN_BROWSER % "return input.map((z) => Array.from(model.decode(z)))"
    found = torch.tensor(open_figure().evaluate(script, grid))
    with torch.no_grad():
        expected = model.decoder.mean(torch.tensor(grid))
    assert (found - expected).abs().max() < PIXEL_TOLERANCE


def test_encoded_mean_and_log_variance_equal_pytorchs(
    open_figure: OpenFigure, model: VAE, digits: torch.Tensor
) -> None:
    script = IN_BROWSER % "return input.map((x) => model.encode(x))"
    found = open_figure().evaluate(script, digits.tolist())
    with torch.no_grad():
        mean, log_var = model.encoder(digits)
    torch.testing.assert_close(torch.tensor([f["mean"] for f in found]), mean, rtol=0, atol=1e-4)
    torch.testing.assert_close(
        torch.tensor([f["logVar"] for f in found]), log_var, rtol=0, atol=1e-4
    )


def test_both_terms_of_the_bound_equal_pytorchs(
    open_figure: OpenFigure, model: VAE, digits: torch.Tensor
) -> None:
    script = IN_BROWSER % "return input.map((x) => model.bound(x))"
    found = open_figure().evaluate(script, digits.tolist())
    # The same rule, in float64: the Gauss-Hermite points of the standard normal in the plane.
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = torch.tensor(weights / weights.sum())
    rule = torch.cartesian_prod(torch.tensor(nodes), torch.tensor(nodes))
    with torch.no_grad():
        model, x = model.double(), digits.double()
        mean, log_var = model.encoder(x)
        z = mean + torch.exp(log_var / 2) * rule[:, None]
        log_likelihood = model.decoder.log_prob(x, z)
        reconstruction = (torch.outer(weights, weights).reshape(-1, 1) * log_likelihood).sum(0)
        kl = reparameterize_kl(mean, log_var, torch.zeros_like(mean))[1]
        model.float()
    for key, expected in (("reconstruction", reconstruction), ("kl", kl)):
        values = torch.tensor([f[key] for f in found], dtype=torch.float64)
        torch.testing.assert_close(values, expected, rtol=0, atol=1e-3)
    for f in found:
        assert f["elbo"] == pytest.approx(f["reconstruction"] - f["kl"])


def test_the_quadrature_is_the_elbo(
    open_figure: OpenFigure, model: VAE, digits: torch.Tensor
) -> None:
    """`families.vae.elbo` estimates the ELBO without bias: its average must be near the readout."""
    script = IN_BROWSER % "return input.map((x) => model.bound(x).elbo)"
    found = torch.tensor(open_figure().evaluate(script, digits.tolist()))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        draws = torch.stack(
            [
                elbo(digits, model.encoder, model.decoder, torch.randn(20, 2, generator=generator))
                for _ in range(2000)
            ]
        )
    error = draws.std(0) / len(draws) ** 0.5
    # Besides the sampling error, what eight points in each direction leave out.
    assert ((found - draws.mean(0)).abs() < 4 * error + 0.05).all()


def test_entropy_and_prior_equal_pytorchs(open_figure: OpenFigure, model: VAE) -> None:
    z = torch.tensor([0.7, -1.3])
    page = open_figure("#latent-plane?z=0.7,-1.3")
    with torch.no_grad():
        entropy = torch.distributions.Bernoulli(logits=model.decoder.network(z)).entropy().sum()
    prior = torch.distributions.Normal(0, 1).log_prob(z).sum()
    readouts = page.locator(".gm-side dd.gm-number").all_text_contents()
    assert readouts[0] == "(0.70, −1.30)"
    assert number(readouts[1]) == pytest.approx(prior.item(), abs=0.005)
    assert number(readouts[2]) == pytest.approx(entropy.item(), abs=0.06)


def test_the_large_digit_shows_the_decoded_pixels(open_figure: OpenFigure, model: VAE) -> None:
    page = open_figure("#latent-plane?z=-1,0.5")
    shown = page.evaluate(
        """() => Array.from(document.querySelector(".gm-digit").getContext("2d")
            .getImageData(0, 0, 28, 28).data).filter((_, i) => i % 4 === 0)"""
    )
    with torch.no_grad():
        ink = model.decoder.mean(torch.tensor([-1.0, 0.5]))
    paper, full = 0xFF, 0x1D  # red of the two tokens
    expected = paper + (full - paper) * ink
    assert (torch.tensor(shown) - expected).abs().max() <= 0.51


def test_a_test_digits_readouts_are_its_bound(open_figure: OpenFigure, model: VAE) -> None:
    page = open_figure()
    page.get_by_role("button", name="Draw your own").click()
    page.get_by_label("or take a test digit").select_option("7")
    readouts = page.locator(".gm-own dd.gm-number").all_text_contents()
    _, tensors = unpack((STATIC / "latent-plane.bin").read_bytes())
    x = np.unpackbits(tensors["examples"][7], bitorder="little").astype(int).tolist()
    bound = page.evaluate(IN_BROWSER % "return model.bound(input)", x)
    expected = [bound["reconstruction"], bound["kl"], bound["elbo"]]
    assert [number(text) for text in readouts[:3]] == pytest.approx(expected, abs=0.051)
    # At first the ring is at the mean of q(z|x).
    assert number(page.locator(".gm-sliders output").first.text_content()) == pytest.approx(
        bound["mean"][0], abs=0.006
    )


def test_the_codes_in_the_file_are_the_encoders(model: VAE) -> None:
    meta, tensors = unpack((STATIC / "latent-plane.bin").read_bytes())
    test = mnist("test")
    with torch.no_grad():
        codes = model.encoder(binarize(test.images, seed=0))[0]
    n = len(tensors["codes"])
    assert n >= 500
    np.testing.assert_allclose(tensors["codes"], codes[:n], atol=2e-3)
    np.testing.assert_array_equal(tensors["labels"], test.labels[:n])
    for digit in range(10):
        of_class = codes[test.labels == digit]
        np.testing.assert_allclose(tensors["means"][digit], of_class.mean(0), atol=2e-3)
    inside = (codes.abs() < meta["extent"]).all(dim=1).float().mean()
    assert inside > 0.97, "the plane must show nearly all codes"


def test_a_drawing_is_fitted_and_centred_as_mnist_is(open_figure: OpenFigure) -> None:
    page = open_figure()
    script = IN_BROWSER % "return Array.from(figure.normalise(input))"
    stroke = [[0.3, 0.2], [0.5, 0.25], [0.7, 0.3], [0.5, 0.6], [0.45, 0.8]]
    image = np.array(page.evaluate(script, [stroke])).reshape(28, 28)
    rows, columns = image.nonzero()
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(20, abs=1)
    assert (rows + 0.5).mean() == pytest.approx(14, abs=0.6)
    assert (columns + 0.5).mean() == pytest.approx(14, abs=0.6)
    # Small in a corner or large in the middle: the encoder sees the same digit.
    moved = [[0.05 + 0.3 * x, 0.6 + 0.3 * y] for x, y in stroke]
    assert (np.array(page.evaluate(script, [moved])).reshape(28, 28) != image).mean() < 0.01


def test_an_image_survives_its_text(open_figure: OpenFigure, digits: torch.Tensor) -> None:
    script = IN_BROWSER % (
        "return input.map((x) => Array.from(figure.fromText(figure.toText(Uint8Array.from(x)))))"
    )
    found = open_figure().evaluate(script, digits.tolist())
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float32), digits)


def number(text: str | None) -> float:
    assert text is not None
    return float(text.replace("−", "-"))
