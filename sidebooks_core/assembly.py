"""Makes the parts of a service and joins them; the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from sidebooks_core.documents.document import Document
from sidebooks_core.documents.model import CONTENT_ID_VERSION
from sidebooks_core.fonts.discovery import FontSet, discover
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.finding import Images
from sidebooks_core.images.keeping import Keeper
from sidebooks_core.images.landing import Landing
from sidebooks_core.images.prerendering import Prerendering
from sidebooks_core.images.seeking import Seeker
from sidebooks_core.images.work import Flight
from sidebooks_core.keys import RenderProfile
from sidebooks_core.library.facts import Facts
from sidebooks_core.library.identification import Identification
from sidebooks_core.library.opening import Opener
from sidebooks_core.library.positions import Positions
from sidebooks_core.library.questions import Questions
from sidebooks_core.library.remembered import Registry
from sidebooks_core.reading.readers import Readers
from sidebooks_core.settings import Settings
from sidebooks_core.stores.memory import MemoryStore
from sidebooks_core.stores.protocol import TileStore
from sidebooks_core.stores.tiers import Tiers
from sidebooks_core.workers.bulk import mark_host
from sidebooks_core.workers.jobs import WorkerConfig, of_fonts
from sidebooks_core.workers.pool import JobSource, Pool, WorkerPool
from sidebooks_core.workers.starting import Starter, best_starter
from sidebooks_core.workers.versions import encoder_version, engine_version

PoolMaker = Callable[[JobSource[Flight], int], Pool]
"""Makes so many workers, and a spare, that take their jobs from a source."""


class Parts(Struct, frozen=True, eq=False):
    """The parts of a service. What the server and other protocols are built on: images, questions, readers."""

    images: Images
    questions: Questions
    readers: Readers
    opener: Opener
    identification: Identification
    prerendering: Prerendering
    facts: Facts
    dispatcher: Dispatcher
    pool: Pool

    def flush(self) -> None:
        """Wait until all images shown so far are kept, or cannot be, and all records made so far are written."""
        self.dispatcher.wait_shown(self.images.settings.render_timeout_s)
        self.images.keeper.store.flush()

    def close(self, timeout_s: float, documents: list[Document]) -> None:
        """End the readers, remember the documents, end the workers whatever they do, fail what waits.

        timeout_s: how long this waits for images that were shown and not identified yet, and again for each store.
        """
        self.readers.close()
        self.dispatcher.wait_shown(timeout_s)
        for document in documents:
            self.identification.remember(document)
        self.dispatcher.close()
        self.pool.close()
        self.images.keeper.store.close(timeout_s)
        self.facts.close(timeout_s)


def assemble(settings: Settings, store: TileStore | Sequence[TileStore] | None, pool: PoolMaker | None) -> Parts:
    """The parts of a service; its workers are being started.

    store: keeps images instead of the disk cache; several are tiers. pool: makes the workers; None: they are processes.
    """
    if pool is not None:
        return _assembled(settings, store, lambda source, _: pool(source, settings.workers))
    # Loading the engine takes longer than all that follows here, so it begins first.
    starter = best_starter(is_wanted_soon=True)
    try:
        return _assembled(settings, store, lambda source, fonts: _processes(settings, fonts, source, starter))
    except BaseException:
        starter.close()
        raise


def _assembled(
    settings: Settings, store: TileStore | Sequence[TileStore] | None, pool: Callable[[Landing, FontSet], Pool]
) -> Parts:
    fonts = discover([Path(folder) for folder in settings.font_dirs])
    profile = RenderProfile(
        engine=engine_version(),
        encoder=encoder_version(),
        font_set=fonts.id,
        image_format=settings.image_format,
        quality=settings.quality,
    )
    cache_dir = Path(settings.cache_dir) if settings.cache_dir is not None else None
    facts = Facts(cache_dir, settings.facts_bytes, settings.encryption_key)
    keeper = Keeper(profile, _tiers(settings, store))
    dispatcher = Dispatcher(settings.queue_jobs)
    # A book without pages of its own is laid out with these fonts, and content ids are remembered with the description.
    registry = Registry(facts, f"{profile.engine} {CONTENT_ID_VERSION} {fonts.id}")
    identification = Identification(settings, registry)
    seeker = Seeker(settings, keeper, keeper.store.leases(), dispatcher, identification.begin)
    images = Images(settings, keeper, dispatcher, seeker)
    mark_host()
    source = Landing(keeper, dispatcher, seeker)
    return Parts(
        images=images,
        questions=Questions(dispatcher, settings.render_timeout_s),
        readers=Readers(images, Positions(facts), identification.remember),
        opener=Opener(settings, registry, dispatcher, has_store_alone=store is not None and settings.cache_dir is None),
        identification=identification,
        prerendering=Prerendering(images, fonts),
        facts=facts,
        dispatcher=dispatcher,
        pool=pool(source, fonts),
    )


def _tiers(settings: Settings, store: TileStore | Sequence[TileStore] | None) -> Tiers:
    """The memory, and below it the stores that were given, or the disk cache."""
    lower = _disk_tier(settings) if store is None else list(store) if isinstance(store, Sequence) else [store]
    memory_bytes = settings.memory_bytes - (settings.facts_bytes if settings.cache_dir is None else 0)
    return Tiers(MemoryStore(memory_bytes, settings.preview_bytes), lower)


def _disk_tier(settings: Settings) -> list[TileStore]:
    """What keeps images below the memory, unless the application brings its own."""
    if settings.cache_dir is None:
        return []
    from sidebooks_core.stores.disk import DiskStore  # brings SQLite and diskcache: only who uses a disk pays for them

    disk = DiskStore(settings.cache_dir, settings.disk_bytes - settings.facts_bytes)
    if settings.encryption_key is None:
        return [disk]
    from sidebooks_core.stores.encrypted import EncryptedStore

    return [EncryptedStore(disk, settings.encryption_key)]


def _processes(settings: Settings, fonts: FontSet, source: Landing, starter: Starter) -> WorkerPool[Flight]:
    config = WorkerConfig(
        worker_bytes=settings.worker_bytes,
        display_list_bytes=settings.display_list_bytes,
        fonts=of_fonts(fonts),
        is_isolated=settings.isolation,
    )
    return WorkerPool(source, config, settings.workers, settings.worker_bytes // 2, starter)
