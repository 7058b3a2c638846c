"""Principals from a trusted proxy's headers, and pictures of addresses."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from sidebooks_core.access import Principal, ProxyRules, principal_of_proxy, svg_of
from sidebooks_core.errors import RequestError

RULES = ProxyRules(("10.0.0.5", "192.0.2.0/24", "2001:db8::/32"), roles={"staff": "clerk", "it": "admin"})
HEADERS = [("host", "books.example"), ("x-remote-user", "Sato"), ("X-Remote-Groups", "staff, 議会 ,")]


def test_a_proxy_names_somebody() -> None:
    expected = Principal("proxy-sato", "Sato", "clerk", groups=frozenset({"staff", "議会"}))
    for peer in ("10.0.0.5", "192.0.2.200", "2001:db8::1", "::ffff:10.0.0.5", "2001:db8::1%eth0"):
        assert principal_of_proxy(HEADERS, peer, RULES) == expected


@pytest.mark.parametrize("peer", ["10.0.0.6", "192.0.3.1", "::1", "", "a socket", "10.0.0.5, 10.0.0.6", "::ffff:10.0.0.6"])
def test_nobody_else_is_believed(peer: str) -> None:
    assert principal_of_proxy(HEADERS, peer, RULES) is None


def test_without_a_network_nobody_is_believed() -> None:
    assert principal_of_proxy(HEADERS, "127.0.0.1", ProxyRules(())) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("x-remote-user", "")],
        [("x-remote-user", "  ")],
        [("x-remote-user", "a\x00b")],
        [("x-remote-user", "sato"), ("X-Remote-User", "admin")],
        [("x-remote-user", "sato"), ("x-remote-groups", "a"), ("x-remote-groups", "it")],
        [("x_remote_user", "sato")],
    ],
)
def test_headers_that_name_nobody(headers: list[tuple[str, str]]) -> None:
    assert principal_of_proxy(headers, "10.0.0.5", RULES) is None


@pytest.mark.parametrize(("groups", "role"), [("", "member"), ("hall", "member"), ("staff", "clerk"), ("staff,it", "admin")])
def test_the_strongest_group_counts(groups: str, role: str) -> None:
    found = principal_of_proxy([("x-remote-user", "sato"), ("x-remote-groups", groups)], "10.0.0.5", RULES)
    assert found is not None
    assert found.role == role


def test_the_headers_can_have_other_names() -> None:
    rules = ProxyRules(("10.0.0.5",), name_header="Remote-Email", groups_header="Remote-Roles", role="citizen")
    found = principal_of_proxy([("remote-email", "A@B"), ("remote-roles", "x"), ("x-remote-user", "y")], "10.0.0.5", rules)
    assert found == Principal("proxy-a@b", "A@B", "citizen", groups=frozenset({"x"}))


@pytest.mark.parametrize("network", ["10.0.0.1/24", "x", "10.0.0.0/33", ""])
def test_what_is_no_network(network: str) -> None:
    with pytest.raises(RequestError, match="no network"):
        ProxyRules((network,))


def test_a_picture_of_an_address() -> None:
    picture = svg_of("https://books.example/#join=" + "A" * 43)
    root = ElementTree.fromstring(picture)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert re.fullmatch(r"0 0 (\d+) \1", root.attrib["viewBox"])
    assert picture == svg_of("https://books.example/#join=" + "A" * 43)
    assert picture != svg_of("https://books.example/#join=" + "B" * 43)
    with pytest.raises(RequestError, match="too long"):
        svg_of("x" * 501)


def test_a_missing_library_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(RequestError, match=r"pip install 'sidebooks-core\[server\]'"):
        svg_of("x")
