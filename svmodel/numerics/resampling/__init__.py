"""Resampling: permutations, blocks, placebo noise and the Conley-Taber shape."""
