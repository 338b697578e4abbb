"""Reads the keys, teams and people of a LiteLLM proxy from its PostgreSQL database. Changes nothing there.

Source: `schema.prisma` of LiteLLM, tables LiteLLM_VerificationToken, LiteLLM_TeamTable and LiteLLM_UserTable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, LiteralString, cast

from headgate.moving_in.budgets import add_budget
from headgate.moving_in.move import Move
from headgate.substrate.foreign_database import read_tables

_KEYS: Final = "LiteLLM_VerificationToken"
_TEAMS: Final = "LiteLLM_TeamTable"
_USERS: Final = "LiteLLM_UserTable"
_TABLES: Final[dict[LiteralString, LiteralString]] = {_KEYS: "token", _TEAMS: "team_id", _USERS: "user_id"}
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NO_TEAM: Final = "imported"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of the tables; a column that this version of LiteLLM lacks is absent."""

    keys: Sequence[Row]
    teams: Sequence[Row]
    users: Sequence[Row]


def read_database(url: str) -> Found:
    """Read the tables.

    Raises:
        HeadgateError: as `read_tables`.
    """
    tables = read_tables(url, _TABLES)
    return Found(keys=tables[_KEYS], teams=tables[_TEAMS], users=tables[_USERS])


def read_keys(found: Found, move: Move, *, now: datetime, owner: str) -> None:
    """Add people, use cases and keys.

    Args:
        owner: the id of the person who owns what has no owner there.
    """
    people = {str(user["user_id"]): _person(user, move) for user in found.users}
    use_cases = {str(team["team_id"]): _use_case(team, move, people=people, owner=owner) for team in found.teams}
    aliases = move.ids("alias")
    for key in found.keys:
        about = f"key {key.get('key_alias') or key.get('key_name') or str(key.get('token'))[:8]}"
        if why := _left_out(key, now):
            move.note(about, why)
            continue
        team = str(key.get("team_id") or "")
        if team not in use_cases:
            use_cases[team] = _untitled(move, owner=owner)
        holder = people.get(str(key.get("user_id") or "")) or _program(key, move, owner=owner)
        _imported(key, move, about=about, holder=holder, use_case=use_cases[team], aliases=aliases)
    unpriced = [str(one["id"]) for one in move.tables.get("deployment", ()) if "price" not in one]
    if unpriced and any(one["unit"] == "money" for one in move.tables.get("budget", ())):
        why = "a budget of money refuses a model without a price"
        move.note("prices", f"{why}: unless `headgate prices` lists it, write that of {', '.join(unpriced)}.")


def _person(user: Row, move: Move) -> str:
    wish = str(user.get("user_email") or user["user_id"])
    if wish == "default_user_id":
        wish = "litellm-admin"
    added = move.free_id("person", wish) if wish in move.ids("person") else wish
    move.add("person", id=added, name=user.get("user_alias") or None)
    if user.get("user_role") in ("proxy_admin", "org_admin"):
        move.note(f"person {added}", "was an administrator there and has no role here; give roles in [[person]].")
    _budgets(user, move, scope=f"person:{added}", about=f"person {added}")
    return added


def _use_case(team: Row, move: Move, *, people: Mapping[str, str], owner: str) -> str:
    title = str(team.get("team_alias") or team["team_id"])
    added = move.free_id("use_case", title.lower())
    members = [people[str(one)] for one in cast("list[Any]", team.get("members") or []) if str(one) in people]
    admins = [people[str(one)] for one in cast("list[Any]", team.get("admins") or []) if str(one) in people]
    move.add(
        "use_case",
        id=added,
        title=title,
        owner=(admins or [owner])[0],
        purpose=f"Moved in from the LiteLLM team {title}",
        members=sorted({*members, *admins}),
        status="paused" if team.get("blocked") else None,
    )
    _budgets(team, move, scope=f"use_case:{added}", about=f"team {title}")
    return added


def _untitled(move: Move, *, owner: str) -> str:
    added = move.free_id("use_case", _NO_TEAM)
    move.add("use_case", id=added, owner=owner, purpose="Moved in from LiteLLM: keys without a team", members=[])
    return added


def _program(key: Row, move: Move, *, owner: str) -> str:
    added = move.free_id("person", str(key.get("key_alias") or f"program-{str(key['token'])[:8]}"))
    move.add("person", id=added, kind="service", owner=owner)
    return added


def _left_out(key: Row, now: datetime) -> str | None:
    if not _DIGEST.fullmatch(str(key.get("token"))):
        return "not moved: it is not stored as a SHA-256 digest."
    if key.get("blocked"):
        return "not moved: it is blocked."
    expires = key.get("expires")
    if isinstance(expires, datetime) and (expires if expires.tzinfo else expires.replace(tzinfo=UTC)) <= now:
        return "not moved: it has expired."
    return None


def _imported(key: Row, move: Move, *, about: str, holder: str, use_case: str, aliases: set[str]) -> None:
    models = [str(model) for model in cast("list[Any]", key.get("models") or [])]
    named = [model for model in models if model in aliases]
    # LiteLLM has words for "every model"; a key that lists only models that were not moved may call none.
    is_open = not models or any(model in ("all-proxy-models", "all-team-models") for model in models)
    if missing := sorted(set(models) - set(named) - {"all-proxy-models", "all-team-models"}):
        move.note(about, f"may not call {', '.join(missing)}: no alias has this name.")
    if not is_open and not named:
        move.note(about, "not moved: none of its models was moved.")
        return
    _budgets(key, move, scope=f"key:{str(key['token'])[:16]}", about=about)
    expires = key.get("expires")
    move.add(
        "imported_key",
        digest=f"sha256:{key['token']}",
        principal=holder,
        use_case=use_case,
        name=str(key.get("key_alias") or key.get("key_name") or ""),
        prefix="sk-",
        last_four=str(key.get("key_name") or "")[-4:],
        scopes=None if is_open else [f"alias:{name}" for name in named],
        expires=expires.date() if isinstance(expires, datetime) else None,
    )


def _budgets(row: Row, move: Move, *, scope: str, about: str) -> None:
    every = row.get("budget_duration")
    add_budget(move, scope=scope, about=about, limit=row.get("max_budget"), unit="money", every=every)
    add_budget(move, scope=scope, about=about, limit=row.get("tpm_limit"), unit="tokens", every="1m")
    add_budget(move, scope=scope, about=about, limit=row.get("rpm_limit"), unit="requests", every="1m")
    add_budget(move, scope=scope, about=about, limit=row.get("max_parallel_requests"), unit="concurrency")
