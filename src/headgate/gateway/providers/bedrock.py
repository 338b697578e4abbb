"""Amazon Bedrock by its Converse API, for models of every vendor.

The key is `ACCESS_KEY_ID:SECRET_ACCESS_KEY` with an optional `:SESSION_TOKEN`, or an API key of Bedrock.

Source: API reference of Amazon Bedrock Runtime; user guide, "API keys".
"""

from __future__ import annotations

import re
from datetime import datetime

from headgate.kernel.extensions import Manifest
from headgate.wire.aws_signing import AwsKey, sigv4_headers
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Headers, Option, Options, Provider, Unsigned, bearer

REGION = Option(
    "the AWS region of the endpoint",
    is_required=True,
    pattern=re.compile(r"[a-z]{2}(?:-[a-z]{2,16}){1,3}-[0-9]{1,2}"),
    example="eu-central-1",
)


def address(options: Options) -> str:
    """Return the address of a region; China has a domain of its own."""
    region = options.get("region", "{region}")
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{region}.{domain}"


def sign(secret: str | None, request: Unsigned, *, options: Options, now: datetime) -> Headers:
    """Return the signature by an access key, or an API key as a bearer token. Implements `Signer`.

    Raises:
        Invalid: the secret is neither.
    """
    if not secret or ":" not in secret:
        return bearer(secret)
    return sigv4_headers(AwsKey.parse(secret), request, region=options["region"], service="bedrock", now=now)


provider = Provider(
    manifest=Manifest(kind="providers", name="bedrock", summary="Amazon Bedrock, Converse API."),
    vendor="Amazon Web Services",
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    base_url_of=address,
    endpoints={
        "chat": Endpoint("bedrock_converse", "/model/{model}/converse", stream_path="/model/{model}/converse-stream")
    },
    options={"region": REGION},
    credential=bearer,
    sign=sign,
    framing="aws_event_stream",
    capability=Capability(images=True),
    on_disconnect="drain",
)
