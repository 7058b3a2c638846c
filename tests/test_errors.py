"""The error tree: drawn as it is, each error also the builtin one expects, and whole after crossing a process border."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from sidebooks_core import errors
from sidebooks_core.errors import SidebooksError

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SidebooksError)
]  # fmt: skip

BUILTINS: dict[str, tuple[type[Exception], ...]] = {
    "SidebooksError": (),
    "DocumentError": (ValueError,),
    "UnsupportedDocument": (ValueError,),
    "DamagedDocument": (ValueError,),
    "PasswordRequired": (ValueError, PermissionError),
    "DocumentTooLarge": (ValueError,),
    "PageError": (),
    "PageNotFound": (IndexError,),
    "RenderFailed": (RuntimeError,),
    "RenderTimeout": (TimeoutError,),
    "RequestError": (ValueError,),
    "NotOnShelf": (ValueError,),
    "NoSuchMeeting": (ValueError,),
    "AccessDenied": (PermissionError,),
    "TooManyAttempts": (PermissionError,),
    "Conflict": (RuntimeError,),
    "StorageError": (OSError,),
    "StorageFailed": (OSError,),
    "StorageDamaged": (OSError,),
    "HubFailed": (ConnectionError,),
    "HubMissing": (ConnectionError,),
    "RequestDropped": (RuntimeError,),
    "QueueFull": (RuntimeError,),
    "ServiceClosed": (RuntimeError,),
}


def drawn_tree() -> list[tuple[str, str | None, list[str]]]:
    """(class, its parent in the drawing, the builtins named beside it) for each line of the tree in the docstring."""
    drawn: list[tuple[str, str | None, list[str]]] = []
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"    ([│ ├└─]*)(\w+)(?: \((?:also )?([\w, ]+)\))?", line)
        if match:
            branches, name, builtins = match.groups()
            depth = len(branches) // 4
            drawn.append((name, above[depth - 1] if depth else None, re.findall(r"\w+", builtins or "")))
            above[depth:] = [name]
    return drawn


def test_the_drawing_shows_every_error_once() -> None:
    assert sorted(name for name, _, _ in drawn_tree()) == sorted(kind.__name__ for kind in KINDS)


@pytest.mark.parametrize(("name", "parent", "builtins"), drawn_tree())
def test_the_drawing_is_true(name: str, parent: str | None, builtins: list[str]) -> None:
    bases = [base.__name__ for base in getattr(errors, name).__bases__]
    assert bases == [parent or "Exception", *builtins]


def test_every_error_has_its_builtin_listed_here() -> None:
    assert set(BUILTINS) == {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_also_the_builtin_that_one_expects(kind: type[SidebooksError]) -> None:
    for builtin in BUILTINS[kind.__name__]:
        with pytest.raises(builtin):
            raise kind("why")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("document_id", "page"), [("d1", 3), (None, None), ("d1", None), ("", 0)])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickling(
    kind: type[SidebooksError], document_id: str | None, page: int | None, protocol: int
) -> None:
    error = kind("第 4 頁: cannot be drawn", document_id=document_id, page=page)
    for other in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error)):  # noqa: S301 - our own bytes
        assert type(other) is kind
        assert (other.message, other.document_id, other.page) == (error.message, document_id, page)
        assert str(other) == str(error) == "第 4 頁: cannot be drawn"
        assert other.args == error.args


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_explains_itself(kind: type[SidebooksError]) -> None:
    assert kind.__doc__
    assert str(kind("why")) == "why"
    assert (kind("why").document_id, kind("why").page) == (None, None)
    assert "why" in repr(kind("why"))


def test_the_time_to_wait_survives_pickling() -> None:
    error = errors.TooManyAttempts("wait", retry_after_s=2.5)
    assert pickle.loads(pickle.dumps(error)).retry_after_s == 2.5  # noqa: S301 - our own bytes
