"""Live figures: one Python class and one JavaScript module each, in Jupyter and the book."""

from gencourse.widgets.flow_grid import FlowGrid
from gencourse.widgets.gan_game import GanGame
from gencourse.widgets.latent_plane import LatentPlane
from gencourse.widgets.pixel_chain import PixelChain
from gencourse.widgets.ring_race import RingRace
from gencourse.widgets.sampling_bill import SamplingBill

__all__ = ["FlowGrid", "GanGame", "LatentPlane", "PixelChain", "RingRace", "SamplingBill"]
