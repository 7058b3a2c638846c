"""The `sidebooks shelf` commands: papers are registered, replaced, listed, searched, withdrawn, purged, mirrored, copied."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import json, to_builtins

from sidebooks_core.cli.arguments import match_options
from sidebooks_core.cli.shelf_files import files_to_add, made_folder
from sidebooks_core.cli.shelf_opening import changing, opened, whoever_types
from sidebooks_core.cli.terminal import ProgressBar, print_json
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.errors import RequestError

if TYPE_CHECKING:
    from sidebooks_core.shelf import Folder, Noticed, Paper, Shelf

LOOK_EVERY_S = 0.2
"""How often the progress of preparing is looked at."""
PURGE_WAIT_S = 10.0
"""How long `purge` waits for who is in the way, before it tells that something is left."""
STALLED_S = 300.0
"""The process that prepares is waited for no longer if nothing comes of it for so many seconds."""
NOT_PREPARED = "sidebooks: not everything is prepared yet; the process that prepares goes on"
SEARCH_S = 1.0
"""Of one step of a search. Nobody waits for a part of the hits."""


def add(arguments: argparse.Namespace) -> int:
    """Register files, and the files of folders with their folders. 1 if one could not be registered or opened."""
    status = 0
    added: list[Paper] = []
    if arguments.name is not None and (len(arguments.path) > 1 or arguments.path[0].is_dir()):
        raise RequestError("--name is for one file")
    with changing(arguments, prepares=True) as shelf:
        folder = made_folder(shelf, arguments.folder) if arguments.folder else None
        for path, into in files_to_add(shelf, arguments.path, folder):
            shown = {"name": arguments.name} if arguments.name is not None else {}
            try:
                paper = shelf.register(path, into, password=arguments.password, who=whoever_types(), **shown)
            except OSError as error:
                print(f"sidebooks: not registered: {error}", file=sys.stderr)
                status = 1
                continue
            added.append(paper)
            if paper.state != "ready":
                print(f"sidebooks: {paper.name}: {paper.reason}", file=sys.stderr)
                status = 1
        if not arguments.no_wait:
            _wait_prepared(shelf, added)
        papers = [shelf.paper(paper.id) for paper in added]
    _print_papers(papers, is_json=arguments.json)
    return status


def replace(arguments: argparse.Namespace) -> int:
    """Put a new revision in the place of the present one. 1 if it cannot be opened."""
    with changing(arguments, prepares=True) as shelf:
        old = find_paper(shelf, arguments.paper)
        paper = shelf.replace(
            old.id, arguments.file, password=arguments.password, after=old.revision, note=arguments.note, who=whoever_types()
        )
        if not arguments.no_wait:
            _wait_prepared(shelf, [paper])
        is_readable = old.state == paper.state == "ready"
        changes = shelf.diff(paper.id, old.revision, paper.revision) if is_readable else []
    changed = [one for one in changes if one.kind != "same"]
    if arguments.json:
        print_json({**_fields(paper), "changes": to_builtins(changed)})
    else:
        print(f"{paper.name}: revision {paper.revision}")
        for one in changed:
            old_page, new_page = (page + 1 if page is not None else None for page in (one.old_page, one.new_page))
            print(f"  page {new_page or old_page}: {one.kind}" + (f" (was page {old_page})" if one.kind == "moved" else ""))
    if paper.state != "ready":
        print(f"sidebooks: {paper.name}: {paper.reason}", file=sys.stderr)
    return int(paper.state != "ready")


def watch(arguments: argparse.Namespace) -> int:
    """Mirror folders until Ctrl-C. Prints what becomes of their files, one line each; with --json, one value a line."""

    def told(noticed: Noticed) -> None:
        if arguments.json:
            fields = _fields(noticed.paper) if noticed.paper is not None else None
            line = {"kind": noticed.kind, "path": shown(str(noticed.path)), "paper": fields, "reason": noticed.reason}
            print(json.encode(line).decode(), flush=True)
            return
        reason = f": {noticed.reason}" if noticed.reason else ""
        print(f"{noticed.kind} {shown(str(noticed.path))}{reason}", flush=True)

    if arguments.folder and len(arguments.path) > 1:
        raise RequestError("--folder is for one PATH: each folder of the disk has a folder of the shelf")
    with changing(arguments, prepares=True) as shelf:
        folder = made_folder(shelf, arguments.folder) if arguments.folder else None
        watches = [
            shelf.watch(path, folder, settle_s=arguments.settle, who=whoever_types(), told=told) for path in arguments.path
        ]
        for one in watches:
            while not one.wait(LOOK_EVERY_S):
                if one.is_elsewhere:
                    raise RequestError(f"{one.path} is watched by another process")
        if not arguments.once:
            print(f"sidebooks: all is registered; watching {', '.join(str(one.path) for one in watches)}", file=sys.stderr)
        while not arguments.once:
            time.sleep(LOOK_EVERY_S)
        problems = {path: why for one in watches for path, why in one.problems.items()}
    for path, why in problems.items():
        print(f"sidebooks: {shown(str(path))}: {why}", file=sys.stderr)
    return int(bool(problems))


def listing(arguments: argparse.Namespace) -> int:
    """Print the folders and papers, or those of one folder."""
    with opened(arguments) as shelf:
        top = find_folder(shelf, arguments.folder) if arguments.folder else None
        rows = list(_tree(shelf, top, 0, is_withdrawn=arguments.withdrawn))
    if arguments.json:
        print_json([{"depth": depth, **_fields(one)} for depth, one in rows])
    else:
        for depth, one in rows:
            print("  " * depth + _line(one))
    return 0


def search(arguments: argparse.Namespace) -> int:
    """Print the pages that match. 1 if there are none."""
    from sidebooks_core.shelf import Where

    with opened(arguments) as shelf:
        folders = frozenset([find_folder(shelf, arguments.folder).id]) if arguments.folder else None
        look = partial(shelf.search, arguments.query, Where(folders=folders), budget_s=SEARCH_S, **match_options(arguments))
        step = look(limit=arguments.limit)
        found = list(step.pages)
        while step.next is not None and len(found) < arguments.limit:
            step = look(before=step.next, limit=arguments.limit - len(found))
            found += step.pages
    if step.unindexed:
        print(f"{step.unindexed} papers are still being read: what they hold is not found yet", file=sys.stderr)
    if arguments.json:
        print_json(
            [
                {"paper": hit.paper.id, "name": hit.paper.name, "page": hit.page + 1, "text": [one.text for one in hit.hits]}
                for hit in found
            ]
        )
    else:
        for hit in found:
            more = f"  (and {len(hit.hits) - 1} more)" if len(hit.hits) > 1 else ""
            print(f"{hit.paper.name}, page {hit.page + 1}: {hit.hits[0].text}{more}")
    return 0 if found else 1


def withdraw(arguments: argparse.Namespace) -> int:
    """Take papers away from their readers, or put them back."""
    with changing(arguments) as shelf:
        chosen = [find_paper(shelf, text) for text in arguments.paper]
        do = shelf.restore if arguments.undo else shelf.withdraw
        papers = [do(paper.id, who=whoever_types()) for paper in chosen]
    _print_papers(papers, is_json=arguments.json)
    return 0


def purge(arguments: argparse.Namespace) -> int:
    """Remove papers for good."""
    with changing(arguments) as shelf:
        chosen = [find_paper(shelf, text) for text in arguments.paper]
        for paper in chosen:
            shelf.purge(paper.id, who=whoever_types())
        left = shelf.purger.wait(PURGE_WAIT_S)
    if arguments.json:
        print_json({"purged": [paper.id for paper in chosen], "pending": to_builtins(left)})
    elif left.is_empty:
        print(f"{len(chosen)} papers are gone for good")
    else:
        print(f"{len(chosen)} papers are gone from the shelf, and are being removed")
        if left.originals or left.texts or left.is_in_log or left.incoming:
            print("a backup, a reader or a clerk is in the way: what is left is removed by the server, or by the next command")
        for folder in left.caches:
            print(f"images are in the cache folder {folder}: they are removed by who uses it with this shelf")
    return 0


def back_up(arguments: argparse.Namespace) -> int:
    """Copy the shelf, the accounts and the records of meetings if there are any, into a new folder."""
    from sidebooks_core.access import core
    from sidebooks_core.access.access import Access
    from sidebooks_core.meeting import records as meetings

    def add_others(folder: Path) -> None:
        if (arguments.data / core.DATABASE_NAME).exists():
            with Access(arguments.data) as access:
                access.back_up(folder)
        if (arguments.data / meetings.DATABASE_NAME).exists():
            with closing(meetings.Records(arguments.data)) as records:
                records.back_up(folder)

    with changing(arguments) as shelf:
        originals = shelf.back_up(arguments.target, more=add_others)
    if arguments.json:
        print_json({"originals": originals})
    else:
        print(f"{originals} originals and all that is known of them are in {arguments.target}")
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write the shelf as folders and files that people can read."""
    with opened(arguments) as shelf:
        folder = find_folder(shelf, arguments.folder) if arguments.folder else None
        all_revisions = not arguments.present_only
        done = shelf.export(arguments.target, folder, all_revisions=all_revisions, passwords=arguments.with_passwords)
    if arguments.json:
        print_json(to_builtins(done))
    else:
        print(f"{done.papers} papers with {done.revisions} revisions, in {done.folders} folders, are in {arguments.target}")
        if arguments.with_passwords:
            print("their passwords can be read in manifest.json: keep that from others", file=sys.stderr)
    return 0


def bring_in(arguments: argparse.Namespace) -> int:
    """Read an exported shelf into this one."""
    with changing(arguments, prepares=True) as shelf:
        folder = made_folder(shelf, arguments.folder) if arguments.folder else None
        done = shelf.bring_in(arguments.source, folder, who=whoever_types())
        if not arguments.no_wait:
            _wait_all_prepared(shelf)
    if arguments.json:
        print_json(to_builtins(done))
    else:
        print(f"{done.papers} papers with {done.revisions} revisions, and {done.folders} folders, were brought in")
        if done.already:
            print(f"{done.already} papers stood here already, and were left as they are")
        for old, new in done.renewed.items():
            print(f"{old} is {new} here: another paper, or another state of it, has that id")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Read and check everything. 1 if something is missing or damaged."""
    with opened(arguments) as shelf:
        if arguments.rebuild:
            shelf.rebuild_index()
        found = shelf.verify()
    if arguments.json:
        print_json(to_builtins(found))
    else:
        print(f"{found.originals} originals checked: {len(found.missing)} missing, {len(found.damaged)} damaged")
        for fault in found.faults:
            print(fault)
    return 0 if found.is_whole else 1


def find_paper(shelf: Shelf, text: str) -> Paper:
    """The paper of an id, or of the names that lead to it, as "Council/Budget". Raises RequestError, also if there are two."""
    folder_text, _, name = text.rpartition("/")
    try:
        return shelf.paper(text)
    except RequestError:
        folder = find_folder(shelf, folder_text) if folder_text else None
        found = [paper for paper in shelf.papers(folder, withdrawn=True) if paper.name == name]
    if len(found) != 1:
        what = f"there are {len(found)} papers" if found else "there is no paper"
        raise RequestError(f"{what} {text!r}: `sidebooks shelf list` shows names and ids") from None
    return found[0]


def find_folder(shelf: Shelf, text: str) -> Folder:
    """The folder of an id, or of the names that lead to it. Raises RequestError."""
    try:
        return shelf.folder(text)
    except RequestError:
        folder: Folder | None = None
        for name in filter(None, text.split("/")):
            folder = next((one for one in shelf.folders(folder) if one.name == name), None)
            if folder is None:
                break
    if folder is None:
        raise RequestError(f"there is no folder {text!r}: `sidebooks shelf list` shows them") from None
    return folder


def _wait_prepared(shelf: Shelf, papers: list[Paper]) -> None:
    """Wait until papers are prepared, with a progress bar. Another process may prepare them."""
    waiting = {paper.id: paper.page_count for paper in papers if paper.state == "ready"}
    total, done, reached = sum(waiting.values()), 0, -1
    moved_s = time.monotonic()
    with ProgressBar("preparing") as bar:
        while waiting:
            there = 0
            for paper_id in list(waiting):
                try:
                    progress, revision = shelf.progress(paper_id), shelf.revision(paper_id)
                except RequestError:  # it was purged meanwhile
                    done += waiting.pop(paper_id)
                    continue
                if revision.is_prepared or revision.state != "ready" or progress.has_failed:
                    done += waiting.pop(paper_id)
                    if progress.has_failed:
                        print(f"sidebooks: {shelf.paper(paper_id).name}: not prepared yet; see the log", file=sys.stderr)
                else:
                    there += min(progress.previews, progress.indexed)
            bar(done + there, total)
            if done + there != reached:
                reached, moved_s = done + there, time.monotonic()
            elif time.monotonic() - moved_s > STALLED_S:
                print(NOT_PREPARED, file=sys.stderr)
                return
            if waiting:
                time.sleep(LOOK_EVERY_S)


def _wait_all_prepared(shelf: Shelf) -> None:
    """Wait until every paper of the shelf is prepared. Another process may prepare them."""
    reached = -1
    while not shelf.wait_prepared(STALLED_S):
        if shelf.feed.last == reached:
            print(NOT_PREPARED, file=sys.stderr)
            return
        reached = shelf.feed.last


def _tree(shelf: Shelf, folder: Folder | None, depth: int, *, is_withdrawn: bool) -> Iterator[tuple[int, Folder | Paper]]:
    """Folders and papers in their order, each with its depth."""
    for inner in shelf.folders(folder):
        yield depth, inner
        yield from _tree(shelf, inner, depth + 1, is_withdrawn=is_withdrawn)
    for paper in shelf.papers(folder, withdrawn=is_withdrawn):
        yield depth, paper


def _line(one: Folder | Paper) -> str:
    from sidebooks_core.shelf import Folder

    if isinstance(one, Folder):
        return f"{one.name}/"
    state = f"{one.page_count} pages" if one.state == "ready" else one.state
    more = f", revision {one.revision}" if one.revision > 1 else ""
    return f"{one.name}  ({state}{more}{', withdrawn' if one.withdrawn_s is not None else ''})  {one.id}"


def _fields(one: Folder | Paper) -> dict[str, object]:
    """What JSON tells of a folder or a paper."""
    from sidebooks_core.shelf import Folder

    kind = "folder" if isinstance(one, Folder) else "paper"
    return {"type": kind, **{name: getattr(one, name) for name in one.__struct_fields__}}


def _print_papers(papers: list[Paper], *, is_json: bool) -> None:
    if is_json:
        print_json([_fields(paper) for paper in papers])
    else:
        for paper in papers:
            print(_line(paper))
