"""Measurements that back the claims of the documentation: `python -m benchmarks NAME --help`."""
