"""MMD, energy and Fréchet distance: what each sees, and what it is fooled by."""

import math
import os
import subprocess
import sys

import pytest
import torch
from crowds import crowds
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import maximum_mean_discrepancy

from gencourse.evaluation.distances import (
    energy_distance,
    frechet_distance,
    median_bandwidths,
    mmd2,
)


def mmd2_by_median(x, y):
    return float(mmd2(x, y, median_bandwidths(y)))


DISTANCES = {"mmd2": mmd2_by_median, "energy": energy_distance, "frechet": frechet_distance}
each_distance = pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


class TestFooled:
    """On features of digits. Each test says what is seen, and what is missed."""

    @each_distance
    def test_copies_of_the_data_are_nearer_than_fresh_data(self, distance):
        """Missed: that nothing was learned."""
        data = crowds()["data"]
        assert distance(data, data) < distance(crowds()["held out"], data)

    @each_distance
    def test_lost_classes_noise_and_repetition_are_seen(self, distance):
        data = crowds()["data"]
        for name in ("few copies", "blur", "one class", "noise", "one image"):
            assert distance(crowds()[name], data) > 3 * abs(distance(crowds()["held out"], data))

    @each_distance
    def test_one_number_does_not_say_what_is_wrong(self, distance):
        """Missed: the kind of fault. Of two mixtures with equal figures one has lost variety, the
        other quality, and the figure does not tell which.
        """
        data, noise = crowds()["data"], crowds()["noise"]
        lost = torch.cat([crowds()["held out"][:400], crowds()["one class"][:600]])
        target = distance(lost, data)

        def spoilt(share):
            n = round(1000 * share)
            return torch.cat([crowds()["held out"][n:], noise[:n]])

        low, high = 0.0, 1.0
        for _ in range(9):
            middle = (low + high) / 2
            low, high = (middle, high) if distance(spoilt(middle), data) < target else (low, middle)
        assert 0.05 < middle < 0.95
        assert distance(spoilt(middle), data) == pytest.approx(target, rel=0.1)

    def test_two_moments_are_all_that_frechet_sees(self):
        """A ring and a normal with its mean and covariance: at distance 0 for Fréchet alone."""
        angle = 2 * math.pi * torch.rand(4000, generator=generator(), dtype=torch.float64)
        ring = math.sqrt(2) * torch.stack([angle.cos(), angle.sin()], dim=1)
        blob, other_blob = normal(4000, 2, seed=1), normal(4000, 2, seed=2)
        assert frechet_distance(ring, blob) < 0.01
        assert mmd2_by_median(ring, blob) > 50 * abs(mmd2_by_median(other_blob, blob))
        assert energy_distance(ring, blob) > 50 * abs(energy_distance(other_blob, blob))

    def test_a_bandwidth_far_too_wide_or_narrow_sees_nothing(self):
        x, y = normal(1000, 2), 1.5 * normal(1000, 2, seed=1)
        seen = float(mmd2(x, y, median_bandwidths(y)))
        assert abs(float(mmd2(x, y, [1e4]))) < seen / 1000
        assert abs(float(mmd2(x, y, [1e-6]))) < seen / 1000


class TestMMD:
    def test_two_normals_have_a_known_distance(self):
        """E k(X, Y) = (σ²/s²)^{D/2} exp(-|μ|²/2s²), s² the sum of σ² and both variances."""
        d, sigma, shift = 3, 1.2, 0.7
        mean = shift * torch.ones(d, dtype=torch.float64) / math.sqrt(d)
        variance = sigma**2 + 2
        scale = (sigma**2 / variance) ** (d / 2)
        exact = 2 * scale * (1 - math.exp(-(shift**2) / (2 * variance)))
        estimates = torch.tensor(
            [
                float(mmd2(normal(400, d, seed=i), normal(300, d, seed=100 + i) + mean, [sigma]))
                for i in range(40)
            ]
        )
        assert abs(estimates.mean() - exact) < 4 * estimates.std() / math.sqrt(40)

    def test_without_bias_it_is_zero_on_average_and_negative_half_of_the_time(self):
        estimates = torch.tensor(
            [
                float(mmd2(normal(50, 2, seed=i), normal(50, 2, seed=1000 + i), [1.0]))
                for i in range(200)
            ]
        )
        assert abs(estimates.mean()) < 4 * estimates.std() / math.sqrt(200)
        assert 0.3 < (estimates < 0).double().mean() < 0.8

    def test_torchmetrics_says_the_same_of_the_whole_tables(self):
        x, y, sigmas = normal(200, 8), normal(200, 8, seed=1) + 0.2, [1.0, 2.0, 5.0]

        def kernel(a, b):
            squared = torch.cdist(a, b).square()
            return torch.stack([torch.exp(-squared / (2 * s**2)) for s in sigmas]).mean(0)

        theirs = maximum_mean_discrepancy(kernel(x, x), kernel(x, y), kernel(y, y))
        torch.testing.assert_close(mmd2(x, y, sigmas), theirs)
        torch.testing.assert_close(mmd2(x.float(), y.float(), sigmas), theirs, atol=1e-6, rtol=0)

    def test_several_bandwidths_average(self):
        x, y = normal(30, 4), normal(40, 4, seed=1) + 1
        singles = torch.stack([mmd2(x, y, [sigma]) for sigma in (0.5, 1.0, 3.0)])
        torch.testing.assert_close(mmd2(x, y, [0.5, 1.0, 3.0]), singles.mean())

    def test_following_its_gradient_brings_the_samples_to_the_data(self):
        data = normal(200, 2, seed=1) + 3
        x = normal(200, 2).requires_grad_()
        bandwidths = [2.0, 4.0, 8.0]
        before = float(mmd2(x.detach(), data, bandwidths)), energy_distance(x.detach(), data)
        optimizer = torch.optim.SGD([x], lr=len(x))  # a point weighs 1/N
        for _ in range(60):
            optimizer.zero_grad()
            mmd2(x, data, bandwidths).backward()
            optimizer.step()
        assert float(mmd2(x.detach(), data, bandwidths)) < 0.05 * before[0]
        assert energy_distance(x.detach(), data) < 0.05 * before[1]

    def test_median_bandwidths_scale_with_the_data_and_ignore_where_they_are(self):
        data = normal(500, 3)
        first = torch.tensor(median_bandwidths(data))
        torch.testing.assert_close(torch.tensor(median_bandwidths(10 * data + 7)), 10 * first)
        # |X - X'|² of normals in three dimensions is twice a χ² with median 2.366.
        assert float(first[1]) == pytest.approx(math.sqrt(2 * 2.366), rel=0.05)


class TestEnergy:
    def test_two_normals_on_a_line_have_a_known_distance(self):
        """In one dimension it is twice ∫ (F - G)² dx (Székely and Rizzo, 2013)."""
        shift, t = 1.0, torch.linspace(-12, 12, 20_001, dtype=torch.float64)
        gap = torch.special.ndtr(t) - torch.special.ndtr(t - shift)
        exact = 2 * float(torch.trapezoid(gap.square(), t))
        estimates = torch.tensor(
            [
                energy_distance(normal(400, 1, seed=i), normal(300, 1, seed=100 + i) + shift)
                for i in range(40)
            ]
        )
        assert abs(estimates.mean() - exact) < 4 * estimates.std() / math.sqrt(40)

    def test_it_is_mmd_with_minus_the_distance_for_a_kernel(self):
        x, y = normal(60, 4), normal(60, 4, seed=1) + 0.5
        theirs = maximum_mean_discrepancy(
            -torch.cdist(x, x), -torch.cdist(x, y), -torch.cdist(y, y)
        )
        assert energy_distance(x, y) == pytest.approx(float(theirs))

    def test_it_scales_as_a_length(self):
        x, y = normal(60, 4), normal(50, 4, seed=1) + 0.5
        assert energy_distance(10 * x, 10 * y) == pytest.approx(10 * energy_distance(x, y))


class Features(nn.Module):
    """What torchmetrics asks of a feature network, without the network."""

    def __init__(self, num_features):
        super().__init__()
        self.num_features = num_features

    def forward(self, x):
        return x


class TestFrechet:
    @pytest.mark.parametrize("name", ["held out", "one class", "blur", "noise"])
    def test_torchmetrics_says_the_same_of_digits(self, name):
        metric = FrechetInceptionDistance(feature=Features(64))
        metric.update(crowds()["data"], real=True)
        metric.update(crowds()[name], real=False)
        theirs = float(metric.compute())
        assert frechet_distance(crowds()[name], crowds()["data"]) == pytest.approx(theirs, rel=1e-4)

    def test_in_one_dimension_it_compares_mean_and_standard_deviation(self):
        x, y = normal(50, 1), 3 * normal(70, 1, seed=1) + 2
        exact = (x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2
        assert frechet_distance(x, y) == pytest.approx(float(exact))

    def test_a_shift_alone_costs_its_squared_length(self):
        x = normal(50, 4)
        shift = torch.tensor([1.0, -2.0, 0.0, 2.0], dtype=torch.float64)
        assert frechet_distance(x + shift, x) == pytest.approx(9.0)

    def test_commuting_covariances_subtract_their_roots(self):
        """x and A x, A symmetric: tr (Σ + AΣA - 2 (Σ^½ A² Σ^½ ...)) with Σ = I is |I - A|²."""
        q, _ = torch.linalg.qr(normal(500, 3) - normal(500, 3).mean(0))
        x = (q - q.mean(0)) * math.sqrt(499)
        x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).mT  # covariance exactly I
        a = torch.diag(torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64))
        assert frechet_distance(x, x @ a) == pytest.approx(0.25 + 0 + 4)

    def test_fewer_points_than_dimensions_are_no_trouble(self):
        x, y = normal(5, 20), normal(7, 20, seed=1)
        assert frechet_distance(x, y) > 0
        assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)

    def test_few_points_make_it_too_large(self):
        few, many = (frechet_distance(normal(n, 8), normal(n, 8, seed=1)) for n in (30, 3000))
        assert few > 20 * many


@each_distance
def test_every_distance_is_symmetric_where_nothing_is_chosen_from_one_side(distance):
    x, y = normal(60, 4), normal(60, 4, seed=1) + 0.5
    if distance is mmd2_by_median:
        assert float(mmd2(x, y, [1.0])) == pytest.approx(float(mmd2(y, x, [1.0])))
    else:
        assert distance(x, y) == pytest.approx(distance(y, x))


MEMORY = """
import sys, torch
from pathlib import Path
from gencourse.evaluation import coverage, distances

def peak():  # of this program alone: ru_maxrss would begin with that of the process that started it
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

torch.set_num_threads(1)
x, y = torch.randn(2, int(sys.argv[1]), 64, generator=torch.Generator().manual_seed(0)).unbind()
few = x[:99].clone().requires_grad_()
distances.mmd2(few, y[:99], [8.0]).backward()
coverage.precision(x[:99], y[:99])
before = peak()
coverage.precision(x, y)
coverage.coverage(x, y)
distances.energy_distance(x, y)
distances.mmd2(x, y, [4.0, 8.0, 16.0])
distances.mmd2(x.requires_grad_(), y, [8.0]).backward()
ours = peak()
torch.cdist(x.detach(), y)
print(ours - before, peak() - ours)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a program its peak")
def test_memory_grows_with_n_and_not_its_square():
    """1 GB at N = 50,000 is 20 kB a row. At N = 8000 a single table would have 256 MB."""
    n = 8000
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, str(n)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    ours, table = (1024 * int(kilobytes) for kilobytes in result.stdout.split())
    assert ours < 20_000 * n < 4 * n**2
    assert ours + table > 4 * n**2, "the ruler sees a table when there is one"


class TestErrors:
    x, y = torch.zeros(8, 4), torch.zeros(5, 4)

    @pytest.mark.parametrize(
        "distance", [lambda x, y: mmd2(x, y, [1.0]), energy_distance, frechet_distance]
    )
    def test_every_distance_refuses_what_cannot_be_measured(self, distance):
        broken = self.x.clone()
        broken[2] = float("inf")
        with pytest.raises(ValueError, match=r"x holds NaN or infinity in 1 of 8 rows"):
            distance(broken, self.y)
        with pytest.raises(ValueError, match=r"y has no rows"):
            distance(self.x, self.y[:0])
        with pytest.raises(ValueError, match=r"y has 1 row;.*no point is compared with itself"):
            distance(self.x, self.y[:1])
        with pytest.raises(ValueError, match=r"x has shape \(8, 2, 2\)"):
            distance(self.x.view(8, 2, 2), self.y)
        with pytest.raises(ValueError, match=r"4 and 3 columns"):
            distance(self.x, self.y[:, :3])

    def test_a_scale_that_the_data_do_not_have(self):
        with pytest.raises(ValueError, match=r"median distance within data is 0.*of your own"):
            median_bandwidths(self.x)
        with pytest.raises(ValueError, match="at least two"):
            median_bandwidths(self.x[:1])
