/** Dialogs: forms that an outside click does not close, and one-time secrets that only their button closes. */

import { Modal } from "@mantine/core";
import type { ReactNode } from "react";

interface Props {
  readonly title: string;
  readonly isOpen: boolean;
  /** Whether nothing but a button inside closes it: what it shows is not shown again. */
  readonly isFinal?: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** A form above the page. Escape closes it; what was typed is kept as a draft by the form. */
export function FormDialog({ title, isOpen, isFinal = false, onClose, children }: Props) {
  return (
    <Modal
      opened={isOpen}
      onClose={onClose}
      title={title}
      size="lg"
      closeOnClickOutside={false}
      closeOnEscape={!isFinal}
      withCloseButton={!isFinal}
    >
      {children}
    </Modal>
  );
}
