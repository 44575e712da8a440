"""Five questions to all pairs of two sets of points, in memory that grows with N + M."""

from gencourse.kernels.pairwise.op import (
    count_within,
    distance_sum,
    kth_neighbour_distance,
    nearest,
    rbf_sum,
)

__all__ = ["count_within", "distance_sum", "kth_neighbour_distance", "nearest", "rbf_sum"]
