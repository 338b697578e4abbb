"""Every operation of the admin API, in the order of the document."""

from __future__ import annotations

from headgate.server.api import schemas
from headgate.server.api.openapi import Operation, Parameter

_RECORD_FILTERS = (
    Parameter("cursor", "Continue after this place."),
    Parameter("limit", "At most this many, 1 to 200; 50 by default.", "integer"),
    Parameter("verb", "Only this verb, such as model.dispatch."),
    Parameter("outcome", "Only this outcome; `open` for records that are not closed."),
    Parameter("use_case", "Only this use case."),
    Parameter("resource", "Only this resource, such as deployment:local-chat."),
    Parameter("principal", "Only this principal, as records name it."),
    Parameter("rule", "Only where this rule matched."),
    Parameter("since", "Only opened at or after this time."),
    Parameter("until", "Only opened before this time."),
    Parameter("roots", "Only the first record of each chain.", "boolean"),
)

_DRY_RUN = Parameter("dry_run", "Say what would change, and change nothing.", "boolean")

OPERATIONS: tuple[Operation, ...] = (
    Operation("signIn", "POST", "/api/session", "Redeem a sign-in link.", schemas.SignIn, schemas.Session, public=True),
    Operation("getSession", "GET", "/api/session", "Who is signed in.", None, schemas.Session),
    Operation("signOut", "DELETE", "/api/session", "End the session."),
    Operation("getOverview", "GET", "/api/overview", "What the first page shows.", None, schemas.Overview),
    Operation("listModels", "GET", "/api/models", "Aliases and their deployments.", None, schemas.ModelList),
    Operation("listKeys", "GET", "/api/keys", "The tenant's keys.", None, schemas.KeyList),
    Operation(
        "createKey", "POST", "/api/keys", "Make a key; its secret is shown once.", schemas.NewKey, schemas.CreatedKey
    ),
    Operation("revokeKey", "DELETE", "/api/keys/{key}", "Revoke a key."),
    Operation("listUseCases", "GET", "/api/use-cases", "Registered purposes.", None, schemas.UseCaseList),
    Operation(
        "putUseCase",
        "PUT",
        "/api/use-cases/{use_case}",
        "Register or change one.",
        schemas.UseCaseBody,
        schemas.UseCaseView,
    ),
    Operation("deleteUseCase", "DELETE", "/api/use-cases/{use_case}", "Remove one."),
    Operation(
        "setRuleMode",
        "PUT",
        "/api/use-cases/{use_case}/rules/{rule}",
        "Let a rule observe or enforce for one use case.",
        schemas.RuleMode,
        schemas.RuleList,
    ),
    Operation(
        "listRules",
        "GET",
        "/api/rules",
        "The rules in force.",
        None,
        schemas.RuleList,
        (Parameter("use_case", "Show the modes for this use case."),),
    ),
    Operation(
        "listRecords", "GET", "/api/records", "Records, newest first.", None, schemas.RecordList, _RECORD_FILTERS
    ),
    Operation("watchRecords", "GET", "/api/records/live", "Records as they arrive (event `record`).", None, str),
    Operation("getRecord", "GET", "/api/records/{record}", "One record, whole.", None, schemas.RecordDetail),
    Operation("proveRecord", "GET", "/api/records/{record}/proof", "Its proof of inclusion.", None, schemas.ProofView),
    Operation("getLedger", "GET", "/api/ledger", "The state of the log.", None, schemas.LedgerView),
    Operation(
        "listApprovals",
        "GET",
        "/api/approvals",
        "Requests for approval, newest first.",
        None,
        schemas.ApprovalList,
        (
            Parameter("waiting", "Only those that wait for a decision.", "boolean"),
            Parameter("cursor", "Continue after this place."),
            Parameter("limit", "At most this many, 1 to 200; 50 by default.", "integer"),
        ),
    ),
    Operation(
        "getApproval",
        "GET",
        "/api/approvals/{approval}",
        "One request, with what would be sent.",
        None,
        schemas.ApprovalDetail,
    ),
    Operation(
        "approve",
        "POST",
        "/api/approvals/{approval}/approve",
        "Let it be done, once.",
        schemas.ApprovalDecision,
        schemas.ApprovalView,
    ),
    Operation(
        "refuse",
        "POST",
        "/api/approvals/{approval}/refuse",
        "Have it not done.",
        schemas.ApprovalDecision,
        schemas.ApprovalView,
    ),
    Operation("preview", "POST", "/api/preview", "What would leave.", schemas.PreviewRequest, schemas.Preview),
    Operation("chat", "POST", "/api/chat", "Chat through the gate.", schemas.ChatRequest, str),
    Operation(
        "planConfig", "POST", "/api/config/plan", "What a file would change.", schemas.ConfigText, schemas.ConfigPlan
    ),
    Operation(
        "listEntries", "GET", "/api/entries/{section}", "A section of the file, as it is.", None, schemas.EntryList
    ),
    Operation("getEntry", "GET", "/api/entries/{section}/{entry}", "One entry of it.", None, schemas.EntryView),
    Operation(
        "putEntry",
        "PUT",
        "/api/entries/{section}/{entry}",
        "Add or replace one entry.",
        schemas.EntryBody,
        schemas.ConfigPlan,
        (_DRY_RUN,),
    ),
    Operation(
        "removeEntry",
        "DELETE",
        "/api/entries/{section}/{entry}",
        "Remove one entry.",
        None,
        schemas.ConfigPlan,
        (_DRY_RUN,),
    ),
    Operation("applyConfig", "POST", "/api/config/apply", "Apply a file.", schemas.ConfigText, schemas.ConfigPlan),
)
