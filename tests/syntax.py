"""What the oldest browsers that the viewer is for would stumble over in its files: syntax, and names that they do not know."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ESBUILD = "esbuild-linux-{machine}-0.28.2"
MACHINES = {"x86_64": "x64", "aarch64": "arm64"}
TARGETS = "safari15,chrome90,firefox90"
PLAIN_TARGETS = "es5"
"""For what tells of an old browser."""

NEWER = {
    "at": (r"\.at\(", None),
    "findLast": (r"\.findLast(Index)?\(", None),
    "structuredClone": (r"\bstructuredClone\(", None),
    "hasOwn": (r"\bObject\.hasOwn\(", None),
    "groupBy": (r"\b(Object|Map)\.groupBy\(", None),
    "copies of arrays": (r"\.(toSorted|toReversed|toSpliced|with)\(", None),
    "fromAsync": (r"\bArray\.fromAsync\(", None),
    "withResolvers": (r"\bPromise\.(withResolvers|try)\(", None),
    "URL.parse": (r"\bURL\.(canParse|parse)\(", None),
    "methods of sets": (r"\.(isSubsetOf|isSupersetOf|symmetricDifference|isDisjointFrom)\(", None),
    "randomUUID": (r"\brandomUUID\(", r"randomUUID \?|randomUUID\?\."),
    "requestIdleCallback": (r"\brequestIdleCallback\(", r"\"requestIdleCallback\" in|requestIdleCallback\?\."),
    "OffscreenCanvas": (r"\bnew OffscreenCanvas\(", r"typeof OffscreenCanvas|globalThis\.OffscreenCanvas"),
    "AbortSignal": (r"\bAbortSignal\.(timeout|any|abort)\(", None),
    "throwIfAborted": (r"\.throwIfAborted\(", None),
    "locks": (r"\bnavigator\.locks\b", r"navigator\.locks\?\."),
    "BroadcastChannel": (r"\bnew BroadcastChannel\(", r"typeof BroadcastChannel|globalThis\.BroadcastChannel"),
    "Segmenter": (r"\bnew Intl\.Segmenter\(", r"Intl\.Segmenter \?|typeof Intl\.Segmenter|if \(!?Intl\.Segmenter"),
    "streams of bytes": (r"\bnew (De)?[cC]ompressionStream\(", r"typeof (De)?[cC]ompressionStream"),
    "inert": (r"\.inert\s*=|[\"']inert[\"']", r"[\"']inert[\"'] in"),
    "dialog": (r"\.showModal\(", r"\.showModal\b(?!\()"),
    "popover": (r"\.(show|hide|toggle)Popover\(", r"\.(show|hide|toggle)Popover\b(?!\()"),
    "checkVisibility": (r"\.checkVisibility\(", None),
    "full screen": (r"\.requestFullscreen\(", r"requestFullscreen\b(?!\()|fullscreenEnabled &&"),
    "orientation": (r"\bscreen\.orientation\.", None),
    "scrollend": (r"[\"']scrollend[\"']", r"onscrollend"),
}
"""Of scripts: what Safari 15.0, Chrome 90 or Firefox 90 lacks, and what the same file must hold if it uses it: a look
whether it is there. None: there is a way without it."""

NEWER_STYLES = {
    "has": r":has\(",
    "layers": r"@layer\b",
    "containers": r"@container\b",
    "scopes": r"@scope\b",
    "subgrid": r"\bsubgrid\b",
}
"""Of styles: what hides or breaks something where it is not known."""
WITH_FALLBACK = {"heights": r"\d[dsl]v[hwb]\b", "mixed colours": r"\bcolor-mix\(|\boklch\(|\blight-dark\("}
"""Of styles: the same property must stand before it in its rule with a value that all know."""


def fetch_checker(folder: Path) -> Path:
    """A program that knows which browser reads which syntax, as published. Raises LookupError if it cannot be had."""
    npm, machine = shutil.which("npm"), MACHINES.get(platform.machine())
    if npm is None or machine is None or sys.platform != "linux":
        raise LookupError("needs npm and Linux, for the program that knows the syntax of browsers")
    name = ESBUILD.format(machine=machine)
    package = "@" + name.replace("-", "/", 1)
    command = [npm, "pack", "--silent", "@".join(package.rsplit("-", 1))]
    subprocess.run(command, cwd=folder, check=True, timeout=240, stdout=subprocess.DEVNULL)
    with tarfile.open(folder / f"{name}.tgz") as archive:
        archive.extract("package/bin/esbuild", folder, filter="data")
    return folder / "package" / "bin" / "esbuild"


def too_new(checker: Path, text: str, kind: str, targets: str = TARGETS) -> list[str]:
    """The lines that a checker rewrites or adds, or warns of, for browsers. kind: "js" or "css"."""
    # Chrome 90 has a fault with `?.` before a spread that nobody writes; the checker would rewrite each `?.` for it.
    command = [os.fspath(checker), f"--loader={kind}", "--charset=utf8", "--log-level=warning"]
    allowed = ["--supported:optional-chain=true"] if targets == TARGETS else []
    made = []
    for target in (targets, "esnext"):
        own = allowed if target == targets else []
        done = subprocess.run([*command, f"--target={target}", *own], input=text, capture_output=True, text=True, timeout=60)
        if done.returncode or done.stderr:
            return done.stderr.splitlines()
        made.append(done.stdout.splitlines())
    if made[0] == made[1]:
        return []
    return [line for line in made[1] if line not in made[0]] or [line for line in made[0] if line not in made[1]]


def newer_names(text: str) -> list[str]:
    """What a script uses that old browsers do not have."""
    bare = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", text, flags=re.S)
    return [name for name, (use, guard) in NEWER.items() if re.search(use, bare) and not (guard and re.search(guard, bare))]


def newer_styles(text: str) -> list[str]:
    """What a style sheet uses that old browsers do not have, without something before it for them."""
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = [name for name, use in NEWER_STYLES.items() if re.search(use, bare)]
    for rule in re.findall(r"\{([^{}]*)\}", bare):
        known: set[str] = set()
        for declaration in filter(None, map(str.strip, rule.split(";"))):
            name, _, value = declaration.partition(":")
            new = [kind for kind, use in WITH_FALLBACK.items() if re.search(use, value)]
            if new and name.strip() not in known:
                found += new
            elif not new:
                known.add(name.strip())
    return found
