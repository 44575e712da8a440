"""Who gives up what: comparing models that are each best at something else."""

from torch import Tensor

__all__ = ["undominated"]


def undominated(scores: Tensor) -> Tensor:
    """Which models no other model beats: the Pareto front, (N,) bool, for scores (N, K).

    Larger is better in every column. Model i is dominated when some j has s_jk ≥ s_ik in every
    column k and s_jk > s_ik in at least one. Equal models do not dominate each other.

    Raises `ValueError` unless scores are a table without NaN.
    """
    if scores.ndim != 2 or scores.isnan().any():
        raise ValueError(
            f"expected a table (N, K) of scores, one row for each model, without NaN; got "
            f"{tuple(scores.shape)}. A figure that a model does not have cannot be compared: leave "
            "the column or the model out."
        )
    rival, model = scores[:, None], scores[None]
    beaten = (rival >= model).all(dim=-1) & (rival > model).any(dim=-1)
    return ~beaten.any(dim=0)
