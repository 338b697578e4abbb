"""Formats of keys and tokens: the prefix, alphabet and length that issuers publish."""

from __future__ import annotations

from headgate.guard.detectors._text import words

_URLSAFE = r"[A-Za-z0-9_\-]"
_WORD = r"[A-Za-z0-9]"
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

DISTINCT: tuple[tuple[str, str], ...] = (
    ("headgate_key", rf"\bhg_{_URLSAFE}{{20,}}"),
    ("aws_access_key_id", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}|A3T[A-Z0-9][A-Z2-7]{16}"),
    ("aws_bedrock_key", r"ABSK[A-Za-z0-9+/]{100,}={0,2}"),
    ("aws_bedrock_key", r"bedrock-api-key-[A-Za-z0-9+/]{20,}={0,2}"),
    ("gcp_api_key", rf"AIza{_URLSAFE}{{35}}"),
    ("gcp_oauth_token", rf"\bya29\.{_URLSAFE}{{20,}}"),
    ("gcp_oauth_secret", rf"GOCSPX-{_URLSAFE}{{28}}"),
    ("azure_client_secret", r"\b[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,34}"),
    ("azure_storage_key", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    ("azure_sas_signature", r"[?&]sig=[A-Za-z0-9%+/]{43,60}(?:%3[Dd]|=)"),
    ("azure_shared_access_key", r"SharedAccessKey=[A-Za-z0-9+/]{43}="),
    ("azure_devops_token", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}"),
    ("digitalocean_token", r"(?i:do[opr]_v1_)[a-f0-9]{64}"),
    ("alibaba_access_key_id", r"\bLTAI[A-Za-z0-9]{20}\b"),
    ("yandex_token", rf"\bt1\.{_URLSAFE}{{4,}}={{0,2}}\.{_URLSAFE}{{86}}={{0,2}}"),
    ("yandex_token", rf"\bAQVN{_URLSAFE}{{35,38}}"),
    ("scaleway_key", r"\bSCW[A-HJ-NP-Z0-9]{17}\b"),
    ("heroku_key", rf"HRKU-{_URLSAFE}{{36,64}}"),
    ("cloudflare_ca_key", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    ("flyio_token", r"\bfo1_[A-Za-z0-9_\-]{43}|\bfm[12][ar]?_[A-Za-z0-9+/]{100,}={0,3}"),
    ("scalingo_token", rf"\btk-us-{_URLSAFE}{{48}}"),
    ("netlify_token", r"\bnf[pcoub]_[A-Za-z0-9]{36}\b"),
    ("render_key", r"\brnd_[A-Za-z0-9]{28,40}\b"),
    ("tailscale_key", rf"tskey-[a-z]{{3,10}}-{_WORD}{{8,24}}-{_WORD}{{20,40}}"),
    ("openshift_token", rf"\bsha256~{_URLSAFE}{{43}}"),
    ("github_token", r"gh[pousr]_[A-Za-z0-9]{36,}"),
    ("github_token", r"github_pat_[A-Za-z0-9_]{82}"),
    (
        "gitlab_token",
        rf"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct|oas)-{_URLSAFE}{{20,}}(?:\.[0-9a-z.]{{2,24}})?",
    ),
    ("gitlab_runner_token", rf"GR1348941{_URLSAFE}{{20}}"),
    ("bitbucket_token", rf"\bATBB{_WORD}{{24,64}}\b"),
    ("bitbucket_token", rf"ATCTT3x{_URLSAFE}{{60,}}=?[0-9A-F]{{0,8}}"),
    ("atlassian_token", rf"ATATT3x{_URLSAFE}{{60,}}=?[0-9A-F]{{0,8}}"),
    ("sourcegraph_token", r"sgp_(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}"),
    ("sonar_token", r"\bsq[upa]_[a-f0-9]{40}\b"),
    ("slack_token", r"xox[abeoprs](?:[.\-]xox[bp])?-[A-Za-z0-9\-]{8,}"),
    ("slack_app_token", r"(?i:xapp)-[0-9]-[A-Za-z0-9]{2,24}-[0-9]{2,16}-[A-Za-z0-9]{4,}"),
    ("slack_webhook", r"hooks.slack.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60}"),
    (
        "teams_webhook",
        r"\.webhook\.office\.com/webhookb2/[A-Za-z0-9@\-]{36,80}/IncomingWebhook/[a-z0-9]{32}/[a-z0-9\-]{36}",
    ),
    ("discord_webhook", rf"discord(?:app)?\.com/api/webhooks/[0-9]{{17,20}}/{_URLSAFE}{{60,72}}"),
    ("discord_token", rf"\b[MNO][A-Za-z0-9_\-]{{23,27}}\.{_URLSAFE}{{6}}\.{_URLSAFE}{{27,40}}"),
    ("telegram_bot_token", rf"\b[0-9]{{8,10}}:AA{_URLSAFE}{{33}}"),
    ("facebook_token", rf"\b[0-9]{{15,16}}(?:\||%7[Cc]|%){_URLSAFE}{{27,40}}"),
    ("facebook_token", r"\bEAA[A-Z][A-Za-z0-9]{100,}"),
    ("twitter_bearer", r"\bA{20,22}[A-Za-z0-9%]{60,100}"),
    ("stripe_key", r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}"),
    ("stripe_webhook_secret", r"whsec_[A-Za-z0-9+/]{24,64}={0,2}"),
    ("square_token", rf"\bEAAA{_URLSAFE}{{22,60}}|sq0[a-z]{{3}}-{_URLSAFE}{{22,60}}"),
    ("paypal_token", r"access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}"),
    ("plaid_token", rf"access-(?:sandbox|development|production)-{_UUID}"),
    ("easypost_key", r"\bEZ[AT]K[A-Za-z0-9]{54}\b"),
    ("flutterwave_key", r"FLW(?:SEC|PUB)K(?:_TEST)?-[A-Za-z0-9]{12,32}(?:-X)?"),
    ("lob_key", r"\b(?:live|test)_(?:pub_)?[a-f0-9]{31,35}\b"),
    ("gocardless_token", r"\b(?:live|sandbox)_[A-Za-z0-9_=\-]{40}"),
    ("duffel_token", r"duffel_(?:test|live)_[A-Za-z0-9_=\-]{43}"),
    ("shippo_token", r"shippo_(?:live|test)_[a-fA-F0-9]{40}"),
    ("shopify_token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("openai_key", rf"sk-{_URLSAFE}{{16,90}}T3BlbkFJ{_URLSAFE}{{16,}}"),
    ("openai_key", rf"\bsk-(?:proj|svcacct|admin|None)-{_URLSAFE}{{40,}}"),
    ("anthropic_key", rf"sk-ant-[a-z0-9]{{2,12}}-{_URLSAFE}{{40,}}"),
    ("openrouter_key", r"sk-or-v[0-9]-[a-f0-9]{64}"),
    ("langfuse_key", rf"\b[sp]k-lf-{_UUID}"),
    ("sk_key", r"\bsk[-_][A-Za-z0-9]{29,64}\b"),
    ("huggingface_token", r"\bhf_[A-Za-z]{30,40}\b|\bapi_org_[A-Za-z]{34}\b|\bhf_[A-Za-z0-9]{34}\b"),
    ("groq_key", r"gsk_[A-Za-z0-9]{48,56}"),
    ("xai_key", r"\bxai-[A-Za-z0-9]{70,90}\b"),
    ("perplexity_key", r"pplx-[A-Za-z0-9]{40,60}"),
    ("tavily_key", r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{28,40}"),
    ("replicate_token", r"\br8_[A-Za-z0-9]{37}\b"),
    ("fireworks_key", r"\bfw_[A-Za-z0-9]{22,40}\b"),
    ("nvidia_key", rf"nvapi-{_URLSAFE}{{60,70}}"),
    ("cerebras_key", r"\bcsk-[a-z0-9]{44,56}\b"),
    ("langsmith_key", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    ("voyage_key", rf"\bpa-{_URLSAFE}{{40,48}}"),
    ("pinecone_key", r"pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{50,70}"),
    ("npm_token", r"npm_[A-Za-z0-9]{36}"),
    ("pypi_token", rf"pypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw){_URLSAFE}{{40,}}"),
    ("rubygems_key", r"rubygems_[a-f0-9]{48}"),
    ("cargo_token", r"\bcio[A-Za-z0-9]{32}\b"),
    ("nuget_key", r"\boy2[a-z2-7]{43}\b"),
    ("clojars_token", r"(?i:clojars)_[A-Za-z0-9]{60}"),
    ("docker_token", rf"dckr_(?:pat|oat)_{_URLSAFE}{{27,64}}"),
    ("jfrog_token", r"\bAKCp[A-Za-z0-9]{64,80}\b|\bcmVmd[A-Za-z0-9]{59}\b"),
    ("databricks_token", r"dapi[a-f0-9]{32}(?:-[0-9])?"),
    ("clickhouse_key", r"\b4b1d[A-Za-z0-9]{38}\b"),
    ("twilio_key", r"\bSK[a-fA-F0-9]{32}\b"),
    ("sendgrid_key", r"\bSG\.[A-Za-z0-9_=.\-]{66}"),
    ("mailgun_key", r"\b(?:pub)?key-[a-f0-9]{32}\b|\b[a-h0-9]{32}-[a-h0-9]{8}-[a-h0-9]{8}\b"),
    ("mailchimp_key", r"\b[a-f0-9]{32}-us[0-9]{1,2}\b"),
    ("brevo_key", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    ("postman_key", r"PMAK-[a-fA-F0-9]{24}-[a-fA-F0-9]{34}"),
    ("notion_token", r"(?:\bntn_[0-9]{11}[A-Za-z0-9]{35}|\bsecret_[A-Za-z0-9]{43})\b"),
    ("linear_key", r"lin_(?:api|oauth)_[A-Za-z0-9]{40,64}"),
    ("figma_token", rf"\bfig[dopu]_{_URLSAFE}{{40,44}}"),
    ("airtable_token", r"\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    ("contentful_token", rf"CFPAT-{_URLSAFE}{{43}}"),
    ("mapbox_token", rf"\b[ps]k\.{_URLSAFE}{{60,100}}\.{_URLSAFE}{{22}}"),
    ("maxmind_key", r"\b[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk\b"),
    ("typeform_token", r"\btfp_[A-Za-z0-9_.=\-]{44,59}"),
    ("frameio_token", r"\bfio-u-[A-Za-z0-9_=\-]{64}"),
    ("readme_key", r"rdme_[a-z0-9]{70}"),
    ("posthog_key", r"\bph[cx]_[A-Za-z0-9]{40,50}\b"),
    ("grafana_token", r"gl(?:sa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}|c_[A-Za-z0-9+/]{32,}={0,2})"),
    ("grafana_token", r"\beyJrIjoi[A-Za-z0-9]{60,}={0,3}"),
    ("dynatrace_token", r"dt0[a-z][0-9]{2}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{64}"),
    ("sentry_token", r"sntry[su]_[A-Za-z0-9_=+/\-]{60,}"),
    ("newrelic_key", r"NR(?:AK|AL|RA)-[A-Za-z0-9]{27}|NRII-[A-Za-z0-9\-]{32}|NRJS-[a-f0-9]{19}"),
    ("sumologic_id", r"\bsu[A-Z][A-Za-z0-9]{5}[0-9][A-Za-z0-9]{5}\b"),
    ("beamer_token", r"\bb_[A-Za-z0-9=_\-]{44}"),
    ("settlemint_token", r"\bsm_[aps]at_[A-Za-z0-9]{16}\b"),
    ("octopus_key", r"\bAPI-[A-Z0-9]{26}\b"),
    ("prefect_key", r"\bpn[ub]_[A-Za-z0-9]{36}\b"),
    ("infracost_key", r"\bico-[A-Za-z0-9]{32}\b"),
    ("harness_key", rf"\b[ps]at\.{_URLSAFE}{{22}}\.[A-Za-z0-9]{{24}}\.[A-Za-z0-9]{{20}}"),
    ("intra42_secret", r"s-s4t2(?:ud|af)-[a-f0-9]{64}"),
    ("adobe_secret", r"\bp8e-[A-Za-z0-9]{32}\b"),
    ("defined_networking_token", r"dnkey-[A-Za-z0-9=_\-]{26}-[A-Za-z0-9=_\-]{52}"),
    (
        "authress_key",
        r"\b(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_\-][a-z0-9\-]{10,32}\.[a-z0-9+/_=\-]{30,120}",
    ),
    ("hashicorp_vault_token", rf"\bhv[sbr]\.{_URLSAFE}{{24,}}|\bs\.[A-Za-z0-9]{{24}}\b"),
    ("terraform_token", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=\-]{60,70}"),
    ("pulumi_token", r"\bpul-[a-f0-9]{40}\b"),
    ("doppler_token", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9\-_]{2,35}\.)?[A-Za-z0-9]{40,44}\b"),
    ("onepassword_token", r"ops_eyJ[A-Za-z0-9+/]{100,}={0,3}"),
    ("onepassword_key", r"\bA3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}\b"),
    ("supabase_token", r"\bsbp_[a-f0-9]{40}\b|sb_secret_[A-Za-z0-9_\-]{20,60}"),
    ("planetscale_token", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_=.\-]{32,64}"),
    ("dropbox_token", r"\bsl\.(?:u\.)?[A-Za-z0-9_=\-]{130,}"),
    ("age_secret_key", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
)
"""Kind and expression of each format that needs no context.

An expression begins with `\\b` only if its prefix is short or a word.
"""

SERVICES = words(
    r"""
    adafruit adobe airtable algolia alibaba aliyun amplitude anthropic artifactory asana atlassian auth0 aws
    azure beamer bintray bitbucket bitly bittrex braintree buildkite cerebras circleci cloudflare cloudinary
    codacy codecov coinbase co_api_key cognitive cohere confluence confluent contentful dd_api_key datadog
    deepgram deepl deepseek digitalocean discord droneci dropbox elastic elevenlabs etsy facebook fastly
    figma finicity finnhub firebase fireworks flickr freshbooks freshdesk gemini github gitlab gitter
    gocardless google grafana groq heroku honeycomb hubspot huggingface instagram intercom jfrog jira kraken
    kucoin launchdarkly linear linked[_\-]?in lob logdna looker mailchimp mailgun mailjet mapbox mattermost
    meraki message[_\-]?bird mistral mixpanel mongodb netlify new[_\-]?relic newyorktimes notion nytimes
    ocp-apim-subscription-key okta onesignal openai opsgenie pagerduty paypal perplexity pinecone pipedrive
    plaid posthog postmark private[_\-]?ai pusher rapid[_\-]?api replicate rollbar salesforce segment
    sendbird sendgrid sentry shodan shopify snowflake snyk sonar splunk spotify square squarespace stripe
    sumo(?:logic)? supabase telegram together travis(?:ci)? trello twilio twitch twitter typeform vercel
    virustotal voyage xray yandex youtube zendesk zoom contribsys__com
    """
)
"""Names of services without a key format of their own, as regular expressions."""
