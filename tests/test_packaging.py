"""What pyproject.toml says to those who install, and to those who build. `distributions.py` checks the built files."""

from __future__ import annotations

import re
import tomllib

import pytest
from conftest import ROOT
from distributions import of_readme
from extras import USES

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
TOOLS = ("pytest", "mypy", "ruff", "hypothesis", "playwright", "basedpyright", "twine", "build", "flask", "pikepdf")


def names(requirements: list[object]) -> set[str]:
    return {re.split(r"[^\w-]", one)[0].lower() for one in requirements if isinstance(one, str)}


def test_nothing_that_only_developers_need_is_published() -> None:
    published = names(PROJECT["project"]["dependencies"]).union(*map(names, EXTRAS.values()))
    assert published & set(TOOLS) == set()
    assert set(TOOLS) <= set().union(*map(names, GROUPS.values()))


def test_the_extra_all_brings_all_others_and_each_has_a_use() -> None:
    [everything] = EXTRAS["all"]
    assert everything == f"sidebooks-core[{','.join(name for name in EXTRAS if name != 'all')}]"
    assert set(USES) == {*EXTRAS, "none"}


def test_the_name_that_is_installed_has_one_spelling() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "sidebooks_core").rglob("*.py")]
    told = [f"{page}: {line}" for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    assert [one for one in told if re.search(r"sidebooks_core\[[a-z]|pip install \S*sidebooks_core", one)] == []


def test_pages_name_extras_that_there_are() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "sidebooks_core").rglob("*.py")]
    told = {
        name
        for page in pages
        for named in re.findall(r"pip install [^\n`]*?\[([a-z,]+)\]", page.read_text(encoding="utf-8"))
        for name in named.split(",")
    }
    assert {"server", "all"} <= told <= set(EXTRAS)


@pytest.mark.parametrize(
    ("shown", "published"),
    [
        ("[a](docs/README.md)", "[a](SOURCE/blob/main/docs/README.md)"),
        ("![a\nb](docs/a.png)", "![a\nb](SOURCE/raw/main/docs/a.png)"),
        ("[a](https://a.example/b) [c](#d)", "[a](https://a.example/b) [c](#d)"),
    ],
)
def test_links_of_the_readme_are_absolute_where_the_package_is_shown(shown: str, published: str) -> None:
    for one in PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        shown = re.sub(one["pattern"], one["replacement"], shown)
    assert shown == published.replace("SOURCE", PROJECT["project"]["urls"]["Source"])


def test_a_readme_that_denies_the_release_is_not_released() -> None:
    assert len(of_readme("The package is on no\nindex so far: [why](https://sidebooks.example/a.md)")) == 2
    assert of_readme("Install it from the index: [how](https://books.example/a.md)") == []


def test_what_readers_of_the_pages_make_in_a_clone_gets_into_no_archive() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs" / "tutorial").glob("*.md"), ROOT / "docs" / "how-to" / "deploy" / "install.md"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    made = set(re.findall(r"--data ([\w-]+)|\.save\(\"([^\"/]+)\"\)|pip wheel .*-w (\w+)", text))
    names = {name for found in made for name in found if name}
    assert {"shelf", "town-hall", "cover.png", "wheels"} <= names
    ignored = set((ROOT / ".gitignore").read_text(encoding="utf-8").split())  # the build leaves out what git ignores
    assert {name for name in names if not {f"/{name}", f"/{name}/"} & ignored} == set()


def test_addresses_and_authors_stand_in_the_package() -> None:
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} == set(PROJECT["project"]["urls"])
    assert all("email" in one for one in PROJECT["project"]["authors"])
