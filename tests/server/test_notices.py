"""Notices: what waits for approval is told by webhook and mail, signed, without content, again after a failure."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headgate.notices.routes import Notices
from headgate.policy.entities import DEFAULT_TENANT
from headgate.testing.house import House
from headgate.testing.receivers import mail_receiver, web_receiver

ASKS = """
[[use_case]]
id = "claims"
title = "Claims triage"
owner = "anna"
purpose = "Handle claims"
members = ["*"]

[[policy]]
id = "four-eyes"
text = '''
@id("claims-with-approval")
@reason("somebody looks at a claim before a model does")
@does("ask")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when {{ context.use_case.id == "claims" }};
'''
{notifications}
"""
CALL = {"model": "local-chat", "messages": [{"role": "user", "content": "Ada is at ada@example.org"}]}
REASON = {"reason": "fine"}


async def declare(house: House, notifications: str) -> dict[str, str]:
    """Declare what asks and whom it tells; return the keys of a program and of an approver."""
    async with house.admin as admin:
        answer = await admin.post("/api/config/apply", json={"toml": ASKS.format(notifications=notifications)})
        assert answer.status_code == 200, answer.text
    return {"bot": await house.register("bot", use_case="claims"), "grace": await house.register("grace", "approver")}


async def ask(house: House, key: str, text: str = "") -> str:
    """Call a model, and return the id of the request for approval."""
    body = {**CALL, "messages": [{"role": "user", "content": text}]} if text else CALL
    async with house.client(key) as client:
        answer = await client.post("/v1/chat/completions", json=body)
    approval: str = answer.headers["x-headgate-approval"]
    return approval


async def test_a_webhook_is_told_signed_and_without_content_that_a_request_waits_and_that_it_was_decided(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    async with web_receiver() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/hook"
        keys = await declare(
            house,
            f"""[[notification]]
id = "tickets"
channel = "webhook"
url = "{url}"
secret = "env:HOOK_SECRET"
internal = true
console = "https://gate.example.com/"
use_cases = ["claims"]""",
        )
        approval = await ask(house, keys["bot"])
        await receiver.until(1)
        assert await ask(house, keys["bot"]) == approval  # asked again: told once
        async with house.client(keys["grace"]) as grace:
            await grace.post(f"/api/approvals/{approval}/approve", json=REASON)
        await receiver.until(2)
    waiting, decided = receiver.requests
    told = json.loads(waiting.body)
    title = "bot wants to send a call with personal data to local-chat (our own machines) for Claims triage"
    assert {name: told[name] for name in ("event", "subject", "title", "who", "use_case", "link")} == {
        "event": "approval.waiting",
        "subject": approval,
        "title": title,
        "who": "bot",
        "use_case": "claims",
        "link": f"https://gate.example.com/approvals/{approval}",
    }
    assert "ada@example.org" not in waiting.body.decode()
    assert json.loads(decided.body)["title"] == f"grace approved: {title}"
    for one in (waiting, decided):
        signed = f"{one.headers['x-headgate-timestamp']}.".encode() + one.body
        expected = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
        assert one.headers["x-headgate-signature"] == f"v1={expected}"
        assert one.headers["x-headgate-event"] == json.loads(one.body)["event"]
    sent = await house.records(verb="notice.send", outcome="done")
    assert [one["facts"]["channel"] for one in sent] == ["webhook", "webhook"]
    assert all(one["use_case"] == "jobs" for one in sent)


async def test_a_notice_that_fails_is_sent_again_later_and_given_up_after_a_day(house: House):
    async with web_receiver() as receiver:
        receiver.statuses = [503]
        url = f"http://127.0.0.1:{receiver.port}/hook"
        entry = f'[[notification]]\nid = "hook"\nchannel = "webhook"\nurl = "{url}"\ninternal = true\n'
        keys = await declare(house, entry + 'events = ["approval.waiting"]')
        await ask(house, keys["bot"])
        await receiver.until(1)
        shown = await _standing(house, lambda one: one["last_error"] != "")
        assert (shown["waiting"], shown["sent"]) == (1, 0)
        assert shown["last_error"] == f"127.0.0.1:{receiver.port} answered with status 503"
        queue, pipeline = house.worker.service(Notices).queue, house.worker.pipeline
        now = datetime.now(UTC)
        await queue.send_due(pipeline, tenant=DEFAULT_TENANT, now=now)
        assert len(receiver.requests) == 1  # it is not due yet
        await queue.send_due(pipeline, tenant=DEFAULT_TENANT, now=now + timedelta(seconds=30))
        shown = await _standing(house, lambda one: one["sent"] == 1)
        assert (shown["waiting"], shown["last_error"]) == (0, "")
        first, second = receiver.requests
        assert first.headers["x-headgate-delivery"] == second.headers["x-headgate-delivery"]

        receiver.statuses = [503, 503, 503]
        await ask(house, keys["bot"], "something else")
        await receiver.until(3)
        await _standing(house, lambda one: one["waiting"] == 1 and one["last_error"] != "")
        await queue.send_due(pipeline, tenant=DEFAULT_TENANT, now=now + timedelta(hours=25))
        shown = await _standing(house, lambda one: one["given_up"] == 1)
        assert shown["waiting"] == 0
        await queue.send_due(pipeline, tenant=DEFAULT_TENANT, now=now + timedelta(days=60))
        shown = await _standing(house, lambda one: one["given_up"] == 0)
        assert shown["sent"] == 0  # forgotten after thirty days

        receiver.statuses = [503]
        await ask(house, keys["bot"], "a third thing")
        await receiver.until(5)
        await _standing(house, lambda one: one["waiting"] == 1 and one["last_error"] != "")
        async with house.admin as admin:
            assert (await admin.delete("/api/entries/notification/hook")).status_code == 200
        await queue.send_due(pipeline, tenant=DEFAULT_TENANT, now=now + timedelta(minutes=10))
        assert len(receiver.requests) == 5  # nobody is told who was removed


async def test_slack_and_teams_get_their_own_formats_from_a_secret_address(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    async with web_receiver() as receiver:
        entries = ""
        for channel in ("slack", "teams"):
            monkeypatch.setenv(f"{channel.upper()}_SECRET", f"http://127.0.0.1:{receiver.port}/{channel}")
            reference = f"env:{channel.upper()}_SECRET"
            entries += (
                f'[[notification]]\nid = "{channel}"\nchannel = "{channel}"\nurl = "{reference}"\ninternal = true\n'
            )
        keys = await declare(house, entries)
        await ask(house, keys["bot"])
        await receiver.until(2)
        async with house.admin as admin:
            listed = (await admin.get("/api/notifications")).json()["notifications"]
    by_path = {one.path: json.loads(one.body) for one in receiver.requests}
    assert "|Open the request>" in by_path["/slack"]["text"]
    card = by_path["/teams"]["attachments"][0]["content"]
    assert card["actions"][0]["url"].startswith("http://127.0.0.1:8080/approvals/")
    assert [one["place"] for one in listed] == ["env:SLACK_SECRET", "env:TEAMS_SECRET"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_goes_encrypted_and_signed_in_to_a_server_whose_certificate_holds(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, security: str
):
    tls, ca_file = _certificate(tmp_path)
    monkeypatch.setenv("SMTP_LOGIN", "gate:pass:word")
    async with mail_receiver(tls=tls, login="gate:pass:word", is_implicit=security == "tls") as receiver:
        entry = f"""[[notification]]
id = "approvers"
channel = "mail"
server = "127.0.0.1:{receiver.port}"
security = "{security}"
login = "env:SMTP_LOGIN"
sender = "headgate@example.com"
to = ["a@example.com", "b@example.com"]
internal = true
"""
        keys = await declare(house, entry + f'ca_file = "{ca_file}"')
        approval = await ask(house, keys["bot"])
        await receiver.until(1)
        (mail,) = receiver.mails
        assert mail["Subject"].startswith("bot wants to send a call")
        assert (receiver.recipients, receiver.was_encrypted) == (["a@example.com", "b@example.com"], True)
        text = mail.get_content()
        assert f"/approvals/{approval}" in text
        assert "ada@example.org" not in text

        monkeypatch.setenv("SMTP_LOGIN", "gate:wrong")
        async with house.admin as admin:
            refused = await admin.post("/api/notifications/approvers/test")
            assert refused.status_code == 502, refused.text
            assert refused.json()["error"]["message"] == "the mail server 127.0.0.1 answered with status 535"
            await admin.post("/api/config/apply", json={"toml": ASKS.format(notifications=entry)})
            stranger = await admin.post("/api/notifications/approvers/test")
        assert "does not verify" in stranger.json()["error"]["message"]
    assert len(receiver.mails) == 1


async def test_a_test_notice_tells_what_the_destination_answered(house: House):
    async with mail_receiver(refuses="nobody") as receiver, web_receiver() as web:
        mail = """[[notification]]
id = "{}"
channel = "mail"
server = "{}:{}"
security = "none"
sender = "headgate@example.com"
to = ["a@example.com", "{}@example.com"]
internal = {}
"""
        entries = [
            mail.format("all", "127.0.0.1", receiver.port, "b", "true"),
            mail.format("some", "127.0.0.1", receiver.port, "nobody", "true"),
            mail.format("away", "127.0.0.1", 1, "b", "true"),
            f'[[notification]]\nid = "private"\nchannel = "webhook"\nurl = "https://127.0.0.1:{web.port}/"\n',
        ]
        await declare(house, "\n".join(entries))
        async with house.admin as admin:
            results = {
                name: (await admin.post(f"/api/notifications/{name}/test"))
                for name in ("all", "some", "away", "private", "nowhere")
            }
        async with house.client(await house.register("dev", "developer")) as developer:
            assert (await developer.post("/api/notifications/all/test")).status_code == 403
            assert (await developer.get("/api/notifications")).status_code == 403
    assert results["all"].json() == {"status": 250}
    messages = {name: answer.json()["error"]["message"] for name, answer in results.items() if name != "all"}
    assert messages["some"] == "the mail server 127.0.0.1 refused 1 of the recipients"
    assert messages["away"] == "the mail server 127.0.0.1 cannot be used (ConnectionRefusedError)"
    assert "is not allowed: it is private" in messages["private"]
    assert results["nowhere"].status_code == 404


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ('channel = "pigeon"', "channel"),
        ('channel = "webhook"', "url"),
        ('channel = "webhook"\nurl = "ftp://x"', "url"),
        ('channel = "webhook"\nurl = "http://example.com"', "url"),
        ('channel = "webhook"\nurl = "http://169.254.169.254/"\ninternal = true', "url"),
        ('channel = "webhook"\nurl = "https://example.com"\nsecret = "abc"', "secret"),
        ('channel = "webhook"\nurl = "https://example.com"\nto = ["a@b.c"]', "to"),
        ('channel = "webhook"\nurl = "https://example.com"\nevents = ["approval.wating"]', "events"),
        ('channel = "webhook"\nurl = "https://example.com"\nevents = ["zebra"]', "events"),
        ('channel = "webhook"\nurl = "https://example.com"\nconsole = "nonsense"', "console"),
        ('channel = "slack"\nurl = "https://hooks.slack.com/x"', "url"),
        ('channel = "slack"\nurl = "env:SLACK_SECRET"\nsecret = "env:HOOK_SECRET"', "secret"),
        ('channel = "mail"\nsender = "a@b.c"\nto = ["a@b.c"]', "server"),
        ('channel = "mail"\nsender = "a@b.c"\nto = ["a@b.c"]\nserver = "mail"', "server"),
        ('channel = "mail"\nsender = "a@b.c"\nto = ["a@b.c"]\nserver = "metadata:25"', "server"),
        ('channel = "mail"\nsender = "a@b.c"\nto = ["nobody"]\nserver = "mail:25"', "to"),
        ('channel = "mail"\nsender = "a@b.c"\nto = ["a@b.c"]\nserver = "mail:25"\nsecurity = "none"', "security"),
        ('channel = "mail"\nsender = "a@b.c"\nto = ["a@b.c"]\nserver = "mail:25"\nlogin = "me:pw"', "login"),
        ('channel = "mail"\nsender = "a@b.c"\nto = ["a@b.c"]\nserver = "mail:25"\nurl = "https://x.y"', "url"),
    ],
)
async def test_a_malformed_destination_is_refused_with_the_field_at_fault(house: House, fields: str, param: str):
    async with house.admin as admin:
        toml = f'[[notification]]\nid = "one"\n{fields}\n'
        answer = await admin.post("/api/config/apply", json={"toml": toml})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, f"notification[0].{param}"), answer.text


async def test_entries_and_file_agree_on_the_destinations(house: House):
    hook = {"id": "hook", "channel": "webhook", "url": "https://example.com/hook"}
    async with house.admin as admin:
        put = await admin.put("/api/entries/notification/hook", json={"entry": hook})
        assert put.status_code == 200, put.text
        toml = '[[notification]]\nid = "{}"\nchannel = "webhook"\nurl = "https://example.com/{}"\n'
        changed = toml.format("hook", "other")
        planned = (await admin.post("/api/config/plan", json={"toml": changed})).json()
        replaced = (await admin.post("/api/config/apply", json={"toml": toml.format("new", "x")})).json()
        twice = await admin.post("/api/config/apply", json={"toml": changed + changed})
        gone = await admin.delete("/api/entries/notification/hook")
    assert [(one["does"], one["detail"]) for one in planned["changes"]] == [("change", "url")]
    assert sorted(one["does"] for one in replaced["changes"]) == ["create", "remove"]
    assert (twice.json()["error"]["param"], gone.status_code) == ("notification[1].id", 404)


async def _standing(house: House, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the state of the one destination as soon as it meets a condition."""
    async with house.admin as admin, asyncio.timeout(20):
        while True:
            (one,) = (await admin.get("/api/notifications")).json()["notifications"]
            if condition(one):
                return one


def _certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS settings for 127.0.0.1, and the file of its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "mail.pem", folder / "mail.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context, chain
