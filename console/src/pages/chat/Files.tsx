/** The files of a message: names of texts, and images as they are. */

import type { Attachment } from "./files";
import styles from "./chat.module.css";

export function Files({ files, onRemove }: { files: readonly Attachment[]; onRemove?: (at: number) => void }) {
  if (files.length === 0) return null;
  return (
    <ul className={styles.files} aria-label="Attached files">
      {files.map((file, at) => (
        <li key={at}>
          {file.data && <img src={`data:${file.media_type};base64,${file.data}`} alt={file.name} />}
          <span>{file.name}</span>
          {onRemove && (
            <button type="button" onClick={() => onRemove(at)} aria-label={`Remove ${file.name}`}>
              ×
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
