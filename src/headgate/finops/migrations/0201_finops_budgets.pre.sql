-- Budgets as declared, and the thresholds that were passed in each period.

CREATE TABLE finops.budgets (
    tenant text NOT NULL,
    id text NOT NULL,
    spec jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

-- One row for each period and threshold, so that people are told once. `subject` is what the budget counted then.
CREATE TABLE finops.budget_alerts (
    tenant text NOT NULL,
    budget text NOT NULL,
    subject text NOT NULL,
    period_start timestamptz NOT NULL,
    threshold integer NOT NULL CHECK (threshold BETWEEN 1 AND 1000),
    raised_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, budget, subject, period_start, threshold)
);
CREATE INDEX budget_alerts_raised ON finops.budget_alerts (tenant, raised_at);

SELECT substrate.protect('finops.budgets');
SELECT substrate.protect('finops.budget_alerts');

GRANT SELECT ON finops.budgets TO headgate_app, headgate_admin;
GRANT INSERT, UPDATE, DELETE ON finops.budgets TO headgate_admin;
GRANT SELECT, INSERT, DELETE ON finops.budget_alerts TO headgate_app;
