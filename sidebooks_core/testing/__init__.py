"""Suites of tests for what embedders may supply, and stand-ins that are slow or fail.

Subclass a suite, give it the thing under test, and let pytest collect it.
"""

from sidebooks_core.testing.documents import DocumentContract
from sidebooks_core.testing.stores import FailingStore, LeaseContract, SlowStore, StoreContract

__all__ = ["DocumentContract", "FailingStore", "LeaseContract", "SlowStore", "StoreContract"]
