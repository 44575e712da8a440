"""Networks: the parts that a family is given, and that know nothing of probability."""

from gencourse.nn.conv import ConvDecoder, ConvEncoder
from gencourse.nn.masked import MaskedLinear, MaskedMLP
from gencourse.nn.mlp import MLP
from gencourse.nn.quantize import VectorQuantizer

__all__ = ["MLP", "ConvDecoder", "ConvEncoder", "MaskedLinear", "MaskedMLP", "VectorQuantizer"]
