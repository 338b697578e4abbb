"""The tree: against a plain recursive reference, and against the Merkle code of another project."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sigstore._internal import merkle as independent

from headgate.kernel.errors import Corrupt, Invalid
from headgate.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    TreeHead,
    hash_leaf,
    hash_leaves,
    prove_consistency,
    prove_inclusion,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)

SIZES = st.integers(1, 700)


def entries_of(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def reference_root(entries: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word as a recursion."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return sha256(b"\x01" + reference_root(entries[:split]) + reference_root(entries[split:])).digest()


class Memory:
    """A hash reader over entries held in memory."""

    def __init__(self, entries: list[bytes]) -> None:
        self._entries = entries

    def node(self, level: int, index: int) -> bytes:
        span = self._entries[index << level : (index + 1) << level]
        assert len(span) == 1 << level, "only complete subtrees have a name"
        return reference_root(span)


@pytest.mark.parametrize("size", [*range(35), 255, 256, 257, 1000])
def test_the_root_is_that_of_the_rfc_at_every_size(size: int) -> None:
    entries = entries_of(size)
    assert root_of(hash_leaves(entries)) == reference_root(entries)
    assert root_at(Memory(entries), size) == reference_root(entries)


def test_the_empty_tree_has_the_root_that_the_rfc_gives_it() -> None:
    assert (
        Frontier().root()
        == EMPTY_ROOT
        == bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=12))
def test_a_frontier_does_not_depend_on_how_the_leaves_were_batched(batches: list[int]) -> None:
    entries = entries_of(sum(batches))
    frontier, at = Frontier(), 0
    for batch in batches:
        frontier.extend(hash_leaves(entries[at : at + batch]))
        at += batch
        frontier = Frontier.from_bytes(frontier.to_bytes())
    assert frontier.head() == TreeHead(len(entries), reference_root(entries))
    assert Frontier.read(Memory(entries), len(entries)).to_bytes() == frontier.to_bytes()


def test_extending_returns_each_new_complete_subtree_once() -> None:
    entries, frontier = entries_of(600), Frontier()
    rows: dict[int, list[bytes]] = {}
    for start, stop in ((0, 3), (3, 255), (255, 260), (260, 600)):
        for level, row in enumerate(frontier.extend(hash_leaves(entries[start:stop]))):
            rows.setdefault(level, []).extend(row)
    memory = Memory(entries)
    for level, row in rows.items():
        assert row == [memory.node(level, index) for index in range(600 >> level)]


def test_a_copied_frontier_goes_its_own_way() -> None:
    frontier = Frontier()
    frontier.extend([hash_leaf(b"a")])
    twin = frontier.copy()
    twin.extend([hash_leaf(b"b")])
    assert (frontier.size, twin.size) == (1, 2)
    assert frontier.root() == hash_leaf(b"a")


@pytest.mark.parametrize("data", [b"", b"\x00" * 7, b"\x00" * 7 + b"\x01", b"\x80" + b"\x00" * 39])
def test_a_frontier_of_the_wrong_length_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        Frontier.from_bytes(data)


@settings(max_examples=150, deadline=None)
@given(SIZES, st.data())
def test_an_independent_verifier_accepts_our_inclusion_proofs(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    proof = prove_inclusion(Memory(entries), index=index, size=size)
    inner, border = independent._decomp_inclusion_proof(index, size)
    assert len(proof) == inner + border
    seed = independent._chain_inner(independent._hash_leaf(entries[index]), proof[:inner], index)
    assert independent._chain_border_right(seed, proof[inner:]) == reference_root(entries)


@settings(max_examples=150, deadline=None)
@given(SIZES, st.data())
def test_an_inclusion_proof_verifies_for_its_leaf_and_place_and_no_other(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    head = TreeHead(size, reference_root(entries))
    proof = prove_inclusion(Memory(entries), index=index, size=size)
    leaf = hash_leaf(entries[index])
    assert verify_inclusion(proof, leaf_hash=leaf, index=index, head=head)
    assert not verify_inclusion(proof, leaf_hash=hash_leaf(b"other"), index=index, head=head)
    other = data.draw(st.integers(-1, size))
    if other != index:
        assert not verify_inclusion(proof, leaf_hash=leaf, index=other, head=head)
    assert not verify_inclusion([*proof, leaf], leaf_hash=leaf, index=index, head=head)
    if proof:
        assert not verify_inclusion(proof[:-1], leaf_hash=leaf, index=index, head=head)
        assert not verify_inclusion([proof[0][:31], *proof[1:]], leaf_hash=leaf, index=index, head=head)


@settings(max_examples=150, deadline=None)
@given(SIZES, st.data())
def test_a_consistency_proof_verifies_and_a_bent_one_does_not(size: int, data: st.DataObject) -> None:
    old_size = data.draw(st.integers(0, size))
    entries = entries_of(size)
    old = TreeHead(old_size, reference_root(entries[:old_size]))
    new = TreeHead(size, reference_root(entries))
    proof = prove_consistency(Memory(entries), old_size=old_size, new_size=size)
    assert verify_consistency(proof, old=old, new=new)
    wrong = bytes(32)
    assert not verify_consistency(proof, old=TreeHead(old_size, wrong), new=new)
    if old_size:  # an empty tree is the beginning of every tree
        assert not verify_consistency(proof, old=old, new=TreeHead(size, wrong))
    assert not verify_consistency([*proof, wrong], old=old, new=new)
    if proof:
        assert not verify_consistency(proof[1:], old=old, new=new)
        assert not verify_consistency([wrong, *proof[1:]], old=old, new=new)
        assert not verify_consistency([b"short", *proof[1:]], old=old, new=new)


def test_a_smaller_tree_is_never_newer() -> None:
    entries = entries_of(9)
    with pytest.raises(Invalid):
        prove_consistency(Memory(entries), old_size=9, new_size=8)
    assert not verify_consistency([], old=TreeHead(2, bytes(32)), new=TreeHead(1, bytes(32)))


@pytest.mark.parametrize("index", [-1, 9])
def test_a_leaf_outside_of_the_tree_has_no_proof(index: int) -> None:
    with pytest.raises(Invalid):
        prove_inclusion(Memory(entries_of(9)), index=index, size=9)


def test_a_consistency_proof_without_hashes_shows_nothing_between_uneven_trees() -> None:
    assert not verify_consistency([], old=TreeHead(3, bytes(32)), new=TreeHead(5, bytes(32)))
