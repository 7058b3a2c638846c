"""A shelf that is exported and brought into another: all or nothing, no doubles, and nothing of a stranger's is believed."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sidebooks_core as sb
from sidebooks_core.errors import RequestError, SidebooksError, StorageDamaged, StorageFailed
from sidebooks_core.shelf import BroughtIn, Exported, Paper, Shelf
from sidebooks_core.shelf.safe_names import MOST_BYTES, is_inner_path, safe_name
from sidebooks_core.testing import FakeDocument, FakeEngine


def content(note: str, password: str | None = None) -> bytes:
    document = FakeDocument.of_pages(2, note=note)
    return FakeDocument(pages=document.pages, note=note, password=password).to_bytes()


@pytest.fixture
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=None, workers=2), pool=FakeEngine().pool) as made:
        yield made


@pytest.fixture
def shelf(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "data", service) as made:
        yield made


@pytest.fixture
def other(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "other", service) as made:
        yield made


@pytest.fixture
def filled(shelf: Shelf, tmp_path: Path) -> Shelf:
    """Folders within folders, revisions, a note, times, levels, a withdrawn paper, one that cannot be opened."""
    council = shelf.make_folder("令和8年3月定例会", kind="meeting", note="10時")
    item = shelf.make_folder('議案: 第1号/"補正"', council, kind="item")
    budget = tmp_path / "budget.pdf"
    budget.write_bytes(content("first"))
    paper = shelf.register(budget, item, name="令和8年度予算書", note="本会議", level="keep", who="tanaka")
    shelf.replace(paper.id, content("second"), note="18ページ", who="sato")
    shelf.register(content("plan"), item, name="plan", from_s=1000.0, until_s=2e9)
    gone = shelf.register(content("gone"), council, name="gone")
    shelf.withdraw(gone.id)
    shelf.register(b"an office file", name="CON.docx")
    return shelf


def everything(shelf: Shelf) -> list[object]:
    """All that readers and clerks see, without ids of places."""
    found: list[object] = []

    def walk(folder: str | None) -> None:
        for one in shelf.folders(folder):
            found.append(one)
            walk(one.id)
        for paper in shelf.papers(folder, withdrawn=True):
            found.append(paper)
            found.extend(
                (one.number, one.original, one.shown, one.file_name, one.registered_s, one.registered_by, one.note, one.state)
                for one in shelf.revisions(paper.id)
            )

    walk(None)
    return found


def test_a_shelf_goes_there_and_back_as_it_is(filled: Shelf, other: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "exported"
    assert filled.export(target) == Exported(folders=2, papers=4, revisions=5)
    assert other.bring_in(target) == BroughtIn(folders=2, papers=4, revisions=5, already=0, renewed={})
    assert everything(other) == everything(filled)
    assert other.verify().is_whole
    assert other.wait_prepared(30)
    budget = next(one for one in everything(other) if isinstance(one, Paper) and one.name == "令和8年度予算書")
    assert other.document(budget.id).page_count == 2


def test_the_tree_can_be_read_without_the_library(filled: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "exported"
    filled.export(target)
    files = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert files == [
        "01 令和8年3月定例会/01 議案_ 第1号__補正_/01 令和8年度予算書",
        "01 令和8年3月定例会/01 議案_ 第1号__補正_/02 plan",
        "01 令和8年3月定例会/01 議案_ 第1号__補正_/earlier revisions/01 revision 1 budget.pdf",
        "01 令和8年3月定例会/02 gone",
        "02 _CON.docx",
        "manifest.json",
    ]
    assert (target / files[2]).read_bytes() == content("first")
    manifest = json.loads((target / "manifest.json").read_text())
    assert (manifest["format"], manifest["version"]) == ("sidebooks-shelf", 1)
    assert all(is_inner_path(one["file"]["path"]) for paper in manifest["papers"] for one in paper["revisions"])


def test_a_second_import_makes_no_doubles(filled: Shelf, other: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "exported"
    filled.export(target)
    other.bring_in(target)
    before = everything(other)
    assert other.bring_in(target) == BroughtIn(folders=0, papers=0, revisions=0, already=4, renewed={})
    assert everything(other) == before
    assert filled.bring_in(target).already == 4, "nor does one into the shelf that it came from"


def test_a_paper_whose_id_is_taken_by_another_state_gets_a_new_one_once(filled: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "exported"
    changed = filled.register(content("before"), name="changed")
    filled.export(target)
    # The paper here is another one than the one that was exported: its revision was purged and registered anew elsewhere.
    manifest = json.loads((target / "manifest.json").read_text())
    [entry] = [one for one in manifest["papers"] if one["id"] == changed.id]
    path = target / entry["revisions"][0]["file"]["path"]
    path.write_bytes(content("another"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry["revisions"][0]["file"] |= {"digest": digest, "size_bytes": path.stat().st_size}
    (target / "manifest.json").write_text(json.dumps(manifest))
    done = filled.bring_in(target)
    assert (done.papers, done.already, list(done.renewed)) == (1, 4, [changed.id])
    assert [paper.name for paper in filled.papers()] == ["CON.docx", "changed", "changed"]
    assert filled.bring_in(target).papers == 0, "and it makes no doubles either"
    assert filled.paper(changed.id).revision == 1, "the one that was here is as it was"


def test_a_folder_can_be_exported_and_brought_into_a_folder(filled: Shelf, other: Shelf, tmp_path: Path) -> None:
    [council] = filled.folders()
    [item] = filled.folders(council)
    assert filled.export(tmp_path / "item", item) == Exported(folders=1, papers=2, revisions=3)
    archive = other.make_folder("archive")
    other.bring_in(tmp_path / "item", archive)
    assert [one.name for one in other.folders(archive)] == [item.name]
    assert [one.name for one in other.papers(item.id)] == ["令和8年度予算書", "plan"]


def test_the_present_revisions_can_be_exported_alone(filled: Shelf, other: Shelf, tmp_path: Path) -> None:
    assert filled.export(tmp_path / "exported", all_revisions=False).revisions == 4
    other.bring_in(tmp_path / "exported")
    budget = next(one for one in everything(other) if isinstance(one, Paper) and one.name == "令和8年度予算書")
    assert [one.number for one in other.revisions(budget.id)] == [2]
    assert other.replace(budget.id, content("third")).revision == 3
    assert other.verify().is_whole


def test_passwords_go_along_only_if_asked_for(shelf: Shelf, service: sb.TileService, tmp_path: Path) -> None:
    shelf.register(content("locked", password="swordfish"), name="secret", password="swordfish")
    for passwords, state in ((False, "locked"), (True, "ready")):
        target = tmp_path / f"exported {passwords}"
        shelf.export(target, passwords=passwords)
        assert ("swordfish" in (target / "manifest.json").read_text()) == passwords
        with Shelf(None, service) as empty:
            empty.bring_in(target)
            [paper] = empty.papers()
            assert paper.state == state


def test_a_converted_file_goes_along_with_its_original(service: sb.TileService, other: Shelf, tmp_path: Path) -> None:
    plan = tmp_path / "plan.docx"
    plan.write_bytes(b"an office file")
    with Shelf(tmp_path / "converting", service, convert=lambda _path, _name: content("made")) as shelf:
        shelf.register(plan)
        shelf.export(tmp_path / "exported")
    other.bring_in(tmp_path / "exported")
    [paper] = other.papers()
    [revision] = other.revisions(paper.id)
    assert (paper.state, revision.file_name, revision.original != revision.shown) == ("ready", "plan.docx", True)
    assert (tmp_path / "exported" / "01 plan.docx").read_bytes() == b"an office file"


def test_an_export_that_fails_leaves_nothing(filled: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "exports" / "exported"
    filled.export(target)
    with pytest.raises(FileExistsError):
        filled.export(target)
    paper = filled.papers()[0]
    path = filled.originals.path(filled.revisions(paper.id)[0].original)
    path.chmod(0o600)
    path.write_bytes(b"other bytes")
    with pytest.raises(StorageDamaged, match="is damaged"):
        filled.export(tmp_path / "exports" / "again")
    path.unlink()
    with pytest.raises(StorageDamaged, match="is missing"):
        filled.export(tmp_path / "exports" / "again")
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["exported"]


# What a stranger made.

Change = Callable[[dict[str, Any], Path], None]


def lead(path: str) -> Change:
    def change(manifest: dict[str, Any], _root: Path) -> None:
        manifest["papers"][0]["revisions"][0]["file"]["path"] = path

    return change


def put(*keys: str | int, value: object) -> Change:
    def change(manifest: dict[str, Any], _root: Path) -> None:
        at: Any = manifest
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value

    return change


def linked(manifest: dict[str, Any], root: Path) -> None:
    path = root / manifest["papers"][0]["revisions"][0]["file"]["path"]
    path.rename(root.parent / "moved out")
    path.symlink_to(root.parent / "moved out")


def linked_folder(manifest: dict[str, Any], root: Path) -> None:
    path = root / manifest["papers"][-1]["revisions"][0]["file"]["path"]
    folder = path.parent
    folder.rename(root.parent / "folder moved out")
    folder.symlink_to(root.parent / "folder moved out")


def pipe(manifest: dict[str, Any], root: Path) -> None:
    path = root / manifest["papers"][0]["revisions"][0]["file"]["path"]
    path.unlink()
    os.mkfifo(path)


def changed_file(manifest: dict[str, Any], root: Path) -> None:
    path = root / manifest["papers"][-1]["revisions"][-1]["file"]["path"]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def longer_file(manifest: dict[str, Any], root: Path) -> None:
    with (root / manifest["papers"][-1]["revisions"][-1]["file"]["path"]).open("ab") as file:
        file.write(b"more")


def missing_file(manifest: dict[str, Any], root: Path) -> None:
    (root / manifest["papers"][-1]["revisions"][-1]["file"]["path"]).unlink()


def circle(manifest: dict[str, Any], _root: Path) -> None:
    manifest["folders"][0]["parent"] = manifest["folders"][1]["id"]


def twice(manifest: dict[str, Any], _root: Path) -> None:
    manifest["papers"].append(manifest["papers"][0])


def ends_first(manifest: dict[str, Any], _root: Path) -> None:
    manifest["papers"][0] |= {"from_s": 2.0, "until_s": 1.0}


HOSTILE: list[tuple[str, Change, type[SidebooksError]]] = [
    ("above", lead("../secret"), RequestError),
    ("within and above", lead("01 a/../../secret"), RequestError),
    ("absolute", lead("/etc/passwd"), RequestError),
    ("of Windows", lead("C:\\secret"), RequestError),
    ("another stream", lead("a:b"), RequestError),
    ("empty part", lead("a//b"), RequestError),
    ("with NUL", lead("a\0b"), RequestError),
    ("a folder", lead("01 令和8年3月定例会"), RequestError),
    ("a link", linked, RequestError),
    ("behind a link", linked_folder, RequestError),
    ("a pipe", pipe, RequestError),
    ("another content", changed_file, StorageDamaged),
    ("another size", longer_file, StorageDamaged),
    ("missing", missing_file, StorageDamaged),
    ("circle", circle, RequestError),
    ("twice", twice, RequestError),
    ("no folder", put("papers", 0, "folder", value="a-folder-that-is-not-there"), RequestError),
    ("bad id", put("papers", 0, "id", value="../../../../etc"), RequestError),
    ("id with line end", put("papers", 0, "id", value="abcdefghijkl\n"), RequestError),
    ("not a number", put("papers", 0, "from_s", value=float("nan")), RequestError),
    ("infinite", put("papers", 0, "revisions", 0, "registered_s", value=float("inf")), RequestError),
    ("text for number", put("papers", 0, "revisions", 0, "number", value="1"), RequestError),
    ("huge number", put("papers", 0, "revisions", 0, "number", value=10**40), RequestError),
    ("negative", put("papers", 0, "revisions", 0, "number", value=-1), RequestError),
    ("no revision", put("papers", 0, "revisions", value=[]), RequestError),
    ("unknown level", put("papers", 0, "level", value="everybody"), RequestError),
    ("shows nothing", put("papers", 0, "name", value="\u202e\u200b"), RequestError),
    ("list", put("papers", value={}), RequestError),
    ("newer", put("version", value=99), RequestError),
    ("of something else", put("format", value="another"), RequestError),
    ("ends first", ends_first, RequestError),
]


@pytest.mark.parametrize(("name", "change", "error"), HOSTILE, ids=[one[0] for one in HOSTILE])
def test_a_hostile_export_is_refused_as_a_whole(
    filled: Shelf, other: Shelf, tmp_path: Path, name: str, change: Change, error: type[SidebooksError]
) -> None:
    (tmp_path / "secret").write_bytes(content("secret"))
    target = tmp_path / "exported"
    filled.export(target)
    manifest = json.loads((target / "manifest.json").read_text())
    change(manifest, target)
    (target / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(error) as told:
        other.bring_in(target)
    assert "\n" not in str(told.value)
    assert everything(other) == []
    assert list(other.originals.all()) == [], "no file was left behind"
    assert other.changes() == []
    assert other.verify().is_whole


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"format": 1}', b"null"])
def test_a_manifest_that_is_none_is_refused(other: Shelf, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(RequestError, match="manifest"):
        other.bring_in(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="no exported shelf"):
        other.bring_in(tmp_path)


def test_an_import_that_fails_at_the_end_leaves_nothing(filled: Shelf, other: Shelf, tmp_path: Path) -> None:
    filled.change(filled.papers()[0].id, note="a long note" * 10_000)
    filled.export(tmp_path / "exported")
    with other.database.writing() as writing:
        pages = writing.number("PRAGMA page_count")
        writing.number(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFailed, match="disk is full"):
        other.bring_in(tmp_path / "exported")
    assert everything(other) == []
    assert list(other.originals.all()) == []
    with other.database.writing() as writing:
        writing.number("PRAGMA max_page_count = 1000000")
    assert other.bring_in(tmp_path / "exported").papers == 4


def test_an_import_that_fails_leaves_a_file_that_somebody_is_about_to_name(shelf: Shelf, other: Shelf, tmp_path: Path) -> None:
    """An upload of the same file, say: without its bytes it would be lost."""
    first, _ = (shelf.register(content(name), name=name) for name in ("a", "b"))
    shelf.export(tmp_path / "exported")
    damaged = next((tmp_path / "exported").glob("02*"))
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    digest = shelf.revision(first.id).original
    with other.originals.taking(), pytest.raises(StorageDamaged):
        other.bring_in(tmp_path / "exported")
    assert other.originals.holds(digest)
    other.originals.remove(digest)
    with pytest.raises(StorageDamaged):
        other.bring_in(tmp_path / "exported")
    assert list(other.originals.all()) == [], "and removes it if nobody takes files in"


# Names.


@given(st.text(max_size=300))
def test_a_safe_name_is_one_on_every_system(name: str) -> None:
    safe = safe_name(name)
    assert is_inner_path(safe)
    assert "/" not in safe
    assert len(f"1234 revision 12 {safe} as shown.pdf".encode()) <= 255
    assert len(safe.encode()) <= MOST_BYTES + 1
    assert safe == unicodedata.normalize("NFC", safe)
    assert safe_name(safe) == safe or safe.startswith("_")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("budget.pdf", "budget.pdf"),
        ("資料: 1/2?.pdf", "資料_ 1_2_.pdf"),
        ("nul", "_nul"),
        ("Aux.txt", "_Aux.txt"),
        ("a. . .", "a"),
        ("...", "_"),
        ("", "_"),
        ("か\u3099.pdf", "が.pdf"),
        ("長" * 200 + ".pdf", "長" * 58 + ".pdf"),
    ],
)
def test_names_are_kept_as_far_as_they_can_be(name: str, safe: str) -> None:
    assert safe_name(name) == safe
