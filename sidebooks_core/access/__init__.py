"""Access: who asks (principals), what they may do (operations, policies), and how they come in. It knows no HTTP."""

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import ALLOW, DENY, Decision, FolderPolicy, Grant, Limits, Policy, Resource
from sidebooks_core.access.principals import CITIZEN, HOUSE, Principal, Role

__all__ = [
    "ALLOW",
    "CITIZEN",
    "DENY",
    "HOUSE",
    "Decision",
    "FolderPolicy",
    "Grant",
    "Limits",
    "Operation",
    "Policy",
    "Principal",
    "Resource",
    "Role",
]
