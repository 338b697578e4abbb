/** What a message goes through: the model, the use case and the system prompt. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import type { Schemas } from "../../api/client";
import { modelsQuery } from "../../api/queries";
import { offerOf } from "../../models";
import { type Choice, useChoice } from "../../choice";

export type Through = ReturnType<typeof useThrough>;

/** The model and the use case: those of the conversation, or the last choice for a new one. Each conversation compares for itself. */
export function useThrough(open: string | null, detail: Schemas["ConversationDetail"] | undefined) {
  const models = useQuery(modelsQuery);
  const [last, setLast] = useChoice();
  const [changed, setChanged] = useState<(Partial<Choice> & { of: string | undefined }) | null>(null);
  const [system, setSystem] = useState("");
  const [compared, setCompared] = useState<{ of: string | null; model: string | null } | null>(null);
  const of = detail?.conversation.id;
  const compareWith = compared?.of === open ? compared.model : null;
  const mine = changed?.of === of ? changed : null;
  const offer = offerOf(models.data);
  const remembered = detail?.conversation.model ?? last.model;
  const isOffered = remembered !== null && (models.data === undefined || offer.ids.includes(remembered));
  const model = mine?.model ?? (isOffered ? remembered : offer.first);
  const useCase = mine?.useCase ?? detail?.conversation.use_case ?? last.useCase;
  const view = models.data?.find((one) => one.id === model);
  return {
    model,
    useCase,
    ids: offer.ids.includes(model) ? offer.ids : [model, ...offer.ids],
    system: detail ? (detail.system ?? "") : system,
    setSystem,
    compareWith: compareWith === model ? null : compareWith,
    setCompareWith: (other: string | null, conversation = open): void => setCompared({ of: conversation, model: other }),
    change: (choice: Partial<Choice>): void => {
      setChanged({ ...mine, ...choice, of });
      setLast({ model, useCase, ...choice });
    },
    isStandIn: view !== undefined && view.deployments.every((one) => one.is_built_in),
    whyNoImages:
      view === undefined || view.deployments.some((one) => one.images)
        ? null
        : `${model} takes no images. Choose another model, or remove the image.`,
  };
}

