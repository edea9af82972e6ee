import { useSignal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { Kind } from "starling-client";

import { attempt, dialog, go } from "../ui.js";
import { useChat } from "./context.js";
import { Modal } from "./modal.js";
import { PeoplePicker } from "./people_picker.js";

type Way = "direct" | "group" | "join";

const WAYS: [Way, string][] = [
  ["direct", "One person"],
  ["group", "Group"],
  ["join", "Join one"],
];
const KINDS: [Kind, string][] = [
  ["group", "Group: any number of people"],
  ["class", "Class: those who learn together"],
  ["department", "Department: those who work together"],
  ["club", "Club: those who share an interest"],
  ["channel", "Channel: a community, open to all"],
];

/** Begins a conversation, or joins one. */
export function NewDialog() {
  const chat = useChat();
  const [way, setWay] = useState<Way>("direct");
  const close = () => (dialog.value = undefined);
  const show = (conversation: string) => {
    close();
    go({ conversation });
  };
  return (
    <Modal title="New conversation" onClose={close}>
      <div class="tabs" role="group" aria-label="What kind">
        {WAYS.map(([name, words]) => (
          <button type="button" key={name} aria-pressed={way === name} onClick={() => setWay(name)}>
            {words}
          </button>
        ))}
      </div>
      {way === "direct" && (
        <PeoplePicker
          label="With whom?"
          onChoose={(user) => void attempt(async () => show(await chat.direct(user)))}
        />
      )}
      {way === "group" && <Group onMade={show} />}
      {way === "join" && <Join onJoined={show} />}
    </Modal>
  );
}

function Group({ onMade }: { onMade: (id: string) => void }) {
  const chat = useChat();
  const name = useSignal("");
  const kind = useSignal<Kind>("group");
  const members = useSignal<ReadonlySet<string>>(new Set());
  const isBusy = useSignal(false);
  const make = async (event: Event) => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    await attempt(async () => {
      const { id } = await chat.askNow.change("create", {
        kind: kind.value,
        members: [...members.value],
        ...(name.value.trim() === "" ? {} : { name: name.value.trim() }),
      });
      onMade(id);
    });
    isBusy.value = false;
  };
  return (
    <form onSubmit={(event) => void make(event)}>
      <label>
        <span>Name</span>
        <input
          name="name"
          maxLength={200}
          placeholder="Crew"
          value={name}
          onInput={(event) => (name.value = event.currentTarget.value)}
        />
      </label>
      <label>
        <span>Kind</span>
        <select value={kind} onChange={(event) => (kind.value = event.currentTarget.value)}>
          {KINDS.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <PeoplePicker
        label="Members"
        chosen={members.value}
        onChoose={(user) => {
          const next = new Set(members.value);
          if (!next.delete(user)) next.add(user);
          members.value = next;
        }}
      />
      <div class="actions">
        <span class="muted">{members.value.size} chosen</span>
        <button type="submit" class="primary" disabled={isBusy.value}>
          Create
        </button>
      </div>
    </form>
  );
}

function Join({ onJoined }: { onJoined: (id: string) => void }) {
  const chat = useChat();
  const [text, setText] = useState("");
  const join = async (event: Event) => {
    event.preventDefault();
    const given = text.trim();
    if (given === "") return;
    await attempt(async () => {
      // A token is a conversation's id with something secret behind it; the server tells the two apart.
      const isInvite = /\.[a-z2-7]{40,}$/.test(given);
      const { conversation } = isInvite
        ? await chat.askNow.change("accept", { token: given })
        : await chat.askNow.change("join", { conversation: given });
      onJoined(conversation);
    });
  };
  return (
    <form onSubmit={(event) => void join(event)}>
      <label>
        <span>Invite, or the id of an open conversation</span>
        <input
          name="invite"
          autocomplete="off"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <div class="actions">
        <button type="submit" class="primary" disabled={text.trim() === ""}>
          Join
        </button>
      </div>
    </form>
  );
}
