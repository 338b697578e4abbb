/** How the console looks: one accent colour, dense, calm. */

import { type MantineColorsTuple, createTheme } from "@mantine/core";

const gate: MantineColorsTuple = [
  "#e8f6f4",
  "#d3eae7",
  "#a6d5cf",
  "#76bfb7",
  "#4fada3",
  "#369f95",
  "#25887f",
  "#14736c",
  "#0f6b66",
  "#08524e",
];

/** White text on the seventh has a contrast of 5.6. */
const red: MantineColorsTuple = [
  "#fdf1f0",
  "#fbe4e2",
  "#f7d6d3",
  "#eb8178",
  "#e35f55",
  "#d94a40",
  "#cd3d36",
  "#c2322f",
  "#ad2927",
  "#93201f",
];

const SMALL = { defaultProps: { size: "sm" } };
const SYSTEM = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

export const theme = createTheme({
  primaryColor: "gate",
  primaryShade: 7,
  colors: { gate, red },
  fontFamily: SYSTEM,
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
  fontSizes: { xs: "0.75rem", sm: "0.84375rem", md: "0.9375rem", lg: "1.0625rem", xl: "1.25rem" },
  headings: {
    fontFamily: SYSTEM,
    fontWeight: "600",
    sizes: { h1: { fontSize: "1.375rem" }, h2: { fontSize: "1.0625rem" }, h3: { fontSize: "0.9375rem" } },
  },
  defaultRadius: "sm",
  cursorType: "pointer",
  respectReducedMotion: true,
  // Named rather than imported, so that a component is loaded with the page that needs it.
  components: {
    Badge: {
      defaultProps: { variant: "default", radius: "sm", tt: "none", fw: 500, size: "md" },
      // A long list of categories takes a second line rather than losing its end.
      styles: { root: { height: "auto", minHeight: "var(--badge-height)" }, label: { whiteSpace: "normal" } },
    },
    Button: { defaultProps: { size: "sm", fw: 500 } },
    Modal: { defaultProps: { centered: true, closeButtonProps: { "aria-label": "Close" } } },
    NativeSelect: SMALL,
    Paper: { defaultProps: { withBorder: true, p: "md" } },
    PasswordInput: SMALL,
    SegmentedControl: { defaultProps: { size: "xs" } },
    Table: { defaultProps: { verticalSpacing: 7, horizontalSpacing: "sm", fz: "sm" } },
    Textarea: SMALL,
    TextInput: SMALL,
  },
});
