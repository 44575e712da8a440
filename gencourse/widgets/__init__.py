"""Live figures: one Python class and one JavaScript module each, in Jupyter and the book."""

from gencourse.widgets.latent_plane import LatentPlane

__all__ = ["LatentPlane"]
