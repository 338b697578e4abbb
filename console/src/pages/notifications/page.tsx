/** Where Headgate tells people that something waits, and whether it arrives. */

import { Badge, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { notificationsQuery } from "../../api/queries";
import { Lines } from "../../elements/code";
import { Icon } from "../../elements/icons";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import { State, Time } from "../../elements/record";
import { plural, sentence } from "../../format";
import type { Page } from "../../page";
import { useMay } from "../../session";
import prose from "../../elements/prose.module.css";

export const page: Page = { path: "/notifications", title: "Notifications", below: "/approvals", may: ["notice.list"] };

type Notification = Schemas["NotificationView"];

const EXAMPLE = `[[notification]]
id = "approvers"
channel = "mail"
server = "smtp.example.com:587"
login = "env:SMTP_LOGIN"
sender = "headgate@example.com"
to = ["approvers@example.com"]`;

const CHANNELS: Readonly<Record<Notification["channel"], string>> = {
  mail: "Mail",
  webhook: "Webhook",
  slack: "Slack",
  teams: "Teams",
};

const EVENTS: Readonly<Record<string, string>> = {
  "approval.waiting": "a request waits",
  "approval.decided": "a request was decided",
};

export default function Notifications() {
  const found = useQuery(notificationsQuery);
  return (
    <>
      <Text size="sm" mb={6}>
        <Link to="/approvals" style={{ display: "inline-flex", gap: 5, alignItems: "center" }}>
          <Icon name="back" size={13} />
          Approvals
        </Link>
      </Text>
      <PageHead title="Notifications">
        Headgate tells people by mail or webhook when a request waits and when it is decided. A message holds a title and a
        link, and no content. <Link to="/configuration">Configuration</Link> declares where messages go.
      </PageHead>
      {found.error ? (
        <Failure error={found.error} title="Headgate could not read the notifications" />
      ) : !found.data ? (
        <Rows />
      ) : found.data.length === 0 ? (
        <Empty title="Nobody is told yet">
          <Stack gap="xs">
            <span>Add a section like this one to the configuration, and send a test from here.</span>
            <Lines what="Example of a notification">{EXAMPLE}</Lines>
          </Stack>
        </Empty>
      ) : (
        <Stack component="ul" className={prose.plainList} gap="xs" aria-label="Notifications">
          {found.data.map((one) => (
            <Destination key={one.id} destination={one} />
          ))}
        </Stack>
      )}
    </>
  );
}

function Destination({ destination }: { destination: Notification }) {
  const client = useQueryClient();
  const may = useMay();
  const test = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/notifications/{notification}/test", { params: { path: { notification: destination.id } } }),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: notificationsQuery.queryKey }),
  });
  return (
    <Paper component="li" p="sm">
      <Group justify="space-between" gap="sm" align="flex-start">
        <div>
          <Group gap="xs">
            <b>{destination.id}</b>
            <Badge>{CHANNELS[destination.channel]}</Badge>
            <Arrives destination={destination} />
          </Group>
          <Text size="sm" className={prose.quiet}>
            {destination.to.length ? `To ${destination.to.join(", ")} by ${destination.place}` : `To ${destination.place}`},
            when {destination.events.map((event) => EVENTS[event] ?? event).join(" or ")}
            {destination.use_cases && `, for ${destination.use_cases.join(", ")}`}
          </Text>
          <Text size="sm" className={prose.quiet}>
            {plural(destination.sent, "message")} sent in 30 days
            {destination.last_sent_at && (
              <>
                , the last <Time iso={destination.last_sent_at} />
              </>
            )}
            {destination.waiting > 0 && ` · ${destination.waiting} waiting`}
            {destination.given_up > 0 && ` · ${destination.given_up} given up`}
          </Text>
          {destination.last_error && <Text size="sm">Last error: {sentence(destination.last_error)}</Text>}
        </div>
        {may("notice.test") && (
          <Button
            size="xs"
            variant="default"
            aria-label={`Send a test to ${destination.id}`}
            loading={test.isPending}
            onClick={() => test.mutate()}
          >
            Send a test
          </Button>
        )}
      </Group>
      <div aria-live="polite">
        {test.data && (
          <Text size="sm" mt="xs">
            The test arrived: {destination.place} answered with status {test.data.status}.
          </Text>
        )}
        {test.error && <Failure error={test.error} title="The test did not arrive" />}
      </div>
    </Paper>
  );
}

function Arrives({ destination }: { destination: Notification }) {
  if (destination.last_error)
    return (
      <State tone="bad" icon="warn">
        Does not arrive
      </State>
    );
  return destination.sent > 0 ? (
    <State tone="good" icon="good">
      Arrives
    </State>
  ) : null;
}
