"""Weights of synthetic controls."""
