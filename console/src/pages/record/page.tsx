/** One record on a page of its own. */

import { Text } from "@mantine/core";
import { Link, useParams } from "react-router";

import { Icon } from "../../elements/icons";
import type { Page } from "../../page";
import { RecordDetails } from "../../record/RecordDetails";

export const page: Page = {
  path: "/records/:record",
  title: "Record",
  below: "/activity",
  may: ["record.list", "record.read"],
};

export default function Record() {
  return (
    <>
      <Text size="sm" mb={6}>
        <Link to="/activity" style={{ display: "inline-flex", gap: 5, alignItems: "center" }}>
          <Icon name="back" size={13} />
          Activity
        </Link>
      </Text>
      <RecordDetails id={useParams().record!} />
    </>
  );
}
