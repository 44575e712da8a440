"""Networks: the parts that a family is given, and that know nothing of probability."""

from gencourse.nn.conv import ConvDecoder, ConvEncoder
from gencourse.nn.mlp import MLP
from gencourse.nn.quantize import VectorQuantizer

__all__ = ["MLP", "ConvDecoder", "ConvEncoder", "VectorQuantizer"]
