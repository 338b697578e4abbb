/** Who keeps a collection, who may read it, and how its texts are handled. */

import { Text } from "@mantine/core";

import { Section } from "../../elements/page";
import { Labels } from "../../elements/record";
import { plural } from "../../format";
import type { Collection } from "../../knowledge/queries";
import { Colleague } from "../../people/Colleague";
import { PersonName } from "../../people/PersonName";
import prose from "../../elements/prose.module.css";

export function About({ collection }: { collection: Collection }) {
  const { id, owner, owner_name: ownerName, readers, experts, labels, shelf_life_days: shelfLife, model } = collection;
  return (
    <Section title="About">
      <dl className={prose.facts}>
        <dt>Owner</dt>
        <dd>
          <PersonName id={owner} name={ownerName} />
        </dd>
        <dt>Readers</dt>
        <dd>{readers.length === 0 ? "Only its owner and experts" : <Names ids={readers} />}</dd>
        {experts.length > 0 && (
          <>
            <dt>Experts</dt>
            <dd>
              <Names ids={experts} />
            </dd>
          </>
        )}
        <dt>At least</dt>
        <dd>
          <Labels text={labels} />
        </dd>
        <dt>Shelf life</dt>
        <dd>{shelfLife === null ? "no end" : plural(shelfLife, "day")}</dd>
        <dt>Answers</dt>
        <dd>{model === null ? "quotations" : `written by ${model}`}</dd>
        <dt>Id</dt>
        <dd className={prose.mono}>{id}</dd>
      </dl>
      <Text size="xs" className={prose.quiet} mt="sm">
        Texts are sealed at rest. Their vectors, which find passages by meaning, are not sealed, and tell something of a text.
      </Text>
    </Section>
  );
}

function Names({ ids }: { ids: readonly string[] }) {
  return ids.map((one) => (
    <div key={one}>
      <Colleague id={one} />
    </div>
  ));
}
