"""The problem profile: rates with intervals, rolling years, comparators."""
