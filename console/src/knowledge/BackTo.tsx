/** The way up, above the heading of a page. */

import { Text } from "@mantine/core";
import { Link } from "react-router";

import { Icon } from "../elements/icons";

export function BackTo({ to, children }: { to: string; children: string }) {
  return (
    <Text size="sm" mb={6}>
      <Link to={to} style={{ display: "inline-flex", gap: 5, alignItems: "center" }}>
        <Icon name="back" size={13} />
        {children}
      </Link>
    </Text>
  );
}
