"""Paged documents that feel like paper on cheap tablets. Importing this loads no engine and starts nothing."""

__version__ = "0.1.0"
