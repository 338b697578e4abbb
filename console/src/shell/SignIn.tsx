/** Redeems the token of a sign-in link. It stands in the fragment, which browsers send to nobody. */

import { Button, Code, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { useNavigate } from "react-router";

import { api, take } from "../api/client";
import { changeSession } from "../api/queries";
import { Logo } from "../elements/icons";
import { Failure } from "../elements/page";
import prose from "../elements/prose.module.css";
import brand from "./brand.module.css";

export default function SignIn() {
  const [token, setToken] = useState("");
  const client = useQueryClient();
  const navigate = useNavigate();
  const { mutate, error, isPending } = useMutation({
    mutationFn: (given: string) => take(api.POST("/api/session", { body: { token: given } })),
    onSuccess: (session) => {
      changeSession(client, session);
      if (location.pathname === "/sign-in") void navigate("/", { replace: true });
    },
  });
  useEffect(() => {
    document.title = "Sign in · Headgate";
    const redeem = (): void => {
      const given = new URLSearchParams(location.hash.slice(1)).get("token");
      if (!given) return;
      // Out of the address bar and the history at once, whatever becomes of it.
      history.replaceState(history.state, "", location.pathname + location.search);
      mutate(given);
    };
    redeem();
    // A link that is opened in a tab where this page is shown changes the fragment alone.
    window.addEventListener("hashchange", redeem);
    return () => window.removeEventListener("hashchange", redeem);
  }, [mutate]);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    // People paste what they have: the whole link, or the token alone.
    mutate(token.trim().replace(/^.*#token=/, ""));
  };
  return (
    <main style={{ minHeight: "100dvh", display: "grid", placeItems: "center", padding: 16 }}>
      <Paper p="xl" w="100%" maw={440}>
        <Stack gap="md">
          <span className={brand.brand}>
            <Logo size={30} />
            Headgate
          </span>
          <div>
            <Title order={1}>{isPending ? "Signing in" : "Sign in"}</Title>
            <Text className={prose.quiet} size="sm" mt={4}>
              You need a sign-in link. It works once. Ask an administrator for one. On the machine that
              runs Headgate, this prints one:
            </Text>
            <Code block mt="xs">
              headgate sign-in
            </Code>
            <Text className={prose.quiet} size="sm" mt="xs">
              Open the link in this browser, or paste it here. Headgate also prints a link when it starts.
            </Text>
          </div>
          {error && <Failure error={error} title="The link did not work" />}
          <form onSubmit={submit}>
            <Stack gap="sm">
              <PasswordInput
                label="Sign-in link or token"
                autoComplete="off"
                value={token}
                onChange={(event) => setToken(event.currentTarget.value)}
              />
              <Button type="submit" loading={isPending} disabled={!token.trim()}>
                Sign in
              </Button>
            </Stack>
          </form>
        </Stack>
      </Paper>
    </main>
  );
}
