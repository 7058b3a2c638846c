"""For tests of what embedders write: suites of tests for stores and documents, and a service without worker processes.

`StoreContract`, `LeaseContract` and `DocumentContract` are subclassed, and collected by pytest. `SlowStore` and `FailingStore`
stand for stores that are slow or fail. `FakeEngine` takes the place of the worker processes, and `FakeDocument` that of a file:

    engine = FakeEngine()
    with TileService(Settings(cache_dir=None), pool=engine.pool) as service:
        document = service.open(FakeDocument.of_pages(20, draw_s=0.2).to_bytes())
        with engine.hold(Draw, page=3) as held:
            future = service.submit(document, page=3, level=0, column=0, row=0)
            held.wait_begun()
            ...
"""

from sidebooks_core.testing.contracts import DocumentContract
from sidebooks_core.testing.documents import FakeDocument, FakePage, words_of
from sidebooks_core.testing.engine import Begun, FakeEngine, Held, Rule
from sidebooks_core.testing.stores import FailingStore, LeaseContract, SlowStore, StoreContract
from sidebooks_core.testing.threads import Task, ThreadWorkers, WorkerLost

__all__ = [
    "Begun",
    "DocumentContract",
    "FailingStore",
    "FakeDocument",
    "FakeEngine",
    "FakePage",
    "Held",
    "LeaseContract",
    "Rule",
    "SlowStore",
    "StoreContract",
    "Task",
    "ThreadWorkers",
    "WorkerLost",
    "words_of",
]
