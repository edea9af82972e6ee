import { useEffect, useState } from "preact/hooks";
import type { EntryStatus } from "starling-client";

import { dialog, sentence } from "../ui.js";
import { useChat } from "./context.js";
import { Modal } from "./modal.js";

const GROUPS = [
  ["read", "Read by"],
  ["delivered", "Delivered to"],
  ["pending", "Not there yet"],
] as const;

/** What became of a message, and with whom. */
export function MessageDialog({ id, seq }: { id: string; seq: number }) {
  const chat = useChat();
  const [status, setStatus] = useState<EntryStatus>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    chat.askNow
      .ask("status", { conversation: id, seq })
      .then(setStatus, (error) => setProblem(sentence(error)));
  }, [id, seq]);
  return (
    <Modal title="Details of the message" onClose={() => (dialog.value = undefined)}>
      {problem && <p class="problem">{problem}</p>}
      {!status && !problem && <p class="muted">Asking…</p>}
      {status &&
        GROUPS.map(([key, words]) => {
          const users = status[key];
          if (users.length === 0) return null;
          return (
            <section key={key}>
              <h3>{words}</h3>
              <p>{users.map((user) => chat.people.name(user)).join(", ")}</p>
            </section>
          );
        })}
      <p class="muted">
        Number {seq} in the log of this conversation.{" "}
        <a href={`#/c/${encodeURIComponent(id)}/${seq}`}>Link to it</a>
      </p>
    </Modal>
  );
}
