import { useState } from "preact/hooks";

import { openConversation } from "../opened.js";
import { dialog, tell } from "../ui.js";
import { Modal } from "./modal.js";

/** Goes to the first message of a day. */
export function DateDialog({ id }: { id: string }) {
  const today = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
  const [date, setDate] = useState(today);
  const close = () => (dialog.value = undefined);
  const jump = async (event: Event) => {
    event.preventDefault();
    const time = new Date(`${date}T00:00`).getTime();
    const open = openConversation.value;
    close();
    if (Number.isNaN(time) || open?.id !== id) return;
    if (!(await open.timeline.goToTime(time)))
      tell("What was said then is not on this device, and there is no network.");
  };
  return (
    <Modal title="Jump to a date" onClose={close}>
      <form onSubmit={(event) => void jump(event)}>
        <label>
          <span>Day</span>
          <input
            type="date"
            required
            max={today}
            value={date}
            onInput={(event) => setDate(event.currentTarget.value)}
          />
        </label>
        <div class="actions">
          <button type="button" onClick={() => setDate(today)}>
            Today
          </button>
          <button type="submit" class="primary">
            Jump
          </button>
        </div>
      </form>
    </Modal>
  );
}
