"""Access: who asks (principals), what they may do (operations, policies), how they come in, and the audit. It knows no HTTP."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import ALLOW, DENY, Decision, FolderPolicy, Grant, Limits, Policy, Resource
from sidebooks_core.access.principals import CITIZEN, HOUSE, Principal, Role

if TYPE_CHECKING:
    from sidebooks_core.access.access import Access
    from sidebooks_core.access.audit import OPENED
    from sidebooks_core.access.model import (
        UNKNOWN,
        AccessLimits,
        AuditRow,
        Clock,
        Link,
        PaperReader,
        Person,
        PersonChanges,
        Session,
        SignedAddress,
        Unknown,
        What,
    )
    from sidebooks_core.access.proxy import ProxyRules
    from sidebooks_core.access.proxy import principal_of as principal_of_proxy
    from sidebooks_core.access.qr import svg_of

_LATER = {
    **dict.fromkeys(
        (
            "UNKNOWN",
            "AccessLimits",
            "AuditRow",
            "Clock",
            "Link",
            "PaperReader",
            "Person",
            "PersonChanges",
            "Session",
            "SignedAddress",
            "Unknown",
            "What",
        ),
        "model",
    ),
    "Access": "access",
    "OPENED": "audit",
    "ProxyRules": "proxy",
    "principal_of_proxy": "proxy",
    "svg_of": "qr",
}
"""Names that are loaded when they are used: a policy needs no database."""

__all__ = [
    "ALLOW",
    "CITIZEN",
    "DENY",
    "HOUSE",
    "OPENED",
    "UNKNOWN",
    "Access",
    "AccessLimits",
    "AuditRow",
    "Clock",
    "Decision",
    "FolderPolicy",
    "Grant",
    "Limits",
    "Link",
    "Operation",
    "PaperReader",
    "Person",
    "PersonChanges",
    "Policy",
    "Principal",
    "ProxyRules",
    "Resource",
    "Role",
    "Session",
    "SignedAddress",
    "Unknown",
    "What",
    "principal_of_proxy",
    "svg_of",
]


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_LATER[name]}")
    return getattr(module, "principal_of" if name == "principal_of_proxy" else name)
