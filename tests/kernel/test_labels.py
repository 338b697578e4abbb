"""The laws of the lattice, and its form in a header."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from headgate.kernel.errors import Invalid
from headgate.kernel.labels import (
    BOTTOM,
    EMPTY,
    EVERYTHING,
    Clearance,
    Confidentiality,
    Custody,
    Integrity,
    Labels,
    parse_labels,
    pseudonymous,
)

WORDS = st.frozensets(st.sampled_from(["a", "b", "c", "pii", "pii_pseudonymous", "phi"]), max_size=4)
LEVELS, CUSTODY, INTEGRITY = (st.sampled_from(kind) for kind in (Confidentiality, Custody, Integrity))
AGES = st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
LABELS = st.builds(
    Labels,
    tenant=st.sampled_from([None, "acme"]),
    confidentiality=LEVELS,
    categories=WORDS,
    readers=WORDS,
    purposes=st.none() | WORDS,
    regions=st.none() | WORDS,
    custody=CUSTODY,
    integrity=INTEGRITY,
    as_of=AGES,
)
CLEARANCES = st.builds(
    Clearance,
    tenant=st.sampled_from([None, "acme", "globex"]),
    level=LEVELS,
    categories=st.none() | WORDS,
    access=st.none() | WORDS,
    purposes=WORDS,
    regions=WORDS,
    custody=CUSTODY,
    least_integrity=INTEGRITY,
    not_before=AGES,
)
quickly = settings(max_examples=150, deadline=None)


@quickly
@given(LABELS, LABELS, LABELS)
def test_join_is_associative(a: Labels, b: Labels, c: Labels) -> None:
    assert a.join(b).join(c) == a.join(b.join(c))


@quickly
@given(LABELS, LABELS)
def test_join_is_commutative(a: Labels, b: Labels) -> None:
    assert a.join(b) == b.join(a)


@quickly
@given(LABELS)
def test_join_is_idempotent_and_bottom_is_neutral(a: Labels) -> None:
    assert a.join(a) == a.join(replace(a)) == a
    assert a.join(BOTTOM) == BOTTOM.join(a) == a.join(Labels()) == Labels().join(a) == a


@quickly
@given(LABELS, LABELS)
def test_content_of_two_tenants_is_never_joined(a: Labels, b: Labels) -> None:
    with pytest.raises(Invalid, match="two tenants"):
        replace(a, tenant="acme").join(replace(b, tenant="globex"))


@quickly
@given(LABELS, LABELS, CLEARANCES)
def test_what_is_less_labelled_flows_at_least_as_far(a: Labels, b: Labels, clearance: Clearance) -> None:
    above = a.join(b)
    if above.flows_to(clearance):
        assert a.flows_to(clearance)
        assert b.flows_to(clearance)


@quickly
@given(LABELS, CLEARANCES)
def test_labels_flow_exactly_where_nothing_stands_in_the_way(labels: Labels, clearance: Clearance) -> None:
    assert labels.flows_to(clearance) is (labels.obstacles(clearance) == ())


def test_nothing_flows_where_no_region_is_left() -> None:
    nowhere = Labels(regions=frozenset({"eu"})).join(Labels(regions=frozenset({"us"})))
    assert nowhere.regions == EMPTY
    assert not nowhere.flows_to(Clearance(regions=EMPTY))
    assert not nowhere.flows_to(Clearance(regions=frozenset({"eu"})))


@quickly
@given(LABELS)
def test_a_place_about_which_nothing_was_said_takes_only_public_content_without_categories(labels: Labels) -> None:
    if labels.flows_to(Clearance()):
        assert labels.confidentiality is Confidentiality.PUBLIC
        assert not labels.categories
        assert not labels.readers
        assert labels.purposes is None
        assert labels.regions is None
        assert labels.custody is Custody.ANY


@pytest.mark.parametrize(
    ("labels", "clearance", "why"),
    [
        (Labels(tenant="acme"), Clearance(tenant="globex"), "it belongs to another tenant"),
        (Labels(confidentiality=Confidentiality.INTERNAL), Clearance(), "it is internal, the clearance is public"),
        (Labels(categories=frozenset({"pii", "phi"})), Clearance(), "not cleared for phi, pii"),
        (Labels(readers=frozenset({"hr"})), Clearance(), "not on access list hr"),
        (Labels(purposes=frozenset({"care"})), Clearance(), "it may not be used for that purpose"),
        (Labels(regions=frozenset({"eu"})), Clearance(), "it may not be processed in that region"),
        (Labels(custody=Custody.ORGANISATION), Clearance(), "it must stay on the organisation's own machines"),
        (
            Labels(integrity=Integrity.UNTRUSTED),
            Clearance(least_integrity=Integrity.TRUSTED),
            "it comes from an untrusted source",
        ),
        (
            Labels(as_of=datetime(2025, 1, 1, tzinfo=UTC)),
            Clearance(not_before=datetime(2026, 1, 1, tzinfo=UTC)),
            "its evidence is too old",
        ),
    ],
)
def test_an_obstacle_is_named_in_plain_words(labels: Labels, clearance: Clearance, why: str) -> None:
    assert labels.obstacles(clearance) == (why,)


def test_content_flows_where_every_use_and_region_of_the_place_is_one_of_its_own() -> None:
    labels = Labels(purposes=frozenset({"care", "billing"}), regions=frozenset({"eu", "ch"}))
    assert labels.flows_to(Clearance(purposes=frozenset({"care"}), regions=frozenset({"eu"})))
    assert not labels.flows_to(Clearance(purposes=frozenset({"care", "ads"}), regions=frozenset({"eu"})))


@quickly
@given(LABELS, WORDS)
def test_masking_never_turns_a_category_into_nothing(labels: Labels, categories: frozenset[str]) -> None:
    masked = labels.masked(categories)
    for category in labels.categories:
        assert (pseudonymous(category) if category in categories else category) in masked.categories
    assert replace(masked, categories=EMPTY) == replace(labels, categories=EMPTY)
    assert bool(masked.categories) is bool(labels.categories)


@pytest.mark.parametrize(
    ("category", "left"),
    [("pii", "pii_pseudonymous"), ("secret", "secret_masked"), ("salary", "salary_pseudonymous")],
)
def test_a_masked_category_leaves_its_pseudonymous_form(category: str, left: str) -> None:
    assert Labels(categories=frozenset({category})).masked(frozenset({category})).categories == {left}


def test_masking_what_is_not_there_changes_nothing() -> None:
    labels = Labels(categories=frozenset({"pii"}))
    assert labels.masked(frozenset({"phi"})) is labels


@quickly
@given(LABELS, WORDS)
def test_raising_categories_only_adds(labels: Labels, categories: frozenset[str]) -> None:
    raised = labels.with_categories(categories)
    assert raised.categories == labels.categories | categories
    assert raised == labels.join(raised)


@quickly
@given(LABELS)
def test_labels_survive_the_header_except_tenant_and_age(labels: Labels) -> None:
    assert parse_labels(str(labels)) == replace(labels, tenant=None, as_of=None)


def test_no_tenant_is_ever_read_from_a_header() -> None:
    with pytest.raises(Invalid, match="'tenant' is unknown"):
        parse_labels("tenant=globex")


@pytest.mark.parametrize(
    "text",
    [
        "confidentiality",
        "confidentiality=",
        "confidentiality=secret",
        "confidentiality=public,restricted",
        "confidentiality=public; confidentiality=restricted",
        "custody=mine",
        "integrity=very",
        "colour=red",
        "=pii",
        "categories=pii" + "," * 5000,
        "categories=a\r\nset-cookie: x",
        "categories=pii\x00",
        "readers=h\u00e9",
        "categories=a=b; ;=",
    ],
)
def test_hostile_header_text_is_refused_naming_the_header(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_labels(text)
    assert caught.value.param == "x-headgate-labels"


@quickly
@given(st.text(max_size=200) | st.text(alphabet="confidentality=;, purposregni\n", max_size=80))
@example(" ; ; categories = pii , , phi ;; ")
def test_any_header_text_either_parses_to_labels_that_write_back_or_is_invalid(text: str) -> None:
    try:
        labels = parse_labels(text)
    except Invalid:
        return
    assert parse_labels(str(labels)) == labels
    assert str(labels).isascii()
    assert str(labels).isprintable()


@quickly
@given(LABELS)
def test_a_place_that_forwards_nothing_takes_all_but_what_is_bound_to_purpose_or_region(labels: Labels) -> None:
    assume(labels.purposes is None and labels.regions is None)
    assert labels.flows_to(EVERYTHING)


def test_a_clearance_is_written_in_one_way_so_that_digests_can_hold_it() -> None:
    since = datetime(2026, 1, 2, tzinfo=UTC)
    written = str(Clearance(categories=frozenset({"pii", "phi"}), purposes=None, not_before=since))
    assert "categories=phi,pii;" in written
    assert "purposes=any;" in written
    assert "custody=any;" in written
    assert written.endswith("not_before=2026-01-02 00:00:00+00:00")
