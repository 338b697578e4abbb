/** Starts the console. */

import "@mantine/core/styles.css";
import "./app.css";

import { MantineProvider, localStorageColorSchemeManager } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";

import { App } from "./App";
import { makeQueryClient } from "./api/queries";
import { Pages } from "./page";
import { PAGES } from "./pages";
import { theme } from "./theme";

const colorSchemes = localStorageColorSchemeManager({ key: "headgate-color-scheme" });

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" colorSchemeManager={colorSchemes}>
      <QueryClientProvider client={makeQueryClient()}>
        <BrowserRouter useTransitions={false}>
          <Pages value={PAGES}>
            <App />
          </Pages>
        </BrowserRouter>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
