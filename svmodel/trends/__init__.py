"""Long-run level, season and change per year of a count."""
