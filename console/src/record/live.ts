/** Records as they arrive, over server-sent events. */

import { useEffect, useRef, useState } from "react";

import type { RecordView } from "../api/client";

/** Calls `onRecord` for each record that opens or closes while `isOn`; says whether the line is up. */
export function useLiveRecords(isOn: boolean, onRecord: (record: RecordView) => void): boolean {
  const [isUp, setUp] = useState(false);
  const latest = useRef(onRecord);
  useEffect(() => {
    latest.current = onRecord;
  });
  useEffect(() => {
    if (!isOn) return;
    const source = new EventSource("/api/records/live");
    source.addEventListener("open", () => setUp(true));
    source.addEventListener("error", () => setUp(false));
    source.addEventListener("record", (event) =>
      latest.current(JSON.parse((event as MessageEvent<string>).data) as RecordView),
    );
    return () => {
      source.close();
      setUp(false);
    };
  }, [isOn]);
  return isOn && isUp;
}
