/**
 * Shows Markdown as elements. HTML in the text is shown as text, images as links: nothing in an answer may run, or load
 * anything from elsewhere.
 */

import { type ReactNode, Suspense, lazy, memo, useMemo } from "react";
import type { Token, Tokens } from "marked";

import { CodeBlock } from "./CodeBlock";
import { type Formula, blocksOf, safeAddress } from "./lexing";
import styles from "./markdown.module.css";

const Maths = lazy(() => import("./Maths"));

/** The text is drawn block by block: while it is streamed, only the last block changes. */
export function Markdown({ text }: { text: string }) {
  const blocks = useMemo(() => blocksOf(text), [text]);
  return (
    <div className={styles.markdown}>
      {blocks.map((block, at) => (
        <Block key={at} raw={block.raw} block={block} />
      ))}
    </div>
  );
}

const Block = memo(
  function Block({ block }: { raw: string; block: Token }) {
    return blockOf(block);
  },
  (before, after) => before.raw === after.raw && before.block.type === after.block.type,
);

function blockOf(token: Token): ReactNode {
  switch (token.type) {
    case "heading":
      return <Heading token={token as Tokens.Heading} />;
    case "paragraph":
      return <p>{inline(token.tokens)}</p>;
    case "text":
      return token.tokens ? inline(token.tokens) : unescaped((token as Tokens.Text).text);
    case "code":
      return <CodeBlock text={(token as Tokens.Code).text} language={(token as Tokens.Code).lang ?? ""} />;
    case "blockquote":
      return <blockquote>{blocks(token.tokens)}</blockquote>;
    case "list":
      return <List token={token as Tokens.List} />;
    case "table":
      return <Table token={token as Tokens.Table} />;
    case "hr":
      return <hr />;
    case "formula":
      return <FormulaView formula={token as unknown as Formula} />;
    case "space":
    case "def":
      return null;
    default:
      return <p>{token.raw}</p>;
  }
}

function blocks(tokens: readonly Token[] | undefined): ReactNode {
  return tokens?.map((token, at) => <Block key={at} raw={token.raw} block={token} />);
}

/** Headings of an answer stand below those of the page. */
function Heading({ token }: { token: Tokens.Heading }) {
  return (
    <div role="heading" aria-level={Math.min(token.depth + 2, 6)} className={styles.heading} data-depth={token.depth}>
      {inline(token.tokens)}
    </div>
  );
}

function List({ token }: { token: Tokens.List }) {
  const items = token.items.map((item, at) => (
    <li key={at} className={item.task ? styles.task : undefined}>
      {item.task && <input type="checkbox" checked={item.checked} disabled aria-label="Done" />}
      {blocks(item.tokens.filter((one) => one.type !== "checkbox"))}
    </li>
  ));
  return token.ordered ? <ol start={Number(token.start) || 1}>{items}</ol> : <ul>{items}</ul>;
}

function Table({ token }: { token: Tokens.Table }) {
  const align = (at: number) => ({ textAlign: token.align[at] ?? undefined }) as const;
  return (
    <div className={styles.wide} role="region" aria-label="Table" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {token.header.map((cell, at) => (
              <th key={at} scope="col" style={align(at)}>
                {inline(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, number) => (
            <tr key={number}>
              {row.map((cell, at) => (
                <td key={at} style={align(at)}>
                  {inline(cell.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function FormulaView({ formula }: { formula: Formula }) {
  return (
    <Suspense fallback={<code>{formula.text}</code>}>
      <Maths text={formula.text} isBlock={formula.isBlock} />
    </Suspense>
  );
}

function inline(tokens: readonly Token[] | undefined): ReactNode {
  return tokens?.map((token, at) => <Inline key={at} token={token} />);
}

function Inline({ token }: { token: Token }): ReactNode {
  switch (token.type) {
    case "strong":
      return <strong>{inline(token.tokens)}</strong>;
    case "em":
      return <em>{inline(token.tokens)}</em>;
    case "del":
      return <del>{inline(token.tokens)}</del>;
    case "codespan":
      return <code>{(token as Tokens.Codespan).text}</code>;
    case "br":
      return <br />;
    case "link":
      return <Away address={(token as Tokens.Link).href}>{inline(token.tokens)}</Away>;
    case "image":
      return <Away address={(token as Tokens.Image).href}>Image: {(token as Tokens.Image).text || "without a name"}</Away>;
    case "formula":
      return <FormulaView formula={token as unknown as Formula} />;
    case "escape":
      return (token as Tokens.Escape).text;
    case "text":
      return token.tokens ? inline(token.tokens) : unescaped((token as Tokens.Text).text);
    default:
      return token.raw;
  }
}

/** A link to another site; an address that is not of the web or of mail is shown as text. */
function Away({ address, children }: { address: string; children: ReactNode }) {
  const safe = safeAddress(address);
  if (safe === null) return children;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer nofollow" title={safe}>
      {children}
    </a>
  );
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", nbsp: "\u00a0" };

function unescaped(text: string): string {
  return text.replaceAll(/&(amp|lt|gt|quot|#39|nbsp);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}
