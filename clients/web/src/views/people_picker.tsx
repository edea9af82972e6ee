/** Choosing people: among the contacts, by phone number, or by id. */

import { useSignal } from "@preact/signals";

import { attempt } from "../ui.js";
import { presenceWords } from "../words.js";
import { Avatar } from "./avatar.js";
import { useChat } from "./context.js";

const PHONE = /^\+?[\d\s()/.-]{5,}$/;

export function PeoplePicker({
  label,
  chosen,
  exclude = new Set(),
  onChoose,
}: {
  label: string;
  /** Absent where one choice ends it. */
  chosen?: ReadonlySet<string>;
  exclude?: ReadonlySet<string>;
  onChoose: (user: string) => void;
}) {
  const chat = useChat();
  const text = useSignal("");
  const wanted = text.value.trim();
  const { people } = chat;
  const shown = [...new Set([...people.contacts.value, ...(chosen ?? [])])]
    .filter((user) => user !== chat.me && !exclude.has(user))
    .filter((user) =>
      `${people.name(user)} ${people.person(user)?.phone ?? ""} ${user}`
        .toLowerCase()
        .includes(wanted.toLowerCase()),
    )
    .sort((a, b) => people.name(a).localeCompare(people.name(b)));
  const add = (who: { phone: string } | { user: string }) =>
    void attempt(async () => {
      const user = await people.addContact(who);
      text.value = "";
      onChoose(user.id);
    });
  const isPhone = PHONE.test(wanted);
  const isId = !isPhone && /^\S{1,128}$/.test(wanted) && !shown.includes(wanted);
  return (
    <div class="picker">
      <label>
        <span>{label}</span>
        <input
          type="search"
          placeholder="Name, or phone number"
          value={text}
          onInput={(event) => (text.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            const [first] = shown;
            if (isPhone) add({ phone: wanted });
            else if (first !== undefined && wanted !== "") onChoose(first);
          }}
        />
      </label>
      <ul class="people" aria-label="People">
        {isPhone && (
          <li>
            <button type="button" class="person" onClick={() => add({ phone: wanted })}>
              <span class="avatar plus">+</span>
              <span class="person-text">
                <b>{wanted}</b>
                <span class="muted">Find by this number, and add to your contacts</span>
              </span>
            </button>
          </li>
        )}
        {shown.map((user) => (
          <li key={user}>
            <button
              type="button"
              class="person"
              aria-pressed={chosen ? chosen.has(user) : undefined}
              onClick={() => onChoose(user)}
            >
              <Avatar id={user} name={people.name(user)} user={user} />
              <span class="person-text">
                <b>{people.name(user)}</b>
                <span class="muted">{presenceWords(chat.presence(user)) || people.person(user)?.phone}</span>
              </span>
              {chosen?.has(user) && <span class="chosen">✓</span>}
            </button>
          </li>
        ))}
        {isId && shown.length === 0 && (
          <li>
            <button type="button" class="person" onClick={() => onChoose(wanted)}>
              <span class="avatar plus">@</span>
              <span class="person-text">
                <b>{wanted}</b>
                <span class="muted">The user with this id</span>
              </span>
            </button>
          </li>
        )}
      </ul>
      {shown.length === 0 && wanted === "" && (
        <p class="muted">No contacts yet. Type a phone number with its country's code to find somebody.</p>
      )}
    </div>
  );
}
