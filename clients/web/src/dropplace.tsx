// SPDX-License-Identifier: Apache-2.0
//
// A panel that files are dropped on, or chosen for.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";

interface Props {
  label: string; // of the panel
  files: string; // what they are, for who cannot see
  accept?: string;
  multiple?: boolean;
  take: (files: File[]) => void; // at least one
  children: (choose: () => void) => ComponentChildren; // gets what opens the browser's dialog
}

export function DropPlace({ label, files, accept, multiple, take, children }: Props) {
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const taken = (list: FileList | null | undefined) => {
    if (list?.length) take([...list]);
  };
  return (
    <section
      class={`panel drop ${isOver ? "over" : ""}`}
      aria-label={label}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        taken(event.dataTransfer?.files);
      }}
    >
      {children(() => input.current?.click())}
      <input
        ref={input}
        type="file"
        accept={accept}
        multiple={multiple}
        hidden
        aria-label={files}
        onChange={(event) => {
          taken(event.currentTarget.files);
          event.currentTarget.value = "";
        }}
      />
    </section>
  );
}
