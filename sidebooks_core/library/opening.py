"""Opening a document: its digest and its description, remembered or found out by a worker."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future

from msgspec.structs import replace

from sidebooks_core.documents.document import ContentIds, Opened
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import DocumentInfo
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.work import Work
from sidebooks_core.library.identification import known_at_once
from sidebooks_core.library.remembered import NAMELESS, Registry, Source
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.settings import Settings
from sidebooks_core.workers.jobs import Open

_log = logging.getLogger("sidebooks_core.library")


class Opener:
    """Thread-safe."""

    def __init__(self, settings: Settings, registry: Registry, dispatcher: Dispatcher, *, has_store_alone: bool) -> None:
        """has_store_alone: images are kept after this process ends, and facts are not. So any page may be stored already."""
        self._settings = settings
        self._registry = registry
        self._dispatcher = dispatcher
        self._has_store_alone = has_store_alone
        self._limits = Limits(**{name: getattr(settings, name) for name in Limits.__struct_fields__})
        self._salt = os.urandom(16)
        self._lock = threading.Lock()
        self._content_ids: weakref.WeakValueDictionary[tuple[str, str], ContentIds] = weakref.WeakValueDictionary()
        """By digest and token. All handles of a document share its content ids: if one of them asks, all know the answer."""

    def open(self, source: Source, password: str | None, trust_domain: str) -> Opened:
        """Open a source. Raises the errors of `TileService.open`, except those of `source_of`."""
        finding: Future[DocumentInfo] | None = None
        digest, is_revision = self._registry.known_digest(source)
        if digest is None:
            if source.path is not None:  # the worker opens it while this thread digests it
                finding = self._find_out(source, password, trust_domain)
            digest = self._registry.digest(source)
        info = self._registry.description(digest, trust_domain)
        was_described = info is not None
        if info is None:
            info = (finding or self._find_out(source, password, trust_domain)).result()
            self._registry.describe(digest, info, trust_domain)
        elif finding is not None:
            finding.cancel()
        how = "known" if was_described else "read"
        _log.debug("opened %s: %s, %d pages, %s", source.name or NAMELESS, info.kind, info.page_count, how)
        known = self._registry.content_ids(digest, info, trust_domain) or known_at_once(info, digest, trust_domain)
        ref = replace(
            self._ref(source, password, digest, trust_domain), chapters=info.chapters, has_true_counts=info.has_true_counts
        )
        may_be_known = was_described or self._has_store_alone
        return Opened(ref, info, self._shared((digest, ref.token), known), is_revision or (may_be_known and None in known))

    def _shared(self, name: tuple[str, str], known: Sequence[str | None]) -> ContentIds:
        with self._lock:
            found = self._content_ids.setdefault(name, ContentIds(known))
        found.fill(known)
        return found

    def _find_out(self, source: Source, password: str | None, trust_domain: str) -> Future[DocumentInfo]:
        ref = self._ref(source, password, None, trust_domain)
        job = Open(document=ref, timeout_s=self._settings.open_timeout_s)
        return self._dispatcher.ask(f"open|{ref.token}", Work(job, source.data), Priority.VISIBLE)

    def _ref(self, source: Source, password: str | None, digest: str | None, trust_domain: str) -> DocumentRef:
        # The password is a part of the token: a worker that opened the document with one must not serve it without.
        token = source.token.encode("utf-8", "backslashreplace").decode()  # a path need not be text
        if password is not None:
            token += f"|{hashlib.blake2b(password.encode(), key=self._salt, digest_size=16).hexdigest()}"
        if trust_domain:
            token += f"|{trust_domain!r}"
        return DocumentRef(
            token=token,
            name=source.name or NAMELESS,
            path=os.fsencode(source.path) if source.path else None,
            file_state=source.file_state,
            password=password,
            digest=digest,
            limits=self._limits,
            trust_domain=trust_domain,
        )
