"""Synthetic data with known effects."""
