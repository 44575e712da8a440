"""Four questions to all pairs of two sets of points, in memory that grows with N + M, not N × M."""

from gencourse.kernels.pairwise.op import count_within, kth_neighbour_distance, nearest, rbf_sum

__all__ = ["count_within", "kth_neighbour_distance", "nearest", "rbf_sum"]
