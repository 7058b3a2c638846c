"""How hard a page is to read: the automated readability index (ARI) of its prose, in school years.

ARI counts letters, words and sentences, so it needs no dictionary of syllables. What is no prose is left out: code, tables,
headings, addresses, names in backquotes, words that are not of Latin letters.
"""

from __future__ import annotations

import re

import textstat

LEFT_OUT = [
    (re.compile(r"^(```|~~~).*?^\1$", re.S | re.M), "\n\n"),  # code
    (re.compile(r"^ +```.*?^ +```$", re.S | re.M), "\n\n"),  # code in a list
    (re.compile(r"^\|.*$", re.M), "\n"),  # tables
    (re.compile(r"^#+ .*$", re.M), "\n"),  # headings
    (re.compile(r"^!!! .*$", re.M), "\n"),  # titles of boxes
    (re.compile(r"^\[[^\]]+\]: .*$", re.M), "\n"),  # targets of links
    (re.compile(r"!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])"), " "),  # images
    (re.compile(r"<!--.*?-->", re.S), " "),
]
LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
NAME = re.compile(r"`[^`]+`")
ADDRESS = re.compile(r"https?://\S+")
FOREIGN = re.compile(r"[^\x00-\x7f\u2010-\u201f\u2026]+")
NEW_ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.) ", re.M)


def prose(page: str) -> str:
    """The sentences of a page in Markdown, a paragraph or an item of a list on each line, each with an end."""
    for pattern, instead in LEFT_OUT:
        page = pattern.sub(instead, page)
    page = LINK.sub(r"\1", page)
    for pattern in (NAME, ADDRESS, FOREIGN):
        page = pattern.sub(" ", page)
    page = NEW_ITEM.sub("\n\n", page).replace("*", "").replace("_", " ")
    found = []
    for paragraph in re.split(r"\n\s*\n", page):
        text = re.sub(r"\s+", " ", paragraph).strip()
        text = re.sub(r"[:;](?= [A-Z])", ".", text)
        text = re.sub(r" ([.,;:)])", r"\1", text).rstrip(":;,. …") + "."
        if len(re.findall(r"[A-Za-z]{2,}", text)) >= 4:  # fewer are no sentence
            found.append(text)
    return "\n".join(found)


def ari(page: str) -> float:
    """The index of the prose of a page."""
    return float(textstat.automated_readability_index(prose(page)))
