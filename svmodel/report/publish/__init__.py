"""What leaves the house: verification of a run against published numbers."""
