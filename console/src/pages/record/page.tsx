/** One record on a page of its own. */

import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";

import { api, take } from "../../api/client";
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
  const record = useParams().record!;
  const { data: place } = useQuery({
    queryKey: ["conversations", "of-record", record],
    queryFn: () => take(api.GET("/api/conversations/of-record/{record}", { params: { path: { record } } })),
  });
  return (
    <>
      <Text size="sm" mb={6} style={{ display: "flex", gap: 16 }}>
        <Link to="/activity" style={{ display: "inline-flex", gap: 5, alignItems: "center" }}>
          <Icon name="back" size={13} />
          Activity
        </Link>
        {place?.conversation && <Link to={`/chat?c=${place.conversation}`}>Open in chat</Link>}
      </Text>
      <RecordDetails id={record} />
    </>
  );
}
