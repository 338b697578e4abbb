"""Decisions: Cedar policies, use cases, keys."""

from __future__ import annotations

from headgate.policy.approvals import Approval, PolicyApprovals
from headgate.policy.baseline import Baseline, compile_baseline
from headgate.policy.decider import PolicyDecider
from headgate.policy.entities import ApiKey, CustomPolicy, KeyLimits, RegisteredPrincipal
from headgate.policy.jobs import load_snapshot, refresh
from headgate.policy.keys import Authenticated, KeyTerms, NewKey, authenticate, make_admin_key
from headgate.policy.sections import policy_sections
from headgate.policy.service import Check, Explanation, PolicyService, RuleView
from headgate.policy.snapshot import Snapshot, SnapshotHolder

__all__ = [
    "ApiKey",
    "Approval",
    "Authenticated",
    "Baseline",
    "Check",
    "CustomPolicy",
    "Explanation",
    "KeyLimits",
    "KeyTerms",
    "NewKey",
    "PolicyApprovals",
    "PolicyDecider",
    "PolicyService",
    "RegisteredPrincipal",
    "RuleView",
    "Snapshot",
    "SnapshotHolder",
    "authenticate",
    "compile_baseline",
    "load_snapshot",
    "make_admin_key",
    "policy_sections",
    "refresh",
]
