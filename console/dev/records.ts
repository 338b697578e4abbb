/** Records that look like a morning's use, made from a fixed recipe. */

import type { RecordDetail, RecordView } from "../src/api/client";
import { Log } from "./log";

const POLICY = "baseline@1:7c1f";
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

type Draft = Partial<RecordView> & Pick<RecordView, "verb" | "resource" | "use_case">;

/** All records of the double, oldest first, with their details and proofs. */
export class Records {
  readonly log = new Log();
  readonly all: RecordView[] = [];
  readonly details = new Map<string, RecordDetail>();
  private made = 0;

  constructor(start: Date) {
    for (let at = 0; at < 46; at++) this.call(new Date(start.getTime() + at * 97_000), at);
  }

  /** Adds a model call with its attempts, as number `kind` of the recipe; returns its first record. */
  call(at: Date, kind: number): RecordView {
    const failsOver = kind % 7 === 3;
    const refused = kind % 5 === 4;
    const cloud = kind % 3 === 1;
    const use_case = cloud ? "support-drafts" : "getting-started";
    const target = cloud ? "cloud-mini" : "local-chat";
    const root = this.add(at, {
      verb: "model.invoke",
      resource: `alias:${cloud ? "chat" : "local-chat"}`,
      use_case,
      labels: refused
        ? "confidentiality=restricted; categories=pii,secret"
        : "confidentiality=internal; categories=pii",
      duration_us: 412_000 + kind * 7919,
      outcome: refused ? "refused" : "done",
      error: refused ? "denied" : null,
      rules: [allowed],
      facts: refused ? { refused_by: "use-case-ceiling" } : { deployment: target, attempts: failsOver ? 2 : 1 },
    });
    const masked: Record<string, number> = cloud ? { email: 1, payment_card: 1 } : {};
    const sent = { masked, kind };
    if (failsOver) {
      this.dispatch(
        at,
        root,
        "cloud-large",
        { outcome: "failed", error: "upstream_error", duration_us: 180_000 },
        sent,
      );
    }
    const later = new Date(at.getTime() + (failsOver ? 190 : 3));
    this.dispatch(
      later,
      root,
      target,
      refused
        ? {
            outcome: "refused",
            error: "denied",
            effect: "deny",
            would: "deny",
            duration_us: 310,
            rules: [allowed, ceiling],
          }
        : { outcome: "done", duration_us: 380_000 + kind * 7000 },
      sent,
    );
    return root;
  }

  private dispatch(
    at: Date,
    root: RecordView,
    deployment: string,
    more: Partial<RecordView>,
    sent: { masked: Record<string, number>; kind: number },
  ): void {
    const isDone = more.outcome === "done";
    const isFree = deployment === "local-chat";
    const knowsCost = isDone && sent.kind % 4 !== 2;
    const measured = { input_tokens: 184, output_tokens: 61, first_item_us: 96_000 };
    const cost = knowsCost ? { cost_micros: isFree ? 0 : 214, currency: "USD" } : {};
    const masked = Object.fromEntries(Object.entries(sent.masked).map(([kind, count]) => [`masked.${kind}`, count]));
    this.add(at, {
      verb: "model.dispatch",
      resource: `deployment:${deployment}`,
      use_case: root.use_case,
      labels: root.labels,
      parent: root.id,
      root: root.id,
      rules: isFree ? [allowed] : [allowed, masks],
      facts: { deployment, attempt: 1, ...masked, ...(isDone ? { ...measured, ...cost } : {}) },
      ...more,
    });
  }

  private add(at: Date, draft: Draft): RecordView {
    const duration = draft.duration_us ?? 400_000;
    const id = this.nextId();
    const record: RecordView = {
      id,
      parent: null,
      root: id,
      principal: "p_5f2c9a",
      effect: "allow",
      would: "allow",
      outcome: "done",
      error: null,
      opened_at: at.toISOString(),
      closed_at: new Date(at.getTime() + duration / 1000).toISOString(),
      duration_us: duration,
      labels: "confidentiality=public",
      policy_version: POLICY,
      rules: [],
      facts: {},
      leaf_index: null,
      ...draft,
    };
    const parts = record.outcome === "done" && record.verb === "model.dispatch" ? partsOf(record) : [];
    const entry = { v: 1, ...record, parts: Object.fromEntries(parts.map((part) => [part.name, part.digest])) };
    const proven = { ...record, leaf_index: this.log.append(JSON.stringify(entry)) };
    this.all.push(proven);
    const detail = { record: proven, output_labels: record.labels, children: [], parts };
    this.details.set(id, detail);
    this.details.get(record.parent ?? "")?.children.push(proven);
    return proven;
  }

  private nextId(): string {
    let rest = ++this.made;
    let tail = "";
    for (let at = 0; at < 8; at++) [tail, rest] = [ALPHABET[rest % 32] + tail, Math.floor(rest / 32)];
    return `01KD9Z4M3QTVXW5R7H${tail}`;
  }
}

const allowed = {
  id: "models-for-registered",
  does: "allow",
  mode: "enforce",
  reason: "whoever is registered here may use models under a registered use case",
};
const ceiling = {
  id: "use-case-ceiling",
  does: "deny",
  mode: "enforce",
  reason: "the content is more sensitive than the use case was registered for",
};
const masks = {
  id: "mask-personal-data",
  does: "duty",
  mode: "observe",
  reason: "personal and health data leaves our machines only as pseudonyms",
};

function partsOf(record: RecordView): RecordDetail["parts"] {
  const sent = { model: record.resource, messages: [{ role: "user", content: "Write to HGX_EMAIL_BDFHKMPRTWZCGJL." }] };
  const answer = {
    choices: [{ message: { role: "assistant", content: "Dear HGX_EMAIL_BDFHKMPRTWZCGJL, thank you." } }],
  };
  return [
    { name: "sent", text: JSON.stringify(sent), size_bytes: 214, digest: digest(1), erased: false, withheld: null },
    { name: "answer", text: JSON.stringify(answer), size_bytes: 322, digest: digest(2), erased: false, withheld: null },
  ];
}

function digest(of: number): string {
  return `${of}9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0`.slice(0, 64);
}
