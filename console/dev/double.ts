/** A stand-in for the server while pages are developed: the same bodies, made up. It is not part of the build. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin } from "vite";

import type { RecordView, Schemas } from "../src/api/client";
import type { ChatDelta, ChatGate } from "../src/api/events";
import { Records } from "./records";

type Handler = (call: { match: RegExpExecArray; url: URL; body: never; response: ServerResponse }) => unknown;

/** The plugin that answers /api in `vite dev`. */
export function double(): Plugin {
  return {
    name: "headgate-double",
    apply: "serve",
    configureServer(vite) {
      const routes = routesOf(new Records(new Date(Date.now() - 46 * 97_000)));
      vite.middlewares.use((request, response, next) => {
        if (!request.url?.startsWith("/api/")) return next();
        void answer(routes, request, response);
      });
    },
  };
}

async function answer(routes: [string, RegExp, Handler][], request: IncomingMessage, response: ServerResponse) {
  const url = new URL(request.url!, "http://localhost");
  for (const [method, pattern, handle] of routes) {
    const match = method === request.method ? pattern.exec(url.pathname) : null;
    if (!match) continue;
    const text = await textOf(request);
    const answered = await handle({ match, url, body: (text ? JSON.parse(text) : null) as never, response });
    if (response.headersSent || response.writableEnded) return;
    const status = answered instanceof Refusal ? answered.status : answered === undefined ? 204 : 200;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(answered === undefined ? "" : JSON.stringify(answered instanceof Refusal ? answered.body : answered));
    return;
  }
  response.writeHead(404, { "content-type": "application/json" });
  response.end(JSON.stringify(new Refusal(404, "not_found", "There is no such thing here.").body));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

class Refusal {
  readonly body: Schemas["ErrorBody"];
  constructor(
    readonly status: number,
    code: string,
    message: string,
    rules: string[] = [],
    record: string | null = null,
  ) {
    this.body = { error: { code, message, param: null, rules, record, retry_after_s: null, approval: null } };
  }
}

const session: Schemas["Session"] = {
  principal: "admin",
  tenant: "default",
  roles: ["admin"],
  may: [
    "approval.decide",
    "approval.list",
    "config.apply",
    "config.read",
    "key.create",
    "key.list",
    "key.revoke",
    "policy.list",
    "record.list",
    "rule.set_mode",
    "use_case.delete",
    "use_case.list",
    "use_case.put",
  ],
  expires_at: new Date(Date.now() + 8 * 3_600_000).toISOString(),
};

const local: Schemas["DeploymentView"] = {
  id: "local-chat",
  provider: "local",
  model: "SmolLM2-135M-Instruct",
  custody: "organisation",
  level: "restricted",
  categories: null,
  regions: [],
  price: { currency: "USD", input_micros: 0, output_micros: 0, tiers: [] },
  is_built_in: true,
};
const cloud: Schemas["DeploymentView"] = {
  id: "cloud-mini",
  provider: "openai",
  model: "gpt-mini",
  custody: "any",
  level: "internal",
  categories: ["pii_pseudonymous"],
  regions: ["eu"],
  price: { currency: "USD", input_micros: 250_000, output_micros: 2_000_000, tiers: [] },
  is_built_in: false,
};
const models: Schemas["ModelView"][] = [
  { id: "local-chat", operation: "chat", description: "The embedded chat model.", deployments: [local] },
  {
    id: "chat",
    operation: "chat",
    description: "Drafts for people: the cloud where it may, our own machine otherwise.",
    deployments: [cloud, { ...cloud, id: "cloud-large", model: "gpt-large", price: null }, local],
  },
  {
    id: "local-embed",
    operation: "embed",
    description: "The embedded embedder.",
    deployments: [{ ...local, id: "local-embed", model: "MiniLM-L6" }],
  },
];

const useCases: Schemas["UseCaseView"][] = [
  useCase("getting-started", "For trying things out; only models on our own machines.", true),
  useCase("support-drafts", "Drafts of answers to customers, checked by a person.", false),
];

function useCase(id: string, purpose: string, is_built_in: boolean): Schemas["UseCaseView"] {
  return {
    id,
    is_built_in,
    owner: is_built_in ? "headgate" : "Customer care",
    purpose,
    risk: "limited",
    members: is_built_in ? ["*"] : ["group:care"],
    confidentiality: is_built_in ? "public" : "internal",
    categories: is_built_in ? [] : ["pii"],
    deployments: null,
    observe: is_built_in ? [] : ["mask-personal-data"],
    expires_at: null,
  };
}

const rules: Omit<Schemas["RuleView"], "mode">[] = [
  {
    id: "models-for-registered",
    does: "allow",
    reason: "whoever is registered here may use models under a registered use case",
    pack: "baseline",
    text: '@id("models-for-registered")\npermit (principal, action in Headgate::Action::"use-models", resource)\nwhen { principal.registered && context.use_case.registered };',
  },
  {
    id: "use-case-expired",
    does: "deny",
    reason: "the use case has expired; its owner can have it renewed",
    pack: "baseline",
    text: '@id("use-case-expired")\n@mode("always")\nforbid (principal, action in Headgate::Action::"use-models", resource)\nwhen { context.use_case.expired };',
  },
  {
    id: "use-case-ceiling",
    does: "deny",
    reason: "the content is more sensitive than the use case was registered for",
    pack: "baseline",
    text: '@id("use-case-ceiling")\nforbid (principal, action in Headgate::Action::"use-models", resource)\nwhen { context.labels.level > context.use_case.ceiling };',
  },
  {
    id: "mask-personal-data",
    does: "duty",
    reason: "personal and health data leaves our machines only as pseudonyms",
    pack: "baseline",
    text: '@id("mask-personal-data")\n@duty("mask")\n@categories("pii,phi")\npermit (principal, action == Headgate::Action::"model.dispatch", resource)\nwhen { resource.custody != "organisation" };',
  },
];

function ruleList(use_case: string | null): Schemas["RuleList"] {
  const observed = useCases.find((one) => one.id === use_case)?.observe ?? [];
  const listed = rules.map((rule): Schemas["RuleView"] => ({
    ...rule,
    mode: observed.includes(rule.id) ? "observe" : "enforce",
  }));
  return { use_case, version: "baseline@1:7c1f", rules: listed };
}

const keys: Schemas["KeyView"][] = [];
keys.push(keyOf("Made on installation", "getting-started"));

function keyOf(name: string, use_case: string): Schemas["KeyView"] {
  const made = keys.length;
  return {
    id: `key_${made + 1}`,
    name,
    prefix: `hg_${(made + 7).toString(36)}x4q`,
    principal: "admin",
    created_by: "admin",
    use_case,
    roles: made ? [] : ["admin"],
    aliases: null,
    created_at: new Date().toISOString(),
    expires_at: null,
    revoked_at: null,
    requests_per_minute: made ? 60 : null,
    cost_micros_per_day: null,
    currency: "USD",
  };
}

const approvals: Schemas["ApprovalView"][] = [
  {
    id: "default.01KB0000000000000000000001",
    state: "waiting",
    principal: "claims-bot",
    on_behalf_of: [],
    makers: ["anna"],
    use_case: "support-drafts",
    verb: "model.dispatch",
    resource: "deployment:cloud-mini",
    labels: "confidentiality=internal; categories=pii_pseudonymous",
    details: { provider: "openai", model: "gpt-mini", custody: "any" },
    rules: [{ id: "claims-leave-with-approval", reason: "somebody looks at a claim before it leaves our machines" }],
    policy_version: "baseline@1:7c1f",
    record: "",
    requested_at: new Date().toISOString(),
    expires_at: new Date(Date.now() + 24 * 3_600_000).toISOString(),
    approver: null,
    decided_at: null,
    reason: "",
    used_at: null,
    can_decide: true,
  },
];

function routesOf(records: Records): [string, RegExp, Handler][] {
  let isSignedIn = true;
  const watchers = new Set<ServerResponse>();
  const announce = (record: RecordView) => {
    const chain = records.all.filter((one) => one.root === record.id);
    for (const one of chain) for (const watcher of watchers) event(watcher, "record", one);
  };
  return [
    ["GET", /^\/api\/session$/, () => (isSignedIn ? session : new Refusal(401, "invalid_api_key", "Sign in first."))],
    [
      "POST",
      /^\/api\/session$/,
      ({ body }) => {
        if ((body as Schemas["SignIn"]).token === "used")
          return new Refusal(
            401,
            "invalid_api_key",
            "The link was used before, or is older than ten minutes. Ask for a new one: headgate sign-in.",
          );
        isSignedIn = true;
        return session;
      },
    ],
    ["DELETE", /^\/api\/session$/, () => void (isSignedIn = false)],
    ["GET", /^\/api\/overview$/, ({ url }) => overview(records, url)],
    ["GET", /^\/api\/models$/, () => ({ models })],
    ["GET", /^\/api\/keys$/, () => ({ keys: [...keys].reverse() })],
    [
      "POST",
      /^\/api\/keys$/,
      ({ body }) => {
        const asked = body as Schemas["NewKey"];
        const key = { ...keyOf(asked.name, asked.use_case), expires_at: asked.expires_at };
        keys.push(key);
        setTimeout(() => announce(records.call(new Date(), 0)), 1500);
        setTimeout(() => announce(records.call(new Date(), 1)), 3000);
        return { key, secret: `${key.prefix}_Zk3vQ8mW1tYp5rBn7cLd9sHf2gJx6aEu` };
      },
    ],
    [
      "DELETE",
      /^\/api\/keys\/([^/]+)$/,
      ({ match }) => {
        const at = keys.findIndex((key) => key.id === match[1]);
        keys[at] = { ...keys[at]!, revoked_at: new Date().toISOString() };
      },
    ],
    ["GET", /^\/api\/use-cases$/, () => ({ use_cases: useCases })],
    [
      "PUT",
      /^\/api\/use-cases\/([^/]+)$/,
      ({ match, body }) => {
        const put = { ...(body as Schemas["UseCaseBody"]), id: match[1]!, is_built_in: false };
        const at = useCases.findIndex((one) => one.id === put.id);
        useCases.splice(at < 0 ? useCases.length : at, at < 0 ? 0 : 1, put);
        return put;
      },
    ],
    [
      "DELETE",
      /^\/api\/use-cases\/([^/]+)$/,
      ({ match }) =>
        void useCases.splice(
          useCases.findIndex((one) => one.id === match[1]),
          1,
        ),
    ],
    [
      "PUT",
      /^\/api\/use-cases\/([^/]+)\/rules\/([^/]+)$/,
      ({ match, body }) => {
        const found = useCases.find((one) => one.id === match[1])!;
        const rest = found.observe.filter((rule) => rule !== match[2]);
        found.observe = (body as Schemas["RuleMode"]).mode === "observe" ? [...rest, match[2]!] : rest;
        return ruleList(found.id);
      },
    ],
    ["GET", /^\/api\/rules$/, ({ url }) => ruleList(url.searchParams.get("use_case"))],
    ["GET", /^\/api\/records$/, ({ url }) => page(records, url.searchParams)],
    [
      "GET",
      /^\/api\/records\/live$/,
      ({ response }) => {
        response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
        response.write(": open\n\n");
        watchers.add(response);
        response.on("close", () => watchers.delete(response));
      },
    ],
    [
      "GET",
      /^\/api\/records\/([^/]+)$/,
      ({ match }) => records.details.get(match[1]!) ?? new Refusal(404, "not_found", "There is no record of this id."),
    ],
    [
      "GET",
      /^\/api\/records\/([^/]+)\/proof$/,
      ({ match }) => ({ bundle: records.log.prove(records.details.get(match[1]!)!.record.leaf_index!) }),
    ],
    [
      "GET",
      /^\/api\/approvals$/,
      ({ url }) => ({
        approvals: approvals.filter((one) => !url.searchParams.get("waiting") || one.state === "waiting"),
        next: null,
      }),
    ],
    [
      "GET",
      /^\/api\/approvals\/([^/]+)$/,
      ({ match }) => ({
        approval: approvals.find((one) => one.id === match[1]),
        content: "shown",
        parts: [{ name: "sent", text: '{"model":"gpt-mini"}', size_bytes: 20, digest: "00", erased: false }],
      }),
    ],
    [
      "POST",
      /^\/api\/approvals\/([^/]+)\/(approve|refuse)$/,
      ({ match, body }) => {
        const at = approvals.findIndex((one) => one.id === match[1]);
        approvals[at] = {
          ...approvals[at]!,
          state: match[2] === "approve" ? "approved" : "refused",
          approver: session.principal,
          decided_at: new Date().toISOString(),
          reason: (body as Schemas["ApprovalDecision"]).reason,
          can_decide: false,
        };
        return approvals[at];
      },
    ],
    ["POST", /^\/api\/preview$/, ({ body }) => preview(body)],
    ["POST", /^\/api\/chat$/, ({ body, response }) => chat(body, response, records, announce)],
    ["POST", /^\/api\/config\/plan$/, ({ body }) => plan(body, false)],
    ["POST", /^\/api\/config\/apply$/, ({ body }) => plan(body, true)],
  ];
}

function overview(records: Records, url: URL): Schemas["Overview"] {
  return {
    version: "0.1.0",
    tenant: "default",
    openai_base_url: `${url.origin}:8080/v1`,
    anthropic_base_url: `${url.origin}:8080`,
    models: models.map((model) => model.id),
    use_cases: useCases.map((one) => one.id),
    records: records.all.length,
    has_called: true,
    embedded_model: "ready",
  };
}

function page(records: Records, asked: URLSearchParams) {
  const wanted = records.all
    .filter((record) => asked.get("roots") !== "true" || record.parent === null)
    .filter((record) =>
      ["verb", "outcome", "use_case", "resource"].every(
        (name) => !asked.get(name) || record[name as "verb"] === asked.get(name),
      ),
    )
    .filter((record) => !asked.get("rule") || record.rules.some((rule) => rule.id === asked.get("rule")))
    .reverse();
  const from = Number(asked.get("cursor") ?? 0);
  const limit = Math.min(Number(asked.get("limit") ?? 50), 20);
  const next = from + limit < wanted.length ? String(from + limit) : null;
  return { records: wanted.slice(from, from + limit), next };
}

function preview(asked: Schemas["PreviewRequest"]): Schemas["Preview"] {
  const kinds: [RegExp, string, string][] = [
    [/\b(?:\d{4} ){3}\d{4}\b/g, "payment_card", "pci"],
    [/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g, "iban", "pii"],
    [/[\w.]+@[\w.]+\w/g, "email", "pii"],
    [/\+\d[\d ]{8,}\d/g, "phone", "pii"],
    [/\bsk-[A-Za-z0-9-]{16,}/g, "api_key", "secret"],
  ];
  const findings = kinds.flatMap(([pattern, kind, category]) =>
    [...asked.text.matchAll(pattern)].map((match) => {
      const start = Array.from(asked.text.slice(0, match.index)).length;
      return { kind, category, start, end: start + Array.from(match[0]).length, detector: kind, confidence: 0.9 };
    }),
  );
  const masked = kinds.reduce(
    (text, [pattern, kind]) => text.replace(pattern, `HGX_${kind.replace("_", "").toUpperCase()}_BDFHKMPRTWZCGJL`),
    asked.text,
  );
  const categories = [...new Set(findings.map((finding) => finding.category))].sort();
  const labels = `confidentiality=internal${categories.length ? `; categories=${categories.join(",")}` : ""}`;
  const deployments = models.find((model) => model.id === asked.model)!.deployments;
  return {
    findings,
    labels,
    destinations: deployments.map((deployment, at) => ({
      deployment: deployment.id,
      custody: deployment.custody,
      effect: at === 1 ? "deny" : "allow",
      why:
        at === 1
          ? "the content is more sensitive than the use case was registered for"
          : "whoever is registered here may use models",
      rules:
        at === 1
          ? [{ ...rules[2]!, mode: "enforce" }]
          : [
              { ...rules[0]!, mode: "enforce" },
              { ...rules[3]!, mode: "enforce" },
            ],
      labels: deployment.custody === "any" ? labels.replace("pii", "pii_pseudonymous") : labels,
      bytes_out:
        at === 1
          ? null
          : JSON.stringify({
              model: deployment.model,
              messages: [{ role: "user", content: deployment.custody === "any" ? masked : asked.text }],
            }),
    })),
  };
}

async function chat(
  asked: Schemas["ChatRequest"],
  response: ServerResponse,
  records: Records,
  announce: (record: RecordView) => void,
) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const said = asked.messages.at(-1)!.content;
  if (/restricted/i.test(said)) {
    const record = records.call(new Date(), 4);
    event(
      response,
      "error",
      new Refusal(
        403,
        "denied",
        "The content is more sensitive than the use case was registered for. Use another use case, or leave the passage out.",
        ["use-case-ceiling"],
        record.id,
      ).body,
    );
    response.end();
    return;
  }
  const words =
    `You said: ${said}\n\nThis is the double speaking, one word at a time, so that streaming can be seen at work.`.split(
      /(?<= )/,
    );
  for (const word of words) {
    if (response.destroyed) return;
    event(response, "delta", { text: word } satisfies ChatDelta);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  const record = records.call(new Date(), 1);
  announce(record);
  event(response, "gate", {
    record: record.id,
    deployment: "cloud-mini",
    labels: "confidentiality=internal; categories=pii_pseudonymous",
    masked: { email: 1 },
    restored: { email: 1 },
    input_tokens: 31,
    output_tokens: 24,
    cost_micros: 56,
    currency: "USD",
    duration_us: 912_000,
    skipped: "cloud-large: circuit open",
  } satisfies ChatGate);
  response.end();
}

function plan(asked: Schemas["ConfigText"], applied: boolean): Schemas["ConfigPlan"] | Refusal {
  const broken = asked.toml.split("\n").findIndex((line) => line.includes("= ="));
  if (broken >= 0)
    return new Refusal(
      400,
      "invalid_request",
      `headgate.toml, line ${broken + 1}, column 8: expected a value after the equals sign.`,
    );
  const changes = asked.toml.trim()
    ? [
        { section: "deployments", id: "cloud-mini", does: "add", detail: "openai gpt-mini, up to internal" },
        { section: "aliases", id: "chat", does: "change", detail: "deployments: local-chat → cloud-mini, local-chat" },
        { section: "deployments", id: "old-large", does: "remove", detail: "" },
      ]
    : [];
  return { changes, applied, record: applied ? "01KD9Z4M3QTVXW5R7H00000001" : null };
}

function event(response: ServerResponse, name: string, data: unknown): void {
  response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}
