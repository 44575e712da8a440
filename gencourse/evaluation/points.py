"""What no measure of two sets of points accepts, in words that say what was given."""

from torch import Tensor

__all__ = ["refuse_unusable"]


def refuse_unusable(points: Tensor, name: str) -> None:
    """Refuse what is no set of points: not (N, D), without rows, or with NaN or infinity.

    Raises `ValueError`. Types, devices and sizes that do not fit together are refused further on,
    by `gencourse.kernels.pairwise`.
    """
    if points.ndim != 2:
        raise ValueError(
            f"{name} has shape {tuple(points.shape)}; expected points as rows, (N, D). Images are "
            f"compared by their features, or as rows: {name}.flatten(start_dim=1)."
        )
    if len(points) == 0:
        raise ValueError(f"{name} has no rows: there is nothing to measure.")
    if not points.isfinite().all():
        rows = int((~points.isfinite()).any(1).sum())
        raise ValueError(
            f"{name} holds NaN or infinity in {rows} of {len(points)} rows. A distance to them "
            "means nothing. The usual cause is a model whose training diverged; look at its loss."
        )
