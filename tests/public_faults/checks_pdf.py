"""What is right for the files that show what a PDF says of itself: titles, bookmarks, links, attachments, passwords, pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sidebooks_core import Link, PasswordRequired, TileService


def targets(links: tuple[Link, ...]) -> list[tuple[int | None, str | None]]:
    return [(link.page, link.uri) for link in links]


def full_width_spaces(service: TileService, path: Path) -> None:
    document = service.open(path)
    assert document.title == "令和８年度　一般会計予算"
    assert [item.title for item in document.outline] == ["第１章　総則", "第２章　歳入"]
    assert [page.label for page in document.pages] == ["別表　1", "別表　2", "別表　3"]


def shift_jis(service: TileService, path: Path) -> None:
    document = service.open(path)
    assert document.title == "第1号議案"
    assert [item.title for item in document.outline] == ["予算書", "説明書"]


def only_in_xmp(service: TileService, path: Path) -> None:
    assert service.open(path).title == "第2号議案 決算書"


def japanese_names(service: TileService, path: Path) -> None:
    assert targets(service.links(service.open(path), 0)) == [(1, None), (2, None)]


def pages_of_other_files(service: TileService, path: Path) -> None:
    assert targets(service.links(service.open(path), 0)) == [(None, "budget.pdf#page=4"), (None, "資料.pdf#page=7")]


def two_kinds_of_names(service: TileService, path: Path) -> None:
    assert [(item.title, item.page) for item in service.open(path).outline] == [("old", 1), ("new", 2)]


def encrypted_attachments(service: TileService, path: Path) -> None:
    document = service.open(path)
    assert document.page_count == 1
    assert [word.text for word in service.text(document, 0)] == ["Example"]
    assert [attachment.name for attachment in document.attachments] == ["attachment.pdf"]


def soft_hyphen(service: TileService, path: Path) -> None:
    assert service.open(path, password="I\u00adX").page_count == 1
    with pytest.raises(PasswordRequired):
        service.open(path, password="I-X")


def pages_are_a_page(service: TileService, path: Path) -> None:
    document = service.open(path)
    assert document.page_count == 1
    assert [word.text for word in service.text(document, 0)] == ["Only", "one", "page"]
    assert (document.pages[0].width_pt, document.pages[0].height_pt) == (300, 100)


def portfolio(service: TileService, path: Path) -> None:
    document = service.open(path)
    told = [(one.name, one.size_bytes, one.media_type) for one in document.attachments]
    assert told == [("議案1.pdf", 1027, "application/pdf"), ("議案2.pdf", 1027, "application/pdf")]
    assert document.inspect().attachments == document.attachments


CHECKS: dict[str, Callable[[TileService, Path], None]] = {
    "title-fullwidth-space.pdf": full_width_spaces,
    "title-sjis.pdf": shift_jis,
    "title-xmp-only.pdf": only_in_xmp,
    "link-named-japanese.pdf": japanese_names,
    "link-other-file-page.pdf": pages_of_other_files,
    "outline-two-kinds-of-names.pdf": two_kinds_of_names,
    "encrypted-attachments-only.pdf": encrypted_attachments,
    "password-soft-hyphen.pdf": soft_hyphen,
    "pages-entry-is-a-page.pdf": pages_are_a_page,
    "portfolio.pdf": portfolio,
}
