"""Official lists that tell what a code or a name alone cannot: which LSOAs ended, which force polices a district."""

from svmodel.registers.districts import districts_of, force_of
from svmodel.registers.lsoas import CHANGED, lsoas_ended

__all__ = ["CHANGED", "districts_of", "force_of", "lsoas_ended"]
