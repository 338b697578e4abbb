/** Where Headgate tells people that something waits, and whether it arrives. */

import { Badge, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { notificationsQuery } from "../../api/queries";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import { State, Time } from "../../elements/record";
import { plural, sentence } from "../../format";
import type { Page } from "../../page";
import { useMay } from "../../session";
import { UseCaseTitle } from "../../usecase/titles";
import { DestinationForm } from "./DestinationForm";
import { CHANNELS, EVENTS } from "./words";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/notifications",
  title: "Notifications",
  group: "govern",
  order: 40,
  may: ["notice.list"],
  icon: "M8 2a4 4 0 0 0-4 4v3L2.500 11.500h11L12 9V6a4 4 0 0 0-4-4zM6.500 13.500h3",
};

type Notification = Schemas["NotificationView"];

/** The destination in the form: its id, or a new one. */
type Edited = { readonly destination: string | null } | null;

export default function Notifications() {
  const found = useQuery(notificationsQuery);
  const [edited, setEdited] = useState<Edited>(null);
  const add = found.data?.can_change && (
    <Button leftSection={<Icon name="add" size={13} />} onClick={() => setEdited({ destination: null })}>
      Add destination
    </Button>
  );
  return (
    <>
      <PageHead title="Notifications" actions={add}>
        Headgate tells people by mail or webhook when a request waits, when it is decided, and when a budget passes a
        threshold. A message holds a title and a
        link, and no content. The configuration file can declare destinations too.
      </PageHead>
      {found.error ? (
        <Failure error={found.error} title="Headgate could not read the notifications" />
      ) : !found.data ? (
        <Rows />
      ) : found.data.notifications.length === 0 ? (
        <Empty title="Nobody is told yet">
          {found.data.can_change
            ? "Add a destination, and send a test from here."
            : "An administrator or a compliance officer adds destinations here."}
        </Empty>
      ) : (
        <Stack component="ul" className={prose.plainList} gap="xs" aria-label="Notifications">
          {found.data.notifications.map((one) => (
            <Destination
              key={one.id}
              destination={one}
              onChange={found.data.can_change ? () => setEdited({ destination: one.id }) : null}
            />
          ))}
        </Stack>
      )}
      <FormDialog
        title={edited?.destination ? `Change ${edited.destination}` : "Add destination"}
        isOpen={edited !== null}
        onClose={() => setEdited(null)}
      >
        {edited && <DestinationForm destination={edited.destination} onDone={() => setEdited(null)} />}
      </FormDialog>
    </>
  );
}

function Destination({ destination, onChange }: { destination: Notification; onChange: (() => void) | null }) {
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
            {destination.use_cases && (
              <>
                , for{" "}
                {destination.use_cases.map((id, at) => (
                  <span key={id}>
                    {at > 0 && ", "}
                    <UseCaseTitle id={id} />
                  </span>
                ))}
              </>
            )}
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
        <Group gap="xs">
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
          {onChange && (
            <Button size="xs" variant="default" aria-label={`Change ${destination.id}`} onClick={onChange}>
              Change
            </Button>
          )}
        </Group>
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
