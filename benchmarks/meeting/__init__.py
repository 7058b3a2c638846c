"""Benchmarks of meetings, one for each module with a `main`."""
