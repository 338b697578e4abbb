"""Keys and tokens of the clouds, code hosts, package registries, model providers and services, by their formats."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from headgate.kernel.detection import Candidate, Hit, Pattern
from headgate.kernel.extensions import Manifest

_URLSAFE = r"[A-Za-z0-9_\-]"
_WORD = r"[A-Za-z0-9]"
_ASSIGNED = r"[a-z0-9_.\- \t\"']{0,24}(?:[=:>|]|:=|=>|\bis\b)[ \t\"'=:>]{0,5}"

# kind, expression. The prefixes are what the issuers publish of their formats.
_FORMATS: tuple[tuple[str, str], ...] = (
    ("headgate_key", rf"\bhg_{_URLSAFE}{{20,}}"),
    ("aws_access_key_id", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    ("aws_bedrock_key", r"\bABSK[A-Za-z0-9+/]{100,}={0,2}"),
    ("aws_bedrock_key", r"\bbedrock-api-key-[A-Za-z0-9+/]{20,}={0,2}"),
    ("gcp_api_key", rf"\bAIza{_URLSAFE}{{35}}"),
    ("gcp_oauth_token", rf"\bya29\.{_URLSAFE}{{20,}}"),
    ("gcp_oauth_secret", rf"\bGOCSPX-{_URLSAFE}{{28}}"),
    ("azure_client_secret", r"\b[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,34}"),
    ("azure_storage_key", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    ("azure_sas_signature", r"[?&]sig=[A-Za-z0-9%+/]{43,60}(?:%3[Dd]|=)"),
    ("azure_shared_access_key", r"SharedAccessKey=[A-Za-z0-9+/]{43}="),
    ("azure_devops_token", r"\b[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b"),
    ("digitalocean_token", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    ("alibaba_access_key_id", r"\bLTAI[A-Za-z0-9]{20}\b"),
    ("heroku_key", rf"\bHRKU-{_URLSAFE}{{36,64}}"),
    ("cloudflare_ca_key", r"\bv1\.0-[a-f0-9]{24}-[a-f0-9]{146}\b"),
    ("flyio_token", r"\bfo1_[A-Za-z0-9_\-]{43}|\bfm[12][ar]?_[A-Za-z0-9+/]{100,}={0,3}"),
    ("github_token", r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    ("github_token", r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b"),
    (
        "gitlab_token",
        rf"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct|oas)-{_URLSAFE}{{20,}}(?:\.[0-9a-z.]{{2,24}})?",
    ),
    ("gitlab_runner_token", rf"\bGR1348941{_URLSAFE}{{20}}"),
    ("bitbucket_token", rf"\bATBB{_WORD}{{24,64}}\b"),
    ("bitbucket_token", rf"\bATCTT3x{_URLSAFE}{{60,}}=?[0-9A-F]{{0,8}}"),
    ("atlassian_token", rf"\bATATT3x{_URLSAFE}{{60,}}=?[0-9A-F]{{0,8}}"),
    ("slack_token", r"\bxox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9\-]{10,}"),
    ("slack_app_token", r"\bxapp-[0-9]-[A-Z0-9]{8,16}-[0-9]{8,16}-[a-f0-9]{32,}"),
    ("slack_webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60}"),
    (
        "teams_webhook",
        r"\.webhook\.office\.com/webhookb2/[A-Za-z0-9@\-]{36,80}/IncomingWebhook/[a-z0-9]{32}/[a-z0-9\-]{36}",
    ),
    ("discord_webhook", rf"discord(?:app)?\.com/api/webhooks/[0-9]{{17,20}}/{_URLSAFE}{{60,72}}"),
    ("telegram_bot_token", rf"\b[0-9]{{8,10}}:AA{_URLSAFE}{{33}}"),
    ("stripe_key", r"\b(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}\b"),
    ("stripe_webhook_secret", r"\bwhsec_[A-Za-z0-9+/]{24,64}={0,2}"),
    ("square_token", rf"\b(?:EAAA{_URLSAFE}{{60}}|sq0[a-z]{{3}}-{_URLSAFE}{{22,43}})"),
    ("paypal_token", r"\baccess_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}\b"),
    ("shopify_token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
    ("openai_key", rf"\bsk-{_URLSAFE}{{16,90}}T3BlbkFJ{_URLSAFE}{{16,}}"),
    ("openai_key", rf"\bsk-(?:proj|svcacct|admin|None)-{_URLSAFE}{{40,}}"),
    ("anthropic_key", rf"\bsk-ant-[a-z0-9]{{2,12}}-{_URLSAFE}{{40,}}"),
    ("openrouter_key", r"\bsk-or-v[0-9]-[a-f0-9]{64}\b"),
    ("sk_key", r"\bsk-[A-Za-z0-9]{32,64}\b"),
    ("huggingface_token", r"\bhf_[A-Za-z]{30,40}\b|\bapi_org_[A-Za-z]{34}\b|\bhf_[A-Za-z0-9]{34}\b"),
    ("groq_key", r"\bgsk_[A-Za-z0-9]{48,56}\b"),
    ("xai_key", r"\bxai-[A-Za-z0-9]{70,90}\b"),
    ("perplexity_key", r"\bpplx-[A-Za-z0-9]{40,60}\b"),
    ("replicate_token", r"\br8_[A-Za-z0-9]{37}\b"),
    ("fireworks_key", r"\bfw_[A-Za-z0-9]{22,40}\b"),
    ("nvidia_key", rf"\bnvapi-{_URLSAFE}{{60,70}}"),
    ("cerebras_key", r"\bcsk-[a-z0-9]{44,56}\b"),
    ("langsmith_key", r"\blsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}\b"),
    ("voyage_key", rf"\bpa-{_URLSAFE}{{40,48}}"),
    ("pinecone_key", r"\bpcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{50,70}\b"),
    ("npm_token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pypi_token", rf"\bpypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw){_URLSAFE}{{40,}}"),
    ("rubygems_key", r"\brubygems_[a-f0-9]{48}\b"),
    ("cargo_token", r"\bcio[A-Za-z0-9]{32}\b"),
    ("nuget_key", r"\boy2[a-z2-7]{43}\b"),
    ("docker_token", rf"\bdckr_(?:pat|oat)_{_URLSAFE}{{27,64}}"),
    ("jfrog_token", r"\bAKCp[A-Za-z0-9]{64,80}\b|\bcmVmdGtu[A-Za-z0-9]{56}\b"),
    ("databricks_token", r"\bdapi[a-f0-9]{32}(?:-[0-9])?\b"),
    ("twilio_key", r"\bSK[a-f0-9]{32}\b"),
    ("sendgrid_key", rf"\bSG\.{_URLSAFE}{{22}}\.{_URLSAFE}{{43}}"),
    ("mailgun_key", r"\bkey-[a-f0-9]{32}\b"),
    ("mailchimp_key", r"\b[a-f0-9]{32}-us[0-9]{1,2}\b"),
    ("brevo_key", r"\bxkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}\b"),
    ("postman_key", r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b"),
    ("notion_token", r"\b(?:ntn_[0-9]{11}[A-Za-z0-9]{35}|secret_[A-Za-z0-9]{43})\b"),
    ("linear_key", r"\blin_(?:api|oauth)_[A-Za-z0-9]{40,64}\b"),
    ("figma_token", rf"\bfig[dopu]_{_URLSAFE}{{40,44}}"),
    ("airtable_token", r"\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b"),
    ("grafana_token", r"\bgl(?:sa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}|c_[A-Za-z0-9+/]{32,}={0,2})"),
    ("sentry_token", r"\bsntry[su]_[A-Za-z0-9_=+/\-]{60,}"),
    ("newrelic_key", r"\bNRAK-[A-Z0-9]{27}\b"),
    ("hashicorp_vault_token", rf"\bhv[sbr]\.{_URLSAFE}{{24,}}"),
    ("terraform_token", rf"\b[A-Za-z0-9]{{14}}\.atlasv1\.{_URLSAFE}{{60,70}}"),
    ("pulumi_token", r"\bpul-[a-f0-9]{40}\b"),
    ("doppler_token", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9\-_]{2,35}\.)?[A-Za-z0-9]{40,44}\b"),
    ("onepassword_token", r"\bops_eyJ[A-Za-z0-9+/]{100,}={0,2}"),
    ("supabase_token", r"\bsbp_[a-f0-9]{40}\b|\bsb_secret_[A-Za-z0-9_\-]{20,60}"),
    ("planetscale_token", rf"\bpscale_(?:tkn|pw|oauth)_{_URLSAFE}{{32,64}}"),
    ("dropbox_token", rf"\bsl\.(?:u\.)?{_URLSAFE}{{130,}}"),
    ("age_secret_key", r"\bAGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}\b"),
)

# Formats without a prefix of their own: the service's name has to stand before. The value is what comes last.
_NAMED: tuple[tuple[str, str, str], ...] = (
    ("aws_secret_key", r"(?:aws|amazon|secret)_?", r"[A-Za-z0-9+/]{40}"),
    ("mistral_key", r"mistral", r"[A-Za-z0-9]{32}"),
    ("cohere_key", r"(?:cohere|co_api_key)", r"[A-Za-z0-9]{40}"),
    ("together_key", r"together", r"[a-f0-9]{64}"),
    ("deepseek_key", r"deepseek", r"sk-[a-f0-9]{32}"),
    ("azure_key", r"(?:azure|cognitive|ocp-apim-subscription-key)", r"(?:[a-f0-9]{32}|[A-Za-z0-9]{84})"),
    ("cloudflare_token", r"cloudflare", r"(?:[A-Za-z0-9_\-]{40}|[a-f0-9]{37})"),
    ("datadog_key", r"datadog|dd_api_key", r"(?:[a-f0-9]{40}|[a-f0-9]{32})"),
    ("twilio_auth_token", r"twilio", r"[a-f0-9]{32}"),
    ("heroku_key", r"heroku", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("okta_token", r"okta", r"00[A-Za-z0-9_\-]{40}"),
)

_LEAST_ENTROPY_BITS = 2.5


def _patterns() -> tuple[Pattern, ...]:
    formats = [Pattern(f"{kind}.{at}", regex) for at, (kind, regex) in enumerate(_FORMATS)]
    named = [
        Pattern(f"{kind}.named{at}", rf"(?:{name}){_ASSIGNED}(?:{value})\b", is_caseless=True)
        for at, (kind, name, value) in enumerate(_NAMED)
    ]
    return (*formats, *named)


class _Secrets:
    manifest = Manifest("detectors", "secrets", "Keys and tokens of clouds, code hosts, models and services.")
    category = "secret"
    patterns = _patterns()

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Drop placeholders such as `ghp_xxxxxxxx`; of a named format, take the value only."""
        kind, _, rule = candidate.pattern.partition(".")
        value = candidate.value
        start = candidate.start
        if rule.startswith("named"):
            size = len(value) - max(value.rfind(char) for char in " \t\"'=:>|") - 1
            start, value = candidate.end - size, value[-size:]
        if _entropy_bits(value) < _LEAST_ENTROPY_BITS or (rule.startswith("named") and value.isalpha()):
            return ()
        return (Hit(start, candidate.end, kind, 0.85 if rule.startswith("named") else 0.95),)


def _entropy_bits(value: str) -> float:
    """Return Shannon's entropy of the characters, in bits a character."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())


detector = _Secrets()
