/** The icons, drawn on a grid of 16. They say nothing to screen readers: the words beside them do. */

const PATHS = {
  key: "M5.500 7.500a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM7.700 8.300 13.500 2.500M11 5l2 2M9.200 6.800l1.500 1.500",
  live: "M1.5 8.5h3L6.5 3l3 10 2-4.5h3",
  good: "M8 1.800a6.200 6.200 0 1 1 0 12.400A6.200 6.200 0 0 1 8 1.800zM5.200 8.200l2 2 3.600-4",
  bad: "M8 1.800a6.200 6.200 0 1 1 0 12.400A6.200 6.200 0 0 1 8 1.800zM5.800 5.800l4.400 4.400M10.200 5.800l-4.400 4.400",
  warn: "M8 2.200 14.500 13.500h-13zM8 6.500v3.200M8 11.400v.4",
  open: "M8 1.800a6.200 6.200 0 1 1 0 12.400A6.200 6.200 0 0 1 8 1.800zM8 4.800V8l2.200 1.600",
  duty: "M2.500 8h11M9.500 4l4 4-4 4",
  copy: "M5.500 5.500h8v8h-8zM3.500 10.500h-1v-8h8v1",
  add: "M8 3v10M3 8h10",
  search: "M7 2.200a4.800 4.800 0 1 1 0 9.600A4.800 4.800 0 0 1 7 2.200zM10.500 10.500l3.500 3.500",
  menu: "M2 4h12M2 8h12M2 12h12",
  close: "M3.500 3.500l9 9M12.500 3.500l-9 9",
  sun: "M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1.100 1.100M11.900 11.900 13 13M3 13l1.100-1.100M11.900 4.100 13 3",
  person: "M8 8a2.800 2.800 0 1 0 0-5.600A2.800 2.800 0 0 0 8 8zM2.800 14c0-2.800 2.300-4.200 5.200-4.200s5.200 1.400 5.200 4.200",
  out: "M6.500 3h-4v10h4M6 8h8M11 5l3 3-3 3",
  stop: "M4 4h8v8H4z",
  send: "M2 8 14 2.500 10.500 13.500 7.500 9z",
  back: "M13 8H3M7 4 3 8l4 4",
  forth: "M6 3.500 10.500 8 6 12.500",
  more: "M3 8h.1M8 8h.1M13 8h.1",
  again: "M13 8a5 5 0 1 1-1.600-3.600M13 2v3h-3",
  edit: "M3 13l.600-3L10.500 3.100l2.400 2.400L6 12.400z",
  clip: "M12.500 7.500 8 12a2.800 2.800 0 0 1-4-4l5-5a1.900 1.900 0 0 1 2.700 2.700L7 10.400a.9.9 0 0 1-1.300-1.300L9.500 5.300",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size }: { name: IconName; size?: number }) {
  return <Drawn path={PATHS[name]} size={size} />;
}

/** An icon that is not one of these, such as that of a page. */
export function Drawn({ path, size = 16 }: { path: string; size?: number }) {
  return (
    <svg viewBox="0 0 16 16" width={size} height={size} aria-hidden="true" focusable="false">
      <path
        d={path}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.4"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}

/** The logo: a gate over water, with one block let through. */
export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg
      viewBox="0 0 32 32"
      width={size}
      height={size}
      aria-hidden="true"
      focusable="false"
      fill="none"
      strokeLinecap="round"
    >
      <path d="M7 26V9.500M25 26V9.500M4 9.500h24M16 4.500v11" stroke="currentColor" strokeWidth="2.800" />
      <path d="M11 15.500h10v6H11z" fill="currentColor" />
      <path
        d="M10.500 26.300q1.400-1.700 2.750 0t2.750 0 2.750 0 2.750 0"
        stroke="currentColor"
        strokeWidth="2"
        opacity="0.65"
      />
    </svg>
  );
}
