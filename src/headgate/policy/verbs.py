"""The verbs of policy: keys, use cases, rules and approvals."""

from __future__ import annotations

from headgate.admin.commands import ADMINISTER, command_verb

_OWN = {"own": bool}
_TERMS = {"own": bool, "member": bool, "days": int}

KEY_CREATE = command_verb("key.create", "write", "Make a key", ADMINISTER, attributes=_TERMS)
KEY_ROTATE = command_verb("key.rotate", "write", "Rotate a key", ADMINISTER, attributes=_TERMS)
KEY_SET_LIMITS = command_verb("key.set_limits", "write", "Change the limits of a key", ADMINISTER, attributes=_TERMS)
KEY_REVOKE = command_verb("key.revoke", "write", "Revoke a key", ADMINISTER, attributes=_OWN)
"""Rules see whether the key is the caller's own, whether the caller may use the use case of the key, and the days until
the key ends, rounded up; 0 for a key that does not end. For `key.set_limits` a key is the caller's own only if the
caller made it too, so that holders do not lift limits that an administrator gave."""

KEY_LIST = command_verb("key.list", "read", "See the keys", ADMINISTER, on="keys")
USE_CASE_PUT = command_verb("use_case.put", "write", "Register or change a use case", ADMINISTER)
USE_CASE_DELETE = command_verb("use_case.delete", "write", "Remove a use case", ADMINISTER)
USE_CASE_LIST = command_verb("use_case.list", "read", "See the use cases", ADMINISTER, on="use_cases")
USE_CASE_READ = command_verb(
    "use_case.read", "read", "See your own use cases", ADMINISTER, on="use_cases", attributes={"is_own": bool}
)
USE_CASE_SHARE = command_verb(
    "use_case.share",
    "write",
    "Add or remove members of a use case",
    ADMINISTER,
    attributes={"owner": str, "member": str},
)
USE_CASE_SET_STATUS = command_verb(
    "use_case.set_status",
    "write",
    "Pause or resume a use case",
    ADMINISTER,
    attributes={"owner": str, "status": str},
)
RULE_SET_MODE = command_verb("rule.set_mode", "write", "Set a rule to observe or enforce", ADMINISTER, on="use_case")
POLICY_LIST = command_verb("policy.list", "read", "See the rules", ADMINISTER, on="rules")
APPROVAL_LIST = command_verb("approval.list", "read", "See requests for approval", ADMINISTER, on="approvals")
APPROVAL_DECIDE = command_verb("approval.decide", "write", "Decide a request for approval", ADMINISTER)

VERBS = (
    KEY_CREATE,
    KEY_ROTATE,
    KEY_SET_LIMITS,
    KEY_REVOKE,
    KEY_LIST,
    USE_CASE_PUT,
    USE_CASE_DELETE,
    USE_CASE_LIST,
    USE_CASE_READ,
    USE_CASE_SHARE,
    USE_CASE_SET_STATUS,
    RULE_SET_MODE,
    POLICY_LIST,
    APPROVAL_LIST,
    APPROVAL_DECIDE,
)

_OLDER = (
    *("admin.read", "admin.write", "policy.check", "policy.put", "policy.delete"),
    *("person.put", "person.delete"),
    *("deployment.list", "deployment.put", "deployment.delete"),
)

OLDER_VERBS: dict[str, tuple[str, ...]] = dict.fromkeys(_OLDER, (ADMINISTER,))
"""Names of removed verbs that stored rules may contain."""
