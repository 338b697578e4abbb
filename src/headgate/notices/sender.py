"""The performer of `notice.send`: one notice to one destination, by HTTP or SMTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.ports import Clock
from headgate.kernel.run import Run
from headgate.notices.destinations import Destination, is_reference, refuse_url, server_of
from headgate.notices.messages import body_of, headers_of, mail_of
from headgate.notices.smtp import MailServer, send_mail
from headgate.notices.verbs import Delivery
from headgate.substrate.egress import Egress, NetworkProfile, Request
from headgate.substrate.secrets import SecretStore

OWNER = "notices"
_MOST_ANSWER_BYTES = 65_536


class NoticeSender:
    """Sends notices through the egress client, each with the network profile of its destination."""

    def __init__(self, egress: Egress, *, secrets: SecretStore, clock: Clock) -> None:
        self._egress = egress
        self._secrets = secrets
        self._clock = clock
        self._profiles: dict[str, NetworkProfile] = {}

    async def run(self, run: Run[Delivery, object, int]) -> int:
        """Send the notice.

        Raises:
            Denied: the address is not allowed.
            Unavailable: a secret cannot be read.
            Upstream: the destination did not take it.
        """
        delivery = run.payload
        run.facts.update(event=delivery.notice.event, channel=delivery.destination.channel)
        if delivery.destination.channel == "mail":
            status = await self._mail(delivery, tenant=run.action.principal.tenant)
        else:
            status = await self._post(delivery, tenant=run.action.principal.tenant)
        run.facts["status"] = status
        return status

    def stream(self, run: Run[Delivery, object, int]) -> AbstractAsyncContextManager[AsyncIterator[object]]:
        """Raise Invalid, because notices do not stream."""
        raise Invalid(f"{run.action.verb.name} cannot be streamed")

    async def _post(self, delivery: Delivery, *, tenant: str) -> int:
        destination = delivery.destination
        url = destination.url or ""
        if is_reference(url):
            url = self._secrets(url)
            refuse_url(destination, url)
        secret = None if destination.secret is None else self._secrets(destination.secret)
        body = body_of(delivery)
        headers = tuple(headers_of(delivery, body, secret=secret, now=self._clock.now()))
        profile = self._profile(destination, destination.origin_of(url).authority, tenant=tenant)
        async with self._egress.send(Request("POST", url, headers, body, profile=profile)) as response:
            await response.read(limit=_MOST_ANSWER_BYTES)
        if not 200 <= response.status < 300:
            raise Upstream(f"{destination.place} answered with status {response.status}")
        return response.status

    async def _mail(self, delivery: Delivery, *, tenant: str) -> int:
        destination = delivery.destination
        host, port = server_of(destination)
        profile = self._profile(destination, f"{host}:{port}", tenant=tenant)
        vetted = await self._egress.vetted(host, port, profile=profile)
        user, _, password = self._secrets(destination.login).partition(":") if destination.login else ("", "", "")
        server = MailServer(
            host,
            port,
            vetted.addresses[0],
            destination.security,
            vetted.tls,
            (user, password) if destination.login else None,
        )
        return await asyncio.to_thread(send_mail, mail_of(delivery, now=self._clock.now()), server)

    def _profile(self, destination: Destination, authority: str, *, tenant: str) -> str:
        """Return the name of the destination's network profile. Sets it in the egress client if it changed."""
        name = f"{tenant}/{destination.profile}"
        profile = NetworkProfile(
            ca_file=destination.ca_file,
            allow=(authority,) if destination.internal else (),
            first_byte_s=20.0,
            total_s=60.0,
        )
        if self._profiles.get(name) != profile:
            wanted = {**self._profiles, name: profile}
            self._egress.set_profiles(wanted, owner=OWNER)
            self._profiles = wanted
        return name
