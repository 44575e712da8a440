"""Truths of the Pareto front."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gencourse.evaluation.trade import undominated

tables = st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=8).map(
    lambda rows: torch.tensor(rows, dtype=torch.float64)
)


def test_a_model_that_wins_everywhere_is_alone():
    scores = torch.tensor([[3.0, 3, 3], [1, 2, 2], [2, 3, 0]])
    assert undominated(scores).tolist() == [True, False, False]


def test_two_corners_each_are_three_models_that_none_beats():
    scores = torch.tensor([[1.0, 1, 0], [1, 0, 1], [0, 1, 1], [0, 0, 1]])
    assert undominated(scores).tolist() == [True, True, True, False]


@given(tables)
def test_somebody_is_always_undominated(scores):
    assert undominated(scores).any()


@given(tables)
def test_whoever_is_dominated_is_dominated_by_somebody_on_the_front(scores):
    front = undominated(scores)
    for model in scores[~front]:
        assert any((best >= model).all() and (best > model).any() for best in scores[front])


@given(tables)
def test_the_front_does_not_depend_on_the_units_of_a_column(scores):
    stretched = scores * torch.tensor([1.0, 7.0, 0.1]) + torch.tensor([0.0, -5.0, 2.0])
    assert torch.equal(undominated(scores), undominated(stretched))


@pytest.mark.parametrize("scores", [torch.ones(3), torch.tensor([[1.0, float("nan")]])])
def test_what_cannot_be_compared_is_refused(scores):
    with pytest.raises(ValueError, match=r"expected a table \(N, K\)"):
        undominated(scores)
