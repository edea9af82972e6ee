import { useEffect } from "preact/hooks";

import { attempt, dialog, go } from "../ui.js";
import { presenceWords } from "../words.js";
import { Avatar } from "./avatar.js";
import { useChat } from "./context.js";
import { Modal } from "./modal.js";

/** Another user, and what can be done about him. */
export function PersonDialog({ user }: { user: string }) {
  const chat = useChat();
  const { people } = chat;
  const person = people.person(user);
  const presence = chat.presence(user);
  const isContact = people.contacts.value.includes(user);
  const isBlocked = people.blocked.value.has(user);
  useEffect(() => void chat.askPresences([user]).catch(() => undefined), [user]);
  const close = () => (dialog.value = undefined);
  return (
    <Modal title={people.name(user)} onClose={close}>
      <div class="card">
        <Avatar id={user} name={people.name(user)} user={user} />
        <div>
          <p>
            {[presenceWords(presence), presence?.text].filter(Boolean).join(" · ") || "Presence is not known"}
          </p>
          {person?.phone && <p class="muted">{person.phone}</p>}
          {person?.about && <p class="about">{person.about}</p>}
          <p class="muted id">{user}</p>
        </div>
      </div>
      <div class="actions wrap">
        <button type="button" onClick={() => void attempt(() => people.setBlocked(user, !isBlocked))}>
          {isBlocked ? "Unblock" : "Block"}
        </button>
        <button
          type="button"
          onClick={() =>
            void attempt(() => (isContact ? people.removeContact(user) : people.addContact({ user })))
          }
        >
          {isContact ? "Remove from contacts" : "Add to contacts"}
        </button>
        <button
          type="button"
          class="primary"
          onClick={() =>
            void attempt(async () => {
              const conversation = await chat.direct(user);
              close();
              go({ conversation });
            })
          }
        >
          Message
        </button>
      </div>
    </Modal>
  );
}
