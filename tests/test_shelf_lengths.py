"""A shelf keeps nothing that its export could not bring back: what is too long or too deep is refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from paper_house import House, pages

import sidebooks_core as sb
from sidebooks_core.errors import RequestError
from sidebooks_core.shelf import Folder, Shelf, exporting
from sidebooks_core.shelf.lengths import MOST_DEPTH, MOST_NAME, MOST_TEXT
from sidebooks_core.shelf.uploads import Upload, UploadLimits, Uploads
from sidebooks_core.testing import FakeDocument, FakeEngine

PAPER = pages(1).to_bytes()


@pytest.fixture
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as made:
        yield made


@pytest.fixture
def shelf(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "data", service) as made:
        yield made


@pytest.fixture
def house(service: sb.TileService, tmp_path: Path) -> Iterator[House]:
    made = House(service, tmp_path / "house")
    yield made
    made.close()


def nested(shelf: Shelf, depth: int, name: str = "f") -> list[Folder]:
    found: list[Folder] = []
    for _ in range(depth):
        found.append(shelf.make_folder(name, found[-1] if found else None))
    return found


def there_and_back(shelf: Shelf, service: sb.TileService, tmp_path: Path) -> list[Path]:
    """Exports a shelf and brings it into another one, which has the same papers. Returns the paths of all files."""
    exported = shelf.export(tmp_path / "exported")
    with Shelf(tmp_path / "other", service) as other:
        brought = other.bring_in(tmp_path / "exported")
        assert (brought.folders, brought.papers) == (exported.folders, exported.papers)
        assert walked(other) == walked(shelf)
    return [path for path in (tmp_path / "exported").rglob("*") if path.is_file()]


def walked(shelf: Shelf) -> list[object]:
    found: list[object] = []
    waiting: list[str | None] = [None]
    while waiting:
        folder = waiting.pop()
        found.extend((one.name, one.note) for one in shelf.folders(folder))
        for paper in shelf.papers(folder):
            found.append((paper.name, paper.note))
            found.extend((one.note, one.registered_by, one.file_name) for one in shelf.revisions(paper.id))
        waiting += [one.id for one in shelf.folders(folder)]
    return found


def test_the_longest_and_deepest_goes_there_and_back(shelf: Shelf, service: sb.TileService, tmp_path: Path) -> None:
    deepest = nested(shelf, MOST_DEPTH, "会" * 60)[-1]
    shelf.make_folder("n" * MOST_NAME, note="t" * MOST_TEXT)
    paper = shelf.register(
        PAPER, deepest, name="議" * MOST_NAME, note="t" * MOST_TEXT, who="w" * MOST_TEXT, revision_note="r" * MOST_TEXT
    )
    shelf.replace(paper.id, pages(2).to_bytes(), note="r" * MOST_TEXT)
    files = there_and_back(shelf, service, tmp_path)
    assert max(len(str(one.relative_to(tmp_path)).encode()) for one in files) < 1000, "a path that other systems take, too"


@pytest.mark.parametrize("depth", [3, 25])
def test_names_of_folders_are_shortened_only_if_paths_get_long(
    shelf: Shelf, service: sb.TileService, tmp_path: Path, depth: int
) -> None:
    folders = nested(shelf, depth, "会" * 60)
    shelf.register(PAPER, folders[-1], name="a")
    shelf.register(PAPER, shelf.make_folder("議案" * 20), name="b")
    files = there_and_back(shelf, service, tmp_path)
    lengths = {len(part) for one in files for part in one.parts if "会" in part}
    assert lengths == {len("01 ") + 60} if depth == 3 else max(lengths) < 20
    assert any("02 " + "議案" * 20 in one.parts for one in files), "a short way keeps its names"


TOO_LONG = {"name": "n" * (MOST_NAME + 1), "note": "t" * (MOST_TEXT + 1)}


@pytest.mark.parametrize("what", ["name", "note"])
def test_what_is_too_long_is_refused(shelf: Shelf, what: str) -> None:
    paper, folder = shelf.register(PAPER, name="a"), shelf.make_folder("a")
    told = {"name": "a", what: TOO_LONG[what]}
    for refused in (
        lambda: shelf.register(pages(2).to_bytes(), **told),
        lambda: shelf.change(paper.id, **{what: TOO_LONG[what]}),
        lambda: shelf.make_folder(**told),
        lambda: shelf.change_folder(folder, **{what: TOO_LONG[what]}),
    ):
        with pytest.raises(RequestError, match=f"at most {MOST_NAME if what == 'name' else MOST_TEXT} are kept"):
            refused()
    assert shelf.paper(paper.id) == paper
    assert shelf.folders() == [folder]
    assert len(list(shelf.originals.all())) == 1, "a file is taken in for nothing"


def test_what_is_too_long_of_a_revision_is_refused(shelf: Shelf) -> None:
    paper = shelf.register(PAPER, name="a")
    other = pages(2).to_bytes()
    locked = shelf.register(FakeDocument(pages=pages(3).pages, password="p" * (MOST_NAME + 1)).to_bytes(), name="locked")
    for refused in (
        lambda: shelf.register(other, name="b", revision_note="r" * (MOST_TEXT + 1)),
        lambda: shelf.register(other, name="b", who="w" * (MOST_TEXT + 1)),
        lambda: shelf.register(other, name="b", password="p" * (MOST_NAME + 1)),
        lambda: shelf.replace(paper.id, other, note="r" * (MOST_TEXT + 1)),
        lambda: shelf.unlock(locked.id, "p" * (MOST_NAME + 1)),
    ):
        with pytest.raises(RequestError, match="are kept"):
            refused()
    assert len(shelf.papers()) == 2
    assert len(list(shelf.originals.all())) == 2


def test_folders_do_not_get_too_deep_in_any_way(shelf: Shelf, service: sb.TileService, tmp_path: Path) -> None:
    folders = nested(shelf, MOST_DEPTH)
    with pytest.raises(RequestError, match="64 deep"):
        shelf.make_folder("one more", folders[-1])
    top = shelf.make_folder("top")
    inner = shelf.make_folder("inner", top)
    with pytest.raises(RequestError, match="64 deep"):
        shelf.change_folder(top, parent=folders[-2])
    assert shelf.change_folder(top, parent=folders[-3]).parent == folders[-3].id
    assert shelf.change_folder(inner, place=0).parent == top.id
    shelf.change_folder(top, parent=None)
    with Shelf(tmp_path / "small", service) as small:
        small.make_folder("in", small.make_folder("out"))
        small.export(tmp_path / "small exported")
    with pytest.raises(RequestError, match="64 deep"):
        shelf.bring_in(tmp_path / "small exported", folders[-2])
    assert len(shelf.folders(folders[-2])) == 1, "all of it, or nothing"


@pytest.mark.parametrize("what", ["file_name", "password", "note"])
def test_an_upload_is_refused_before_its_bytes_are_sent(shelf: Shelf, what: str) -> None:
    uploads = Uploads(shelf, UploadLimits())
    new = {"id": "", "owner": "o", "length": 5, "file_name": "a.pdf", "paper_id": "", "replaces": False}
    with pytest.raises(RequestError, match="are kept"):
        uploads.begin(Upload(**{**new, what: "t" * (MOST_TEXT + 1)}))
    for shown in TOO_LONG:
        with pytest.raises(RequestError, match="are kept"):
            uploads.begin(Upload(**new, shown={shown: TOO_LONG[shown]}))
    assert not list((shelf.data_dir / "uploads").glob("*.*"))


def test_over_http_it_is_a_bad_request(house: House) -> None:
    paper, name = house.register("a"), {"name": TOO_LONG["name"]}
    folders = nested(house.papers, MOST_DEPTH)
    other = house.papers.make_folder("other")
    for path, method, body in (
        (f"/folders/{house.open.id}", "PATCH", name),
        (f"/folders/{house.open.id}", "POST", name),
        (f"/folders/{folders[-1].id}", "POST", {"name": "one more"}),
        (f"/folders/{other.id}", "PATCH", {"parent": folders[-1].id}),
        (f"/papers/{paper.id}", "PATCH", name),
    ):
        reply = house.ask("admin", path, method, body, Content_Type="application/json")
        assert reply.status == 400, (path, reply.body[:200])
        assert b"length" in reply.body or b"64 deep" in reply.body, "it says why"
    assert house.papers.paper(paper.id) == paper


def made_older(shelf: Shelf, paper_id: str, folder_id: str = "", note: str = "old") -> None:
    """Have names and notes on a shelf that were registered before they were bounded."""
    with shelf.database.writing() as writing:
        writing.run("UPDATE paper SET name = ?, note = ? WHERE id = ?", "古" * 5000, note, paper_id)
        writing.run("UPDATE folder SET name = ? WHERE id = ?", "庫" * 5000, folder_id)
        writing.run("UPDATE revision SET file_name = ? WHERE paper = ?", "古" * 5000, paper_id)


def test_what_is_older_than_the_bounds_can_be_changed(shelf: Shelf) -> None:
    folder = shelf.make_folder("a")
    paper = shelf.register(FakeDocument(pages=pages(3).pages, password="himitsu").to_bytes(), folder, name="a")
    made_older(shelf, paper.id, folder.id, "n" * (MOST_TEXT + 1))
    assert shelf.unlock(paper.id, "himitsu").state == "ready"
    assert shelf.change(paper.id, level="online").level == "online"
    assert shelf.change(paper.id, until_s=2e9).until_s == 2e9
    assert shelf.change(paper.id, note="new").note == "new"
    assert shelf.replace(paper.id, PAPER).revision == 2
    assert shelf.revision(paper.id).file_name == "古" * MOST_NAME, "it comes of the name of the paper"
    assert shelf.change_folder(folder, kind="item").kind == "item"
    assert shelf.change_folder(folder, note="new").note == "new"
    with pytest.raises(RequestError, match="are kept"):
        shelf.change(paper.id, name="古" * 5000)
    with pytest.raises(RequestError, match="kind must be"):
        shelf.change_folder(folder, kind="x")  # type: ignore[arg-type]
    assert shelf.change(paper.id, name="short").name == "short"


@pytest.mark.parametrize("what", ["name", "folder", "note"])
def test_what_is_older_than_the_bounds_is_named_before_anything_is_exported(
    shelf: Shelf, service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    folder = shelf.make_folder("a")
    paper = shelf.register(PAPER, folder, name="a")
    made_older(shelf, paper.id, folder.id if what == "folder" else "", "n" * (MOST_TEXT + 1) if what == "note" else "old")
    if what != "name":
        shelf.change(paper.id, name="short name")
    if what == "folder":
        shelf.change(paper.id, note="")
    copied: list[object] = []
    monkeypatch.setattr(exporting, "copy_whole", lambda *given: copied.append(given))
    told = {
        "name": "the paper '古古.*…'.* 5000 characters.*give it a shorter name",
        "folder": "the folder '庫庫.*…'.* 5000 characters.*give it a shorter name",
        "note": "the paper 'short name'.*give it a shorter note",
    }
    with pytest.raises(RequestError, match=f"{told[what]}, then export again; nothing was exported") as caught:
        shelf.export(tmp_path / "exported")
    assert len(str(caught.value)) < 400
    assert not copied
    monkeypatch.undo()
    shelf.change(paper.id, name="short", note="short")
    shelf.change_folder(folder, name="short")
    there_and_back_but_for_the_file_name(shelf, service, tmp_path)


def there_and_back_but_for_the_file_name(shelf: Shelf, service: sb.TileService, tmp_path: Path) -> None:
    shelf.export(tmp_path / "exported")
    with Shelf(tmp_path / "other", service) as other:
        assert other.bring_in(tmp_path / "exported").papers == 1
        (paper,) = other.papers(other.folders()[0])
        assert other.revision(paper.id).file_name == "古" * MOST_NAME
