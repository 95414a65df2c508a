"""Demand ahead, with its uncertainty and its past scores."""
