"""One function that a sample chapter quotes."""


def double(x):
    """Return twice `x`."""
    return 2 * x  # exactly
