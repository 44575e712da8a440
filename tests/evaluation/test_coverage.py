"""Precision, recall, density and coverage: what each sees, and what it is fooled by."""

import math

import numpy as np
import pytest
import torch
from crowds import N, crowds
from prdc import compute_prdc

from gencourse.data import TARGETS, EightGaussians
from gencourse.evaluation.coverage import (
    classes_covered,
    coverage,
    density,
    modes_covered,
    precision,
    recall,
)

MEASURES = {"precision": precision, "recall": recall, "density": density, "coverage": coverage}
each_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def of(name):
    """The four figures of a crowd against the data."""
    return {key: f(crowds()[name], crowds()["data"]) for key, f in MEASURES.items()}


class TestFooled:
    """On features of digits. Each test says what is seen, and what is missed."""

    def test_fresh_digits_are_the_yardstick(self):
        """Even perfect samples fall short of 1: balls around a thousand points leave gaps."""
        fresh = of("held out")
        assert 0.8 < fresh["precision"] < 1
        assert 0.8 < fresh["recall"] < 1
        assert 0.9 < fresh["density"] < 1.1
        assert fresh["coverage"] == pytest.approx(1 - 2**-5, abs=0.03)

    def test_copies_of_the_data_fool_all_four(self):
        """Missed: that nothing was learned. Copies score above what fresh data can reach."""
        copies, fresh = of("copies"), of("held out")
        assert all(copies[name] > fresh[name] for name in MEASURES)
        assert copies["precision"] == copies["recall"] == copies["coverage"] == 1
        assert copies["density"] == pytest.approx(6 / 5)  # (k + 1)/k: the ball is closed

    def test_a_few_copies_fool_precision_and_density_alone(self):
        few = of("few copies")
        assert few["precision"] == 1
        assert few["density"] > 1
        assert few["recall"] < 0.1
        assert few["coverage"] < 0.3

    def test_one_class_of_ten_is_seen_by_recall_and_coverage(self):
        one, fresh = of("one class"), of("held out")
        assert one["precision"] == pytest.approx(fresh["precision"], abs=0.05)
        assert one["density"] == pytest.approx(fresh["density"], abs=0.1)
        share = 0.11  # of ones among the digits
        assert one["recall"] == pytest.approx(share, abs=0.03)
        assert one["coverage"] == pytest.approx(share, abs=0.03)

    def test_one_image_over_and_over_has_perfect_precision(self):
        one = of("one image")
        assert one["precision"] == 1
        assert one["recall"] == 0
        assert one["coverage"] < 0.01

    def test_blur_is_seen_by_all_but_least_by_precision(self):
        """A blurred digit still lies in some large ball, but in few of them, and far from most."""
        blur, fresh = of("blur"), of("held out")
        loss = {name: 1 - blur[name] / fresh[name] for name in MEASURES}
        assert min(loss.values()) == loss["precision"] > 0.1
        assert loss["density"] > 2 * loss["precision"]
        assert loss["coverage"] > 0.7

    def test_noise_is_seen_by_all_four(self):
        assert of("noise") == dict.fromkeys(MEASURES, 0.0)


class TestOutliers:
    """One stray point: the difference between the two pairs (Naeem et al., 2020, section 2.3)."""

    def points(self):
        data = torch.randn(500, 8, generator=generator())
        outlier = torch.full((1, 8), 4.0)
        noise = outlier + 2 * torch.randn(500, 8, generator=generator(1))
        return data, outlier, noise

    def test_an_outlier_of_the_data_fools_precision_and_not_density(self):
        data, outlier, noise = self.points()
        spoilt = torch.cat([data, outlier])
        assert precision(noise, data) < 0.1
        assert precision(noise, spoilt) > 0.8
        assert density(noise, spoilt) < 0.5

    def test_an_outlier_of_the_samples_fools_recall_and_not_coverage(self):
        data, outlier, noise = self.points()
        bad = torch.cat([0.05 * data[:400], outlier.expand(1, 8)])
        assert recall(bad, noise) > 5 * recall(0.05 * data[:400], noise)
        assert coverage(bad, noise) < 0.05


class TestTruths:
    @pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
    def test_equal_distributions_cover_each_other(self, target):
        x, y = target.sample(2000, generator()), target.sample(2000, generator(1))
        assert precision(x, y) > 0.93
        assert recall(x, y) > 0.93
        assert density(x, y) == pytest.approx(1, abs=0.05)
        assert coverage(x, y) == pytest.approx(1 - 2**-5, abs=0.02)

    @pytest.mark.parametrize("k", [1, 2, 3, 6])
    def test_coverage_of_equals_is_one_minus_a_power_of_two(self, k):
        """All N of the others are beyond the k-th neighbour with probability about 2⁻ᵏ."""
        x, y = torch.randn(2, 2000, 3, generator=generator()).unbind()
        standard_error = math.sqrt(2.0**-k / 2000)
        assert abs(coverage(x, y, k) - (1 - 2**-k)) < 5 * standard_error

    def test_recall_is_precision_with_the_sets_exchanged(self):
        x, y = torch.randn(300, 4, generator=generator()), torch.rand(200, 4, generator=generator())
        assert recall(x, y) == precision(y, x)

    @each_measure
    def test_moving_turning_and_scaling_the_space_changes_nothing(self, measure):
        x, y = torch.randn(2, 300, 4, generator=generator()).double().unbind()
        y = 1.5 * y + 0.3
        turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator()).double())

        def move(points):
            return 7 * points @ turn + 100

        assert measure(move(x), move(y)) == measure(x, y)

    @pytest.mark.parametrize("measure", [precision, recall, coverage])
    def test_more_neighbours_forgive_more(self, measure):
        x, y = torch.randn(2, 300, 4, generator=generator()).unbind()
        figures = [measure(x + 1, y, k) for k in (1, 3, 9, 27)]
        assert figures == sorted(figures)

    @pytest.mark.parametrize("k", [1, 3, 5])
    @pytest.mark.parametrize(("n", "m", "d"), [(400, 400, 2), (300, 700, 64), (700, 300, 16)])
    def test_prdc_says_the_same(self, k, n, m, d, capsys):
        samples = 0.9 * torch.randn(n, d, generator=generator()) + 0.1
        data = torch.randn(m, d, generator=generator(1))
        theirs = compute_prdc(data.numpy(), samples.numpy(), nearest_k=k)
        ours = {name: measure(samples, data, k) for name, measure in MEASURES.items()}
        # The same numbers, but for a pair that rounding puts on the other side of a rim.
        for name, figure in ours.items():
            assert figure == pytest.approx(float(theirs[name]), abs=1.5 / min(n, m))

    def test_prdc_says_the_same_of_digits(self, capsys):
        for name in ("held out", "one class", "blur", "noise"):
            theirs = compute_prdc(
                crowds()["data"].numpy(), crowds()[name].numpy().astype(np.float32), nearest_k=3
            )
            for measure, figure in MEASURES.items():
                ours = figure(crowds()[name], crowds()["data"], 3)
                assert ours == pytest.approx(float(theirs[measure]), abs=1.5 / N)


class TestModes:
    target = EightGaussians()

    def test_the_mixture_covers_its_modes(self):
        x = self.target.sample(800, generator())
        assert modes_covered(x, self.target.means, self.target.noise) == 8

    @pytest.mark.parametrize("kept", [1, 3, 7])
    def test_lost_modes_are_counted(self, kept):
        x = self.target.means[:kept].float().repeat_interleave(100, dim=0)
        x = x + self.target.noise * torch.randn(x.shape, generator=generator())
        assert modes_covered(x, self.target.means, self.target.noise) == kept

    def test_a_stray_point_covers_nothing(self):
        x = self.target.means[:1].float().expand(800, 2).clone()
        x[0] = self.target.means[4]
        assert modes_covered(x, self.target.means, self.target.noise) == 1
        assert modes_covered(x, self.target.means, self.target.noise, enough=0.01) == 2

    def test_points_between_the_modes_cover_none(self):
        """The mean of all modes, where a model ends that averages, is in the middle of nowhere."""
        x = 0.05 * torch.randn(800, 2, generator=generator())
        assert modes_covered(x, self.target.means, self.target.noise) == 0

    def test_modes_do_not_see_what_is_inside_them(self):
        """Missed: the spread. Every mode shrunk to a point counts as covered."""
        x = self.target.means.float().repeat(100, 1)
        assert modes_covered(x, self.target.means, self.target.noise) == 8
        assert recall(x, self.target.sample(800, generator())) == 0

    def test_classes_are_counted(self):
        labels = torch.arange(10).repeat_interleave(100)
        assert classes_covered(labels) == 10
        assert classes_covered(labels[labels < 7]) == 7
        assert classes_covered(torch.cat([labels[labels < 7], torch.tensor([9])])) == 7


class TestErrors:
    x, y = torch.zeros(8, 4), torch.zeros(5, 4)

    @each_measure
    def test_points_that_are_no_rows(self, measure):
        with pytest.raises(ValueError, match=r"generated has shape \(2, 28, 28\).*features"):
            measure(torch.zeros(2, 28, 28), torch.zeros(5, 784))

    @each_measure
    def test_nan(self, measure):
        broken = self.x.clone()
        broken[3, 1] = float("nan")
        with pytest.raises(ValueError, match=r"generated holds NaN.*1 of 8 rows.*diverged"):
            measure(broken, self.y, 1)
        with pytest.raises(ValueError, match="data holds NaN"):
            measure(self.y, broken, 1)

    @each_measure
    def test_no_samples(self, measure):
        with pytest.raises(ValueError, match="generated has no rows"):
            measure(self.x[:0], self.y)

    @each_measure
    def test_spaces_and_types_that_differ(self, measure):
        with pytest.raises(ValueError, match="two different networks"):
            measure(self.x, torch.zeros(6, 64), 1)
        with pytest.raises(TypeError, match="one dtype"):
            measure(self.x, self.y.double(), 1)

    def test_k_too_large(self):
        with pytest.raises(ValueError, match=r"data has 5 rows.*5 neighbours.*at least 6"):
            precision(self.x, self.y, 5)
        with pytest.raises(ValueError, match=r"generated has 8 rows.*9 neighbours"):
            recall(self.x, self.y, 9)
        with pytest.raises(ValueError, match="k is 0"):
            density(self.x, self.y, 0)

    def test_labels(self):
        with pytest.raises(ValueError, match="got none"):
            classes_covered(torch.zeros(0, dtype=torch.int64))
        with pytest.raises(ValueError, match=r"from 0 to 9, got 12"):
            classes_covered(torch.tensor([1, 12]))
