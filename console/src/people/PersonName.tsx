/** A person by name, with the id in small print. */

import prose from "../elements/prose.module.css";

/** @param name null for an id that nobody has, undefined where the reader may not know. */
export function PersonName({ id, name }: { id: string; name: string | null | undefined }) {
  if (id === "*") return <>Everyone</>;
  if (id.startsWith("group:")) return <>Group {id.slice("group:".length)}</>;
  const small = (text: string) => (
    <span className={prose.quiet} style={{ fontSize: "0.92em" }}>
      {text}
    </span>
  );
  if (name === null)
    return (
      <>
        {id} {small("Nobody has this id yet")}
      </>
    );
  return name && name !== id ? (
    <>
      {name} {small(id)}
    </>
  ) : (
    <>{id}</>
  );
}
