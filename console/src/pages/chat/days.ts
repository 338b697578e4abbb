/** Groups conversations by the day of their last change. */

interface Dated {
  readonly changed_at: string;
}

/** The groups Today, Yesterday and Earlier, without empty ones, in the reader's time zone. */
export function grouped<T extends Dated>(
  all: readonly T[],
  now: Date,
): readonly { readonly words: string; readonly members: readonly T[] }[] {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1).getTime();
  const wordsOf = ({ changed_at }: T): string => {
    const at = Date.parse(changed_at);
    return at >= today ? "Today" : at >= yesterday ? "Yesterday" : "Earlier";
  };
  return ["Today", "Yesterday", "Earlier"]
    .map((words) => ({ words, members: all.filter((one) => wordsOf(one) === words) }))
    .filter(({ members }) => members.length > 0);
}
