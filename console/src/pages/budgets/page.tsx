/** What may be used in a period, by the organisation, a group, a person, a use case or a key. */

import { Button, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import type { Page } from "../../page";
import { BudgetLine } from "../../usage/BudgetLine";
import { budgetsQuery } from "../../usage/queries";
import { BudgetForm } from "./BudgetForm";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/budgets",
  title: "Budgets",
  group: "observe",
  order: 25,
  may: ["usage.read"],
  icon: "M2.500 4.500h11v8h-11zM2.500 7.500h11M5 10.500h2.500",
};

/** The budget in the form: its id, or a new one. */
type Edited = { readonly budget: string | null } | null;

export default function Budgets() {
  const found = useQuery(budgetsQuery);
  const [edited, setEdited] = useState<Edited>(null);
  const add = found.data?.can_change && (
    <Button leftSection={<Icon name="add" size={13} />} onClick={() => setEdited({ budget: null })}>
      Add budget
    </Button>
  );
  return (
    <>
      <PageHead title="Budgets" actions={add}>
        A budget limits what a team, a person or a program may use in a period, and counts calls from the moment it is
        added. A call that may cost more than what is left is refused. Notifications tell when a budget passes a threshold.
      </PageHead>
      {found.error ? (
        <Failure error={found.error} title="Headgate could not read the budgets" />
      ) : !found.data ? (
        <Rows />
      ) : found.data.budgets.length === 0 ? (
        <Empty title="There are no budgets yet">
          {found.data.can_change
            ? "Add one for the organisation, a group, a person, a use case or a key."
            : "An administrator adds budgets here."}
        </Empty>
      ) : (
        <Stack component="ul" className={prose.plainList} gap="xs" aria-label="Budgets">
          {found.data.budgets.map((one) => (
            <BudgetLine key={one.id} budget={one}>
              {found.data.can_change && (
                <Button
                  size="xs"
                  variant="default"
                  aria-label={`Change ${one.id}`}
                  onClick={() => setEdited({ budget: one.id })}
                >
                  Change
                </Button>
              )}
            </BudgetLine>
          ))}
        </Stack>
      )}
      <FormDialog
        title={edited?.budget ? `Change ${edited.budget}` : "Add budget"}
        isOpen={edited !== null}
        onClose={() => setEdited(null)}
      >
        {edited && <BudgetForm budget={edited.budget} onDone={() => setEdited(null)} />}
      </FormDialog>
    </>
  );
}
