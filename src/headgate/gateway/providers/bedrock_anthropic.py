"""Anthropic's models on Amazon Bedrock, in Anthropic's own wire format.

Source: user guide of Amazon Bedrock, "Anthropic Claude Messages API"; `lib/bedrock` of the `anthropic` SDK 2.x.
"""

from __future__ import annotations

from headgate.gateway.providers.anthropic import WHOLE_OUTPUT_TOKENS
from headgate.gateway.providers.bedrock import REGION, address, sign
from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability
from headgate.wire.provider import BETAS, BETAS_OPTION, Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(
        kind="providers", name="bedrock_anthropic", summary="Anthropic's models on Amazon Bedrock, in their own wire."
    ),
    vendor="Amazon Web Services",
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    base_url_of=address,
    endpoints={
        "chat": Endpoint(
            "anthropic_messages",
            "/model/{model}/invoke",
            stream_path="/model/{model}/invoke-with-response-stream",
            fields={"model": None, "stream": None, "anthropic_version": b'"bedrock-2023-05-31"'},
        )
    },
    options={"region": REGION, BETAS: BETAS_OPTION},
    betas_in="body",
    credential=bearer,
    sign=sign,
    framing="aws_event_stream",
    capability=Capability(images=True, whole_output_tokens=WHOLE_OUTPUT_TOKENS),
    on_disconnect="drain",
)
