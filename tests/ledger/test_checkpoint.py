"""Checkpoints: the published formats, strict reading, key rotation, and witnesses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.errors import Conflict, Corrupt, Invalid
from headgate.ledger.checkpoint import (
    WITNESS,
    Checkpoint,
    Note,
    SigningKey,
    VerifierKey,
    sign_checkpoint,
    verify_checkpoint,
)
from headgate.ledger.merkle import EMPTY_ROOT, hash_leaf

ORIGIN = "ledger.example.com/acme/eu"
KEY = SigningKey(ORIGIN, bytes(range(32)))
WITNESS_KEY = SigningKey("witness.example.net/w1", bytes(range(1, 33)), kind=WITNESS)
HEAD = Checkpoint(ORIGIN, 1, hash_leaf(b"first"))
NOTE = sign_checkpoint(HEAD, KEY)


def with_line(line: str) -> bytes:
    return NOTE + line.encode()


def test_a_signed_checkpoint_verifies_under_its_published_key() -> None:
    verified = verify_checkpoint(NOTE, keys=[VerifierKey.decode(KEY.verifier.encode())])
    assert verified.checkpoint == HEAD
    assert verified.signed_by == (KEY.verifier,)
    assert (verified.cosigned, verified.unknown_signatures) == ((), 0)


def test_the_text_has_the_lines_that_the_specification_gives_it() -> None:
    head = Checkpoint(ORIGIN, 0, EMPTY_ROOT, ("extension one",))
    assert head.body() == f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nextension one\n"
    assert Checkpoint.parse(head.body()) == head
    assert sign_checkpoint(head, KEY).startswith(head.body().encode() + "\n— ".encode() + ORIGIN.encode() + b" ")


@pytest.mark.parametrize(
    "vkey",
    [
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_verifier_keys_of_other_logs_are_read_and_their_ids_agree(vkey: str) -> None:
    assert VerifierKey.decode(vkey).encode() == vkey


def test_a_signature_made_by_another_implementation_verifies() -> None:
    """The published test vector of the Go implementation of signed notes."""
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = (
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    key = VerifierKey.decode("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = Note.parse(f"{text}\n{line}".encode())
    assert note.text == text
    assert note.signatures[0].key_id == key.key_id
    assert key.accepts(note.signatures[0].signature, text.encode())


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(NOTE) - 1), st.integers(1, 255))
def test_no_byte_of_a_signed_checkpoint_can_change(at: int, mask: int) -> None:
    bent = bytearray(NOTE)
    bent[at] ^= mask
    with pytest.raises(Corrupt):
        verify_checkpoint(bytes(bent), keys=[KEY.verifier])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes_are_refused_and_never_crash_the_reader(data: bytes) -> None:
    with pytest.raises(Corrupt):
        verify_checkpoint(data, keys=[KEY.verifier])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "origin\n1\n",
        f"{ORIGIN}\n01\n{'A' * 43}=\n",
        f"{ORIGIN}\n1\n{'A' * 42}B=\n",
        f"{ORIGIN}\n1\n{'A' * 43}=",
        f"{ORIGIN}\n-1\n{'A' * 43}=\n",
        f"{ORIGIN}\n{1 << 63}\n{'A' * 43}=\n",
        f"{ORIGIN}\n1\n{'A' * 43}=\n\nextension\n",
        f"{ORIGIN}\n0\n{'A' * 43}=\n",
        f"\n1\n{'A' * 43}=\n",
        f"{ORIGIN}\n١\n{'A' * 43}=\n",
        f"{ORIGIN}\n1\nAAAA\n",
    ],
)
def test_a_body_that_is_not_canonical_is_refused(body: str) -> None:
    with pytest.raises(Corrupt):
        Checkpoint.parse(body)


def test_signatures_by_unknown_keys_are_counted_and_prove_nothing() -> None:
    stranger = SigningKey(ORIGIN, bytes(32))
    verified = verify_checkpoint(with_line(stranger.sign(HEAD.body())), keys=[KEY.verifier])
    assert verified.unknown_signatures == 1
    with pytest.raises(Corrupt, match="No given key"):
        verify_checkpoint(NOTE, keys=[stranger.verifier])


def test_during_a_rotation_either_key_opens_the_checkpoint() -> None:
    new = SigningKey(ORIGIN, b"n" * 32)
    note = sign_checkpoint(HEAD, KEY, new)
    assert verify_checkpoint(note, keys=[KEY.verifier]).signed_by == (KEY.verifier,)
    assert verify_checkpoint(note, keys=[new.verifier]).signed_by == (new.verifier,)
    assert verify_checkpoint(note, keys=[new.verifier, KEY.verifier]).unknown_signatures == 0


def test_the_key_of_another_log_cannot_speak_for_this_one() -> None:
    other = SigningKey("ledger.example.com/other/eu", bytes(range(32)))
    with pytest.raises(Corrupt, match="No given key"):
        verify_checkpoint(sign_checkpoint(HEAD, other), keys=[other.verifier])


def test_a_known_key_with_a_failing_signature_spoils_the_whole_note() -> None:
    wrong = KEY.sign("another body\n")
    with pytest.raises(Corrupt, match="does not verify"):
        verify_checkpoint(with_line(wrong), keys=[KEY.verifier])


def test_a_witness_is_believed_when_its_key_is_given() -> None:
    note = with_line(WITNESS_KEY.cosign(HEAD.body(), time_s=1_700_000_000))
    verified = verify_checkpoint(note, keys=[KEY.verifier], witnesses=[WITNESS_KEY.verifier])
    assert [(seen.witness.name, seen.time_s) for seen in verified.cosigned] == [
        ("witness.example.net/w1", 1_700_000_000)
    ]
    assert verify_checkpoint(note, keys=[KEY.verifier]).cosigned == ()


@pytest.mark.parametrize("cut", [0, 30])
def test_a_bent_cosignature_by_a_known_witness_is_refused(cut: int) -> None:
    other = Checkpoint(ORIGIN, 2, bytes(32))
    line = WITNESS_KEY.cosign(other.body(), time_s=5)
    parsed = Note.parse(with_line(line)).signatures[1]
    assert len(parsed.signature) == 72
    if cut:
        line = WITNESS_KEY._line(parsed.signature[:-cut])
    with pytest.raises(Corrupt, match=r"witness\.example\.net"):
        verify_checkpoint(with_line(line), keys=[KEY.verifier], witnesses=[WITNESS_KEY.verifier])


def test_at_least_sixteen_signatures_are_read_and_too_many_are_not() -> None:
    strangers = [SigningKey(f"s{number}", bytes([number]) * 32) for number in range(64)]
    body = HEAD.body()
    assert (
        verify_checkpoint(
            with_line("".join(key.sign(body) for key in strangers[:63])), keys=[KEY.verifier]
        ).unknown_signatures
        == 63
    )
    with pytest.raises(Corrupt, match="1 to 64"):
        verify_checkpoint(with_line("".join(key.sign(body) for key in strangers)), keys=[KEY.verifier])
    with pytest.raises(Corrupt, match="larger"):
        verify_checkpoint(NOTE + b"x" * 200_000, keys=[KEY.verifier])


@pytest.mark.parametrize(
    "line", ["- name AAAAAAAA\n", "— na+me AAAAAAAA\n", "— name AAAA\n", "— name AAAAAAB=\n", "—\n"]
)
def test_a_malformed_signature_line_spoils_the_note(line: str) -> None:
    with pytest.raises(Corrupt, match="malformed"):
        verify_checkpoint(with_line(line), keys=[KEY.verifier])


@pytest.mark.parametrize(
    "vkey",
    ["", "name", "name+00000000+", KEY.verifier.encode()[:-1], KEY.verifier.encode().replace(ORIGIN, "x"), "a b+1+A"],
)
def test_a_mistyped_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises(Invalid):
        VerifierKey.decode(vkey)


def test_keys_stand_in_the_list_that_is_theirs() -> None:
    with pytest.raises(Invalid):
        verify_checkpoint(NOTE, keys=[])
    with pytest.raises(Invalid):
        verify_checkpoint(NOTE, keys=[WITNESS_KEY.verifier])
    with pytest.raises(Invalid):
        verify_checkpoint(NOTE, keys=[KEY.verifier], witnesses=[KEY.verifier])


def test_two_keys_that_cannot_be_told_apart_are_refused() -> None:
    twin = VerifierKey(ORIGIN, b"\x07" * 32)
    object.__setattr__(twin, "key_id", KEY.verifier.key_id)
    with pytest.raises(Conflict):
        verify_checkpoint(NOTE, keys=[KEY.verifier, twin])


def test_a_signing_key_never_shows_its_secret() -> None:
    assert repr(KEY) == f"SigningKey({KEY.verifier.encode()!r})"
    with pytest.raises(Invalid):
        SigningKey(ORIGIN, b"short")


@pytest.mark.parametrize(
    ("origin", "size", "root"), [("", 1, bytes(32)), ("a\nb", 1, bytes(32)), ("a", -1, bytes(32)), ("a", 1, b"")]
)
def test_a_checkpoint_that_could_not_be_read_back_cannot_be_made(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(Invalid):
        Checkpoint(origin, size, root)


@pytest.mark.parametrize(("name", "public_key"), [("", bytes(32)), ("a b", bytes(32)), ("a+b", bytes(32)), ("a", b"")])
def test_a_verifier_key_that_could_not_be_published_cannot_be_made(name: str, public_key: bytes) -> None:
    with pytest.raises(Invalid):
        VerifierKey(name, public_key)
