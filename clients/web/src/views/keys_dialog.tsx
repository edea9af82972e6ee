import { dialog } from "../ui.js";
import { Modal } from "./modal.js";

const KEYS = [
  ["Ctrl K", "Find a conversation; Enter opens the first"],
  ["Alt ↑ ↓", "The conversation above or below"],
  ["Enter", "Send; with Shift a new line"],
  ["↑", "In an empty message: edit your last one"],
  ["Esc", "Neither reply nor edit; close"],
  ["↑ ↓", "In the messages: from one to the next"],
  ["R · E · Del", "On a message: reply, edit, delete"],
  ["Enter", "On a message: who has it, who has read it"],
] as const;

export function KeysDialog() {
  return (
    <Modal title="Keys" onClose={() => (dialog.value = undefined)}>
      <dl class="keys">
        {KEYS.map(([key, words]) => (
          <div key={words}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
