"""Networks: the parts that a family is given, and that know nothing of probability."""

from gencourse.nn.conv import ConvDecoder, ConvEncoder
from gencourse.nn.gated_conv import GatedCausalConv
from gencourse.nn.masked import MaskedLinear, MaskedMLP
from gencourse.nn.mlp import MLP
from gencourse.nn.quantize import VectorQuantizer
from gencourse.nn.residual_conv import ResidualConv
from gencourse.nn.transformer import CausalTransformer

__all__ = [
    "MLP",
    "CausalTransformer",
    "ConvDecoder",
    "ConvEncoder",
    "GatedCausalConv",
    "MaskedLinear",
    "MaskedMLP",
    "ResidualConv",
    "VectorQuantizer",
]
