"""Finds secrets by the name before them, in assignments, fields and sentences.

The names are in several languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from headgate.guard.detectors._text import words
from headgate.guard.detectors._words import (
    is_joined,
    is_opaque,
    is_reference,
    is_said_to_be_made_up,
    is_stand_in,
    is_wordy,
    is_wordy_phrase,
    kinds,
)
from headgate.kernel.detection import Candidate, Hit, Pattern

_PASSES = r"pass(?:wd|words?|phrases?|wort|code)?|pwd?"
_OTHER_LANGUAGES = (
    r"kennwort|zugangscode|contrase\u00f1a|contrasenya|clave|senha|mot de passe|mdp|wachtwoord|l\u00f6senord(?:et)?|"
    r"adgangskode|passord|has\u0142o|heslo|parola|salasana|\u015fifre|jelsz\u00f3"
)
_OTHER_SCRIPTS = (
    r"\u043f\u0430\u0440\u043e\u043b\u044c|\u041f\u0430\u0440\u043e\u043b\u044c|\u041f\u0410\u0420\u041e\u041b\u042c|"
    r"\u5bc6\u7801|\u5bc6\u78bc|\u53e3\u4ee4|\u30d1\u30b9\u30ef\u30fc\u30c9|\u6697\u8a3c\u756a\u53f7|"
    r"\ube44\ubc00\ubc88\ud638|\u0643\u0644\u0645\u0629 \u0627\u0644(?:\u0645\u0631\u0648\u0631|\u0633\u0631)|"
    r"\u05e1\u05d9\u05e1\u05de\u05d4|\u03ba\u03c9\u03b4\u03b9\u03ba\u03cc\u03c2|\u092a\u093e\u0938\u0935\u0930\u094d\u0921"
)
_PASSWORDS = rf"{_PASSES}|{_OTHER_LANGUAGES}|{_OTHER_SCRIPTS}"
_SECRETS = r"secrets?|credentials?|creds|psk"
_TOKENS = r"tokens?|session(?:_?id)?|sessid|sid|dsn"
_KEYS = r"secret[_\-]key[_\-]base|client-key-data|(?:api|secret|access)[_\- ]?keys?|keys?"
_VALUE_OF = r",?\s{0,20}[\"']?value[\"']?[ ]{0,2}[:=]"
_SAID = r"\b(?:is|ist|lautet|are|est|es|was|to|jest)\b:?|\u3092|\u306f|\u662f|\u00e9|\u00e8|\u00e4r"
_SEPARATOR = rf"{_VALUE_OF}|,|=>|:=|\?=|==?|:|\||{_SAID}"
_NUMBER = r"(?:[_\-]?[0-9]{1,2})?"
_CLOSING = r"[\"'`\]*)]{0,3}"
_REST = r"[*]{0,2}[ \t]{0,8}(?:\r?\n[ \t]{1,8})?"
_WORD = rf"{_PASSWORDS}|{_SECRETS}|{_TOKENS}|{_KEYS}"
_GIVEN = re.compile(
    rf"(?P<word>{_WORD}){_NUMBER}{_CLOSING}(?:[ \t]{{0,8}}(?P<separator>{_SEPARATOR}){_REST}|[ \t]{{1,8}})",
    re.IGNORECASE,
)
_LONGEST_NAME = 64
_QUOTED = re.compile(
    r"[NnbrRuf@]{0,2}(?:\"((?:[^\"\\\r\n\x1c]|\\.){1,256})\"|'((?:[^'\\\r\n\x1c]|\\.){1,256})'|`([^`\r\n\x1c]{1,256})`)"
)
_BARE = re.compile(r"[^\s\"'`,;<>|\x1c]{1,512}")
_OTHER_SCRIPT = re.compile("[\u0530-\uffff]")
_NEXT_PARAMETER = re.compile(r"&(?:amp;)?[\w.\-\[\]%]{1,40}=")
_SPECIFIC = re.compile(
    r"(?:^|[\W_])(?:next|prev|previous|page|continuation|sync|pad|eos|bos|unk|sep|cls|mask|stop|end|start|max|min|num|total|csrf|"
    r"xsrf|cursor|cancellation|special|input|output|prompt|completion|first|last|new|nb|n|antiforgery|verification|middleware|change|request|idempotency)"
    r"[\W_]{0,2}(?:page)?[\W_]{0,2}$|csrf|xsrf",
    re.IGNORECASE,
)
_OPEN_KEY = re.compile(
    r"(?:^|[\W_])(?:public|pub|primary|foreign|sort|partition|cache|idempotency|routing|shard|group|object|storage|row|index|"
    r"hash|range|candidate|unique|composite|natural|surrogate|translation|i18n|dict|map|message|hot|short|arrow|function|"
    r"registry|issue|project|jira|kms|host|ssh|keyboard|answer|ec|music|search|lookup|order|item|document|doc|record|entity|"
    r"product|event|dedup|deduplication|s3|redis|column|config|setting|property|feature|flag|metric|json|xml|yaml|react|list|"
    r"access key id|the|a|any|this|no|each|which|per|turn)[\W_]{0,2}$",
    re.IGNORECASE,
)
_SCREAMING = re.compile(r"(?:^|.*\W)[A-Z][A-Z0-9]*+(?:_[A-Z0-9]++)+|(?:^|.*[\s;])[A-Z]{2}[A-Z0-9]*+")
_PAIR_NAME = re.compile(r"[/:]pass\w*$|\bcred(?:ential)?s$", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORDS_BETWEEN = frozenset(
    words(
        """
    is ist lautet are est es was to jest を は 是 é è är
    """
    )
)
_SESSION = frozenset({"session", "sessionid", "session_id", "sessid", "sid", "dsn"})


def utf8(regex: str) -> str:
    """Convert a regular expression over characters to one over UTF-8 bytes."""
    return regex.encode().decode("latin-1")


def _bytes(regex: str) -> str:
    return utf8(re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), regex))


def _pattern(name: str, words: str) -> Pattern:
    value = rf"{_NUMBER}{_CLOSING}[ \t]{{0,8}}(?:{_SEPARATOR}){_REST}[^\s\x1c]"
    return Pattern(f"assigned.{name}", _bytes(rf"(?:{words}){value}"), is_caseless=True, retry=3)


# Hyperscan matches several expressions faster than one alternation of all words.
PATTERNS = (
    _pattern("pass", _PASSES),
    _pattern("other", _OTHER_LANGUAGES),
    _pattern("scripts", _OTHER_SCRIPTS),
    _pattern("secret", _SECRETS),
    _pattern("token", _TOKENS),
    _pattern("key", _KEYS),
    Pattern(
        "following",
        _bytes(
            rf"(?:{_PASSWORDS}|{_SECRETS}|tokens?|(?:api|secret|access)[_\- ]?keys?)[\"'`*]{{0,2}}[ \t]{{1,8}}"
            r"(?:[\"'`]|[^\s\x1c]{0,60}[0-9])"
        ),
        is_caseless=True,
        retry=3,
    ),
    Pattern(
        "flag",
        r"--(?:[a-z\-]{0,30}-)?(?:pass(?:word|wd)?|token|secret|api-?key)[ \t]{1,4}[^\s\-\x1c]",
        is_caseless=True,
    ),
)
_FLAG = re.compile(r"--(?:[a-z\-]{0,30}-)?")


class _Value(NamedTuple):
    start: int
    end: int
    text: str
    is_quoted: bool


class _Given(NamedTuple):
    """A name and its value; `style` is `set`, `said`, `follows` or `flag`."""

    name: str
    word: str
    style: str
    separator: str
    value: _Value

    @property
    def is_screaming(self) -> bool:
        return self.separator in ("=", ":", ",") and _SCREAMING.fullmatch(self.name) is not None


def judge(candidate: Candidate) -> Iterable[Hit]:
    """Return the value after the name, if it is a secret and not a reference to one."""
    given = _given(candidate)
    if given is None or not _is_secret(given):
        return ()
    if is_said_to_be_made_up(candidate.text, given.value.end):
        return ()
    return (Hit(given.value.start, given.value.end, _kind(given), 0.75),)


def _kind(given: _Given) -> str:
    return "password" if _is(_PASSWORDS, given.word) or _is(_SECRETS, given.word) else "token"


def _given(candidate: Candidate) -> _Given | None:
    text, start = candidate.text, candidate.start
    if candidate.pattern == "flag" and (flag := _FLAG.match(text, start)) is not None:
        start = flag.end()
    found = _GIVEN.match(text, start, candidate.end + 8)
    if found is None:
        return None
    name = text[_name_start(text, start) : start] + found["word"]
    if not _begins_word(name, found["word"]):
        return None
    separator = (found["separator"] or "").lower()
    separator = separator.rstrip(":") if separator[:1].isalpha() else separator[-1:]
    name_start = start + len(found["word"]) - len(name)
    if (separator == ":" and "//" in name) or text[name_start - 2 : name_start] == "::":
        return None  # a user in a URL, or a scoped name
    value = _value(text, found.end(), separator, is_parameter=text[name_start - 1 : name_start] in ("?", "&"))
    if value is None or ("\n" in found.group() and separator != "" and kinds(value.text) < 3):
        return None
    return _Given(name, found["word"].lower(), _style(candidate, separator), separator, value)


def _name_start(text: str, at: int) -> int:
    """Return the start of the name around position `at`."""
    least = max(0, at - _LONGEST_NAME)
    while at > least and (text[at - 1].isalnum() or text[at - 1] in "_.-/$"):
        at -= 1
    return at


def _style(candidate: Candidate, separator: str) -> str:
    if candidate.pattern == "flag":
        return "flag"
    return "follows" if not separator else "said" if separator in _WORDS_BETWEEN else "set"


def _begins_word(name: str, word: str) -> bool:
    """Tell whether the keyword is a word of the name and not only some of its letters.

    It is a word of `dbPassword`, `DB_PASS` and `pgpassword`, but not of `compass`.
    """
    before = name[: -len(word)][-1:]
    if not before or not before.isalpha() or not before.isascii() or not word[0].isascii():
        return True
    if word[0].isupper() and before.islower():
        return True
    if word.isupper() and name.isupper():
        return word.lower() not in ("pw", "sid", "key", "keys")
    return word.lower().startswith(("passw", "passp")) or (name.lower().endswith(_GLUED) and word.islower())


_GLUED = (
    "authtoken",
    "accesstoken",
    "apitoken",
    "userpass",
    "dbpass",
    "rootpass",
    "mypass",
    "accesskey",
    "secretkey",
    "apikey",
    "apisecret",
    "clientsecret",
    "phpsessid",
    "jsessionid",
    "sessionid",
    "privatekey",
    "authkey",
    "bindpw",
    "rootpw",
    "dbpw",
    "dbpwd",
    "userpwd",
    "adminpwd",
    "bindpwd",
    "aspsessionid",
    "licensekey",
)


def _value(text: str, at: int, separator: str, *, is_parameter: bool) -> _Value | None:
    quoted = _QUOTED.match(text, at, at + 300)
    if quoted is not None:
        group = quoted.lastindex or 1
        return _Value(*quoted.span(group), quoted.group(group), is_quoted=True)
    bare = _BARE.match(text, at)
    if bare is None:
        return None
    value = bare.group().partition("#")[0] if is_parameter else bare.group()
    if value[:1].isascii() and (other := _OTHER_SCRIPT.search(value)) is not None:
        value = value[: other.start()]
    parameter = _NEXT_PARAMETER.search(value)
    if parameter is not None:
        value = value[: parameter.start()]
    value = value.rstrip(".)]}>" if separator not in _WORDS_BETWEEN else ".)]}>?:")
    return _Value(at, at + len(value), value, is_quoted=False)


def _is_secret(given: _Given) -> bool:
    value = given.value.text
    if len(value) < 4 or is_stand_in(value) or (not given.value.is_quoted and is_reference(value)):
        return False
    if _PAIR_NAME.search(given.name) and any(joint in value for joint in ":/"):
        return False  # a name and a password: the `pair` pattern finds the password alone
    if given.separator == "," and not (given.is_screaming and given.value.is_quoted):
        return False
    if " " in value and not given.name.lower().endswith("phrase"):
        return given.is_screaming and _is(_PASSWORDS, given.word) and kinds(value) >= 3 and value.count(" ") < 3
    if given.value.is_quoted and (is_reference(value) and not _is(_PASSWORDS, given.word)):
        return False
    if _letters(value) in _letters(given.name):
        return False  # a constant named after its value
    if given.style == "flag":
        return len(value) >= 4 and not value.startswith(("-", "$"))
    if given.style == "follows":
        return _is_said_to_be(given, value)
    if _is(_PASSWORDS, given.word):
        return _is_password(given, value)
    if _is(_SECRETS, given.word):
        return _is_password(given, value) and (given.is_screaming or not (is_wordy(value) and is_joined(value)))
    return _is_token(given, value)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _is_said_to_be(given: _Given, value: str) -> bool:
    """Tell whether a value after the keyword and a blank is a secret."""
    if given.value.is_quoted:
        return given.word != "pass" and kinds(value) >= 2 and len(value) >= 6 and not is_wordy(value)
    if _UUID.fullmatch(value) or (not _is(_PASSWORDS, given.word) and is_opaque(value, least=16)):
        return True
    return len(value) >= 8 and kinds(value) >= 3 and any(map(str.isdigit, value)) and not is_wordy_phrase(value)


def _is_password(given: _Given, value: str) -> bool:
    if value.isdigit():
        return len(value) >= 6 and _is(_PASSWORDS, given.word)
    if given.style == "said":
        if given.separator == "to" and given.word in ("pass", "pw", "pwd"):
            return False
        return len(value) >= 6 and kinds(value) >= 2 and any(map(str.isdigit, value)) and not is_wordy_phrase(value)
    if given.is_screaming:
        return len(value) >= 5 and not (is_wordy(value) and value.isupper() and "_" in value)
    if len(value) < 6 or (given.separator == "|" and kinds(value) < 3):
        return False
    if value.isalpha():
        return given.value.is_quoted and len(value) >= 8 and value.islower() and given.word.startswith("pass")
    if not any(map(str.isdigit, value)) and not given.value.is_quoted:
        return (not is_wordy(value) and kinds(value) >= 3) or (kinds(value) >= 2 and not is_wordy(value))
    if is_wordy(value) and ("_" in value or "." in value):
        return False
    return (
        kinds(value) >= 2 and not _is_numeronym(value) and (given.value.is_quoted or not _is_kebab_secret(given, value))
    )


def _is_numeronym(value: str) -> bool:
    return is_wordy(value) and not value[-1:].isdigit() and value.isalnum()


def _is_kebab_secret(given: _Given, value: str) -> bool:
    return _is(_SECRETS, given.word) and is_wordy(value) and (is_joined(value) or given.word.endswith("s"))


def _is_token(given: _Given, value: str) -> bool:
    before = given.name[: -len(given.word)]
    is_key = _is(_KEYS, given.word)
    if (
        _SPECIFIC.search(before)
        or (given.word == "sid" and before not in ("", "connect."))
        or (is_key and _OPEN_KEY.search(before))
    ):
        return False
    if value.isdigit():
        return len(value) >= 15 and given.style == "set" and bool(before)
    if _UUID.fullmatch(value):
        return not is_key or bool(re.search(r"api|secret|access|auth|token", before, re.IGNORECASE))
    if given.word in _SESSION:
        return is_opaque(value, least=16)
    if given.word in ("key", "keys") and not before:
        return given.style == "set" and is_opaque(value, least=20)
    return is_opaque(value, least=16 if is_key else 10)


def _is(words: str, word: str) -> bool:
    return re.fullmatch(words, word, re.IGNORECASE) is not None
