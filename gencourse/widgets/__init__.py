"""Live figures: each is one Python class and one JavaScript module, at home in Jupyter and the book."""

from gencourse.widgets.latent_plane import LatentPlane

__all__ = ["LatentPlane"]
