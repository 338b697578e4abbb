"""Rules: Cedar policies with annotations that give a match its meaning.

Cedar itself only permits or forbids. Cedar ignores these annotations, and Headgate reads them:

    @id("use-case-expired")         the rule's name: unique, lower case, in every record of a decision with a match
    @reason("...")                  one sentence for refused callers, required
    @mode("observe")                only records its effect; `always`: no use case may set it to observe
    @does("ask")                    on a forbid: asks for a person's approval, and does not refuse
    @duty("mask") @categories("pii,pci")     on a permit: an obligation when the rule matches; also
    @duty("restrict") @custody("organisation"), @duty("cap") @output_tokens("512"), @duty("log") @level("masked")
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, cast

import cedarpy

from headgate.kernel.action import Verb
from headgate.kernel.decision import NO_OBLIGATIONS, LogLevel, Obligations
from headgate.kernel.errors import Conflict, Invalid, TooLarge
from headgate.kernel.labels import Custody

Does = Literal["deny", "ask", "allow", "duty"]
RuleMode = Literal["enforce", "observe", "always"]

MAX_TEXT_CHARS = 256_000
MAX_RULES = 1_000
# Cedar's parser recurses without a limit and crashes the process (at a depth of 2,000). These limits are checked
# before parsing and stay far below that depth.
MAX_RULE_CHARS = 4_000
MAX_DEPTH = 24

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]')
_MAX_NESTING = 127
"""Limit of the engine for a rule as JSON. Each step, such as one more `&&`, takes two levels."""

_TOKEN = re.compile(r'//[^\n\r]*|"(?:[^"\\]|\\.)*"|[(\[{]|[)\]}]|;', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rule:
    """One parsed policy.

    Args:
        does: effect of a match.
        mode: `observe` only records; `always` cannot be set to observe.
        reason: one sentence for people.
        text: the policy in Cedar's own format, without comments.
        source: the baseline or policy with the rule.
        obligations: obligations of a duty.
        condition: the policy in Cedar's JSON form, for the engine.
    """

    id: str
    does: Does
    mode: RuleMode
    reason: str
    text: str
    source: str
    obligations: Obligations = NO_OBLIGATIONS
    condition: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)


def read_rules(text: str, *, source: str) -> tuple[Rule, ...]:
    """Parse the rules of a Cedar text, in order.

    Raises:
        Invalid: it does not parse, or an annotation is missing, unknown or malformed; names rule and source.
        TooLarge: the text is too long or too deep, or has too many rules.
        Conflict: two rules have the same id.
    """
    _refuse_unbounded(text, source)
    rules: dict[str, Rule] = {}
    for policy in _parsed(text, source):
        rule = _rule(policy, source)
        if rule.id in rules:
            raise Conflict(f"{source}: two rules have the id {rule.id}; rename one", param=source)
        rules[rule.id] = rule
    return tuple(rules.values())


def validate(text: str, schema: cedarpy.Schema, *, source: str) -> None:
    """Check a Cedar text against the schema: every attribute exists, and `has` guards optional ones.

    Raises:
        Invalid: the message names each rule at fault, with the fault.
    """
    result = cedarpy.validate_policies(text, schema)
    if result.validation_passed:
        return
    names = cast("dict[str, str]", result.id_annotations_by_policy_id)
    # Cedar repeats a fault for each type of resource, so the first of each rule is enough.
    faults: dict[str, str] = {}
    for error in result.errors:
        rule = names.get(error.policy_id, error.policy_id) or "the text"
        faults.setdefault(rule, error.error.removeprefix(f"for policy `{error.policy_id}`, "))
    raise Invalid(f"{source}: {'; '.join(f'{rule}: {why}' for rule, why in [*faults.items()][:10])}", param=source)


def checked_rules(text: str, schema: cedarpy.Schema, *, source: str) -> tuple[Rule, ...]:
    """Read rules and check them against the schema; raises as `read_rules` and `validate` do."""
    rules = read_rules(text, source=source)
    validate(text, schema, source=source)
    return rules


def roles_of(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the roles in the rules. Any other role grants nothing."""
    return frozenset(role for rule in rules for role in _roles_in(rule.condition))


def roles_permitting(verb: Verb[Any, Any, Any], rules: Iterable[Rule]) -> frozenset[str]:
    """Return the roles that permits of a verb name. Other conditions of the permit may still refuse."""
    names = {verb.name, *verb.groups}
    return roles_of(rule for rule in rules if rule.does == "allow" and names & _actions_of(rule))


def _actions_of(rule: Rule) -> frozenset[str]:
    """Return the verbs and groups of verbs that a rule's scope names; none where it holds for every action."""
    scope = rule.condition["action"]
    entities = scope.get("entities") or [scope.get("entity", {})]
    return frozenset(entity.get("id", "") for entity in entities)


def _roles_in(node: Any) -> Iterator[str]:
    """Yield the role names in conditions such as `principal.roles.contains("admin")` below a JSON node."""
    if isinstance(node, Mapping):
        for name, test in cast("Mapping[str, Any]", node).items():
            if name in ("contains", "containsAny", "containsAll") and test["left"].get(".", {}).get("attr") == "roles":
                yield from _texts(test["right"])
    for below in _below(node):
        yield from _roles_in(below)


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for below in _below(node):
        yield from _texts(below)


def _below(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return cast("dict[str, Any]", node).values()
    return cast("list[Any]", node) if isinstance(node, list) else ()


def _refuse_unbounded(text: str, source: str) -> None:
    if len(text) > MAX_TEXT_CHARS:
        raise TooLarge(f"{source} is longer than {MAX_TEXT_CHARS} characters; split it", param=source)
    depth, start, rules, comments = 0, 0, 0, 0
    for token in _TOKEN.finditer(text):
        match token.group()[0]:
            case "(" | "[" | "{":
                depth += 1
            case ")" | "]" | "}":
                depth -= 1
            case "/":
                # Comments do not count towards the size of a rule.
                comments += token.end() - token.start()
            case ";":
                rules += 1
                _refuse_long(token.end() - start - comments, source, rules)
                start, comments = token.end(), 0
            case _:
                continue
        if depth > MAX_DEPTH or rules > MAX_RULES:
            raise TooLarge(
                f"{source} has brackets deeper than {MAX_DEPTH} or more than {MAX_RULES} rules; split it", param=source
            )
    _refuse_long(len(text) - start - comments, source, rules + 1)


def _refuse_long(size_chars: int, source: str, number: int) -> None:
    if size_chars > MAX_RULE_CHARS:
        raise TooLarge(f"{source}: rule number {number} is longer than {MAX_RULE_CHARS} characters", param=source)


def _parsed(text: str, source: str) -> Iterator[dict[str, Any]]:
    try:
        written = cedarpy.policies_to_json_str(text)
        if _nesting(written) > _MAX_NESTING:
            raise TooLarge(f"{source} has an expression with too many steps; split the rule", param=source)
        document = json.loads(written)
        if document["templates"]:
            raise Invalid(f"{source}: policies with ?principal or ?resource are not supported; name them", param=source)
        # The names are policy0, policy1, ... in the order of the text.
        policies = sorted(document["staticPolicies"].items(), key=lambda item: int(item[0].removeprefix("policy")))
        for _, policy in policies:
            # Compiles each policy once, so that an error names the policy.
            cedarpy.PolicySet.from_json_str(cedar_json({"rule": policy}))
            yield policy
    except ValueError as exc:
        raise Invalid(f"{source} is not valid Cedar: {exc}"[:500], param=source) from exc


def _nesting(document: str) -> int:
    """Return the nesting depth of a JSON text, without recursion."""
    depth = deepest = 0
    for token in _JSON_TOKEN.finditer(document):
        match token.group()[0]:
            case "[" | "{":
                depth += 1
                deepest = max(deepest, depth)
            case "]" | "}":
                depth -= 1
            case _:
                continue
    return deepest


def cedar_json(policies: Mapping[str, Mapping[str, Any]]) -> str:
    """Encode policies by id in Cedar's JSON form."""
    return json.dumps({"staticPolicies": policies, "templates": {}, "templateLinks": []})


def _rule(policy: dict[str, Any], source: str) -> Rule:
    annotations: dict[str, str] = {key: value or "" for key, value in policy.get("annotations", {}).items()}
    name = annotations.pop("id", "")
    if not _ID.fullmatch(name):
        raise Invalid(
            f"{source}: a {policy['effect']} has no @id, or one that is not lower case letters, digits, '.', '_', '-': "
            f"{name!r}",
            param=source,
        )
    where = f"{source}: rule {name}"
    reason = annotations.pop("reason", "").strip()
    if not reason:
        raise Invalid(f"{where} has no @reason; add one sentence for refused callers", param=source)
    mode = _one_of(annotations.pop("mode", "enforce"), ("enforce", "observe", "always"), where, "@mode")
    does, obligations = _meaning(policy["effect"], annotations, where)
    if annotations:
        raise _unknown(next(iter(annotations)), ("id", "reason", "mode", "does", "duty", *_DETAILS), where)
    return Rule(
        id=name,
        does=does,
        mode=cast("RuleMode", mode),
        reason=reason,
        text=cedarpy.format_policies(cedarpy.policies_from_json_str(cedar_json({"rule": policy})), 100).strip(),
        source=source,
        obligations=obligations,
        condition=policy,
    )


def _meaning(effect: str, annotations: dict[str, str], where: str) -> tuple[Does, Obligations]:
    """Remove `@duty`, `@does` and their details from `annotations` and return their meaning."""
    duty, does = annotations.pop("duty", None), annotations.pop("does", None)
    if duty is not None:
        if effect != "permit" or does is not None:
            raise Invalid(f"{where}: a duty must be a permit without @does", param="@duty")
        return "duty", _obligations(duty, annotations, where)
    if does is not None:
        _one_of(does, ("ask",), where, "@does")
        if effect != "forbid":
            raise Invalid(f'{where}: @does("ask") needs a forbid, not a permit', param="@does")
        return "ask", NO_OBLIGATIONS
    return ("allow" if effect == "permit" else "deny"), NO_OBLIGATIONS


def _obligations(duty: str, annotations: dict[str, str], where: str) -> Obligations:
    _one_of(duty, tuple(_DUTIES), where, "@duty")
    detail, make = _DUTIES[duty]
    value = annotations.pop(detail, "").strip()
    made = make(value)
    if made is None:
        raise Invalid(f'{where}: @duty("{duty}") needs {_DETAILS[detail]}, not {value!r}', param=f"@{detail}")
    return made


def _mask(value: str) -> Obligations | None:
    words = frozenset(word.strip() for word in value.split(",") if word.strip())
    return Obligations(mask=words) if words else None


def _restrict(value: str) -> Obligations | None:
    return Obligations(restrict=Custody.ORGANISATION) if value == "organisation" else None


def _cap(value: str) -> Obligations | None:
    is_count = value.isascii() and value.isdigit() and 0 < len(value) < 10 and int(value) > 0
    return Obligations(cap_output_tokens=int(value)) if is_count else None


def _log(value: str) -> Obligations | None:
    levels = {level.name.lower(): level for level in LogLevel}
    return Obligations(log=levels[value]) if value in levels else None


_DUTIES: Mapping[str, tuple[str, Callable[[str], Obligations | None]]] = {
    "mask": ("categories", _mask),
    "restrict": ("custody", _restrict),
    "cap": ("output_tokens", _cap),
    "log": ("level", _log),
}
_DETAILS: Mapping[str, str] = {
    "categories": '@categories("...") with categories separated by commas',
    "custody": '@custody("organisation")',
    "output_tokens": '@output_tokens("...") with a whole number above 0',
    "level": '@level("full"), ("masked") or ("none")',
}


def _one_of(value: str, known: tuple[str, ...], where: str, what: str) -> str:
    if value in known:
        return value
    nearest = get_close_matches(value, known, n=1)
    hint = f", did you mean {nearest[0]}?" if nearest else ""
    raise Invalid(f"{where}: {what} must be one of {', '.join(known)}; not {value!r}{hint}", param=what)


def _unknown(name: str, known: tuple[str, ...], where: str) -> Invalid:
    nearest = get_close_matches(name, known, n=1)
    hint = f"did you mean @{nearest[0]}?" if nearest else f"known are {', '.join('@' + word for word in known)}"
    return Invalid(f"{where}: @{name} is unknown or not allowed here: {hint}", param=f"@{name}")
