/** The register of use cases: what each is for, who answers for it, and how it stands. */

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";

import { useCasesQuery } from "../../api/queries";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Failure, PageHead, Rows } from "../../elements/page";
import { type Page, matching } from "../../page";
import { useMay } from "../../session";
import { UseCaseForm } from "../../usecase/UseCaseForm";
import { UseCases } from "./UseCases";

export const page: Page = {
  path: "/use-cases",
  title: "Use cases",
  group: "govern",
  order: 10,
  may: ["use_case.list", "use_case.read"],
  find: async (words, { client }) =>
    matching(
      words,
      (await client.fetchQuery(useCasesQuery)).map(({ id, title, purpose }) => ({
        title: title || id,
        detail: title ? id : purpose,
        to: `/use-cases/${encodeURIComponent(id)}`,
      })),
    ),
  icon: "M2.500 4.500h11v9h-11zM5.500 4.500v-2h5v2M2.500 8.500h11M8 7.500v2",
};

export default function Register() {
  const useCases = useQuery(useCasesQuery);
  const [isOpen, setOpen] = useState(false);
  const may = useMay();
  const navigate = useNavigate();
  const done = (id: string | null): void => {
    setOpen(false);
    if (id !== null) void navigate(`/use-cases/${encodeURIComponent(id)}`);
  };
  return (
    <>
      <PageHead
        title="Use cases"
        actions={
          may("use_case.put") && (
            <Button leftSection={<Icon name="add" size={13} />} onClick={() => setOpen(true)}>
              Register use case
            </Button>
          )
        }
      >
        Every call belongs to a use case. It says what the calls are for, who answers for them, and what they may use.
      </PageHead>
      {useCases.error ? (
        <Failure error={useCases.error} title="Headgate could not read the use cases" />
      ) : !useCases.data ? (
        <Rows />
      ) : (
        <UseCases useCases={useCases.data} />
      )}
      <FormDialog title="Register use case" isOpen={isOpen} onClose={() => setOpen(false)}>
        <UseCaseForm useCase={null} onDone={done} />
      </FormDialog>
    </>
  );
}
