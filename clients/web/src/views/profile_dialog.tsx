import { useEffect, useState } from "preact/hooks";

import type { DeviceSession } from "../http.js";
import { attempt, dialog, setTheme, tell, theme, type Theme } from "../ui.js";
import { brief } from "../words.js";
import { Avatar } from "./avatar.js";
import { useChat } from "./context.js";
import { Modal } from "./modal.js";

const THEMES: [Theme, string][] = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];

/** This user: what others see, how the page looks, and where else he is signed in. */
export function ProfileDialog() {
  const chat = useChat();
  const { people, me } = chat;
  const person = people.person(me);
  const [name, setName] = useState(person?.name ?? "");
  const [about, setAbout] = useState(person?.about ?? "");
  const [status, setStatus] = useState(chat.presence(me)?.text ?? "");
  const [isBusy, setBusy] = useState(false);
  const close = () => (dialog.value = undefined);

  const save = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const isDone = await attempt(async () => {
      const change = {
        ...(name.trim() !== "" && name.trim() !== person?.name ? { name: name.trim() } : {}),
        ...(about.trim() !== (person?.about ?? "") ? { about: about.trim() } : {}),
      };
      if (Object.keys(change).length > 0) await people.changeMe(change);
      if (status.trim() !== (chat.presence(me)?.text ?? "")) {
        await chat.askNow.change("presence", { text: status.trim() });
        await chat.askPresences([me]);
      }
    });
    setBusy(false);
    if (!isDone) return;
    close();
    tell("Saved.");
  };
  const signOut = (everywhere: boolean) => {
    const unsent = chat.outbox.value.length;
    dialog.value = {
      show: "confirm",
      title: everywhere ? "Sign out everywhere?" : "Sign out?",
      text:
        unsent > 0
          ? `${unsent} of your messages are not sent yet, and would be lost. All that is kept on this device is removed.`
          : "All that is kept on this device is removed. It is there again when you sign in.",
      action: "Sign out",
      confirmed: async () => {
        await chat.signOut(everywhere);
        location.replace("/");
      },
    };
  };

  return (
    <Modal title="You" onClose={close}>
      <form onSubmit={(event) => void save(event)}>
        <div class="card">
          <Avatar id={me} name={people.name(me)} user={me} />
          <div>
            <b>{people.name(me)}</b>
            {person?.phone && <p class="muted">{person.phone}</p>}
            <p class="muted id">{me}</p>
          </div>
        </div>
        <label>
          <span>Name</span>
          <input
            name="name"
            maxLength={100}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label>
          <span>Status</span>
          <input
            name="status"
            maxLength={140}
            placeholder="Back on Monday"
            value={status}
            onInput={(event) => setStatus(event.currentTarget.value)}
          />
        </label>
        <label>
          <span>About you</span>
          <textarea
            name="about"
            rows={2}
            maxLength={500}
            value={about}
            onInput={(event) => setAbout(event.currentTarget.value)}
          />
        </label>
        <div class="actions">
          <button type="submit" class="primary" disabled={isBusy}>
            Save
          </button>
        </div>
      </form>
      <section>
        <h3>How the page looks</h3>
        <div class="tabs" role="group" aria-label="How the page looks">
          {THEMES.map(([value, words]) => (
            <button
              type="button"
              key={value}
              aria-pressed={theme.value === value}
              onClick={() => setTheme(value)}
            >
              {words}
            </button>
          ))}
        </div>
      </section>
      <Sessions />
      <div class="actions wrap">
        <button type="button" onClick={() => signOut(true)}>
          Sign out everywhere
        </button>
        <button type="button" class="danger" onClick={() => signOut(false)}>
          Sign out
        </button>
      </div>
    </Modal>
  );
}

/** The devices on which this user is signed in. */
function Sessions() {
  const chat = useChat();
  const [sessions, setSessions] = useState<DeviceSession[]>([]);
  const read = () => chat.api.sessions().then(setSessions, () => setSessions([]));
  useEffect(() => void read(), []);
  if (sessions.length === 0) return null;
  return (
    <section>
      <h3>Signed in</h3>
      <ul class="plain">
        {sessions.map(({ id, device, used_at, current }) => (
          <li key={id} class="line">
            <span>
              {device ?? "A device"}{" "}
              <span class="muted">{current ? "· this one" : `· ${brief(used_at)}`}</span>
            </span>
            {!current && (
              <button
                type="button"
                class="link"
                onClick={() => void attempt(() => chat.api.endSession(id)).then(read)}
              >
                End
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
