import { useSignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { CommandName, Commands, ConversationRecord, Invite, Sanction } from "starling-client";

import type { Member } from "../open_conversation.js";
import { openConversation } from "../opened.js";
import { attempt, dialog, go, tell } from "../ui.js";
import { brief, presenceWords } from "../words.js";
import { Avatar } from "./avatar.js";
import { useChat } from "./context.js";
import { Modal } from "./modal.js";
import { PeoplePicker } from "./people_picker.js";

const RANKS = ["member", "moderator", "admin"];
const PRESENCES_ASKED = 100;

/** A conversation: what it is called, who is in it, and what this user may do about that. */
export function DetailsDialog({ id }: { id: string }) {
  const chat = useChat();
  const record = chat.records.value.get(id);
  const close = () => (dialog.value = undefined);
  if (!record) return null;
  const isDirect = record.kind === "direct";
  return (
    <Modal title={chat.title(record)} onClose={close} wide>
      {!isDirect && <About record={record} />}
      <Members record={record} />
      {!isDirect && record.role !== "member" && (
        <>
          <Invites id={id} />
          <Sanctions id={id} />
        </>
      )}
      <Ends record={record} />
      <p class="muted id">
        {record.kind} · {id}
      </p>
    </Modal>
  );
}

function About({ record }: { record: ConversationRecord }) {
  const chat = useChat();
  const { id, role, open } = record;
  const [name, setName] = useState(record.name ?? "");
  const [description, setDescription] = useState(record.description ?? "");
  if (role === "member") return record.description ? <p class="about">{record.description}</p> : null;
  const save = (event: Event) => {
    event.preventDefault();
    void attempt(async () => {
      const fields = { conversation: id, name: name.trim(), description: description.trim() };
      await chat.askNow.change("update", fields);
      tell("Saved.");
    });
  };
  const isChanged = name.trim() !== (record.name ?? "") || description.trim() !== (record.description ?? "");
  return (
    <form onSubmit={save}>
      <label>
        <span>Name</span>
        <input
          name="name"
          maxLength={200}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <label>
        <span>What it is about</span>
        <textarea
          name="description"
          rows={2}
          maxLength={2_000}
          value={description}
          onInput={(event) => setDescription(event.currentTarget.value)}
        />
      </label>
      <div class="actions">
        <label class="check">
          <input
            type="checkbox"
            checked={open}
            onChange={(event) => {
              const open = event.currentTarget.checked;
              void attempt(() => chat.askNow.change("update", { conversation: id, open }));
            }}
          />
          <span>Anyone who knows the id may join</span>
        </label>
        <button type="submit" class="primary" disabled={!isChanged}>
          Save
        </button>
      </div>
    </form>
  );
}

function Members({ record }: { record: ConversationRecord }) {
  const chat = useChat();
  const isAdding = useSignal(false);
  const open = openConversation.value;
  const members = open?.id === record.id ? [...open.members.value.values()] : [];
  const users = members.map(({ user }) => user).slice(0, PRESENCES_ASKED);
  useEffect(() => {
    if (users.length > 0) chat.askPresences(users).catch(() => undefined);
  }, [users.length]);
  members.sort(
    (a, b) =>
      RANKS.indexOf(b.role) - RANKS.indexOf(a.role) ||
      chat.people.name(a.user).localeCompare(chat.people.name(b.user)),
  );
  const mayAdd = record.kind !== "direct" && record.role !== "member";
  return (
    <section>
      <h3>
        Members {members.length > 0 && <span class="muted">{members.length}</span>}
        {mayAdd && (
          <button
            type="button"
            class="link"
            aria-expanded={isAdding.value}
            onClick={() => (isAdding.value = !isAdding.value)}
          >
            {isAdding.value ? "Done" : "Add people"}
          </button>
        )}
      </h3>
      {isAdding.value && (
        <PeoplePicker
          label="Whom?"
          exclude={new Set(members.map(({ user }) => user))}
          onChoose={(user) =>
            void attempt(() => chat.askNow.change("add", { conversation: record.id, users: [user] }))
          }
        />
      )}
      {members.length === 0 && <p class="muted">Who is here is not known without a network.</p>}
      <ul class="plain people">
        {members.map((member) => (
          <MemberLine key={member.user} member={member} record={record} />
        ))}
      </ul>
    </section>
  );
}

function MemberLine({ member: { user, role }, record }: { member: Member; record: ConversationRecord }) {
  const chat = useChat();
  const { id: conversation } = record;
  const name = user === chat.me ? "You" : chat.people.name(user);
  const rank = RANKS.indexOf(record.role);
  const isAbove = rank > RANKS.indexOf(role) || (record.role === "admin" && user !== chat.me);
  const may = record.kind !== "direct" && user !== chat.me && rank > 0 && isAbove;
  const change = <Name extends Exclude<CommandName, "auth" | "sync">>(
    command: Name,
    fields: Commands[Name],
  ) => void attempt(() => chat.askNow.change(command, fields));
  return (
    <li class="member" data-member={user}>
      <button type="button" class="person" onClick={() => (dialog.value = { show: "person", user })}>
        <Avatar id={user} name={chat.people.name(user)} user={user} />
        <span class="person-text">
          <b>{name}</b>
          <span class="muted">{presenceWords(chat.presence(user))}</span>
        </span>
      </button>
      {record.kind !== "direct" &&
        (record.role === "admin" ? (
          <select
            aria-label={`Role of ${name}`}
            value={role}
            onChange={(event) => change("role", { conversation, user, role: event.currentTarget.value })}
          >
            {RANKS.map((value) => (
              <option key={value} value={value}>
                {value}
              </option>
            ))}
          </select>
        ) : (
          <span class="muted">{role === "member" ? "" : role}</span>
        ))}
      {may && (
        <select
          aria-label={`Do something about ${name}`}
          value=""
          onChange={(event) => {
            const { value } = event.currentTarget;
            event.currentTarget.value = "";
            if (value === "remove") change("remove", { conversation, user });
            if (value === "ban") change("ban", { conversation, user });
            if (value === "mute") change("mute", { conversation, user });
            if (value === "hour") change("mute", { conversation, user, until: Date.now() + 3_600_000 });
          }}
        >
          <option value="">More…</option>
          <option value="hour">Mute for an hour</option>
          <option value="mute">Mute</option>
          <option value="remove">Remove</option>
          <option value="ban">Ban</option>
        </select>
      )}
    </li>
  );
}

function Invites({ id }: { id: string }) {
  const chat = useChat();
  const [invites, setInvites] = useState<Invite[]>([]);
  const [token, setToken] = useState("");
  const read = () =>
    chat.askNow.ask("invites", { conversation: id }).then(
      ({ invites }) => setInvites(invites),
      () => undefined,
    );
  useEffect(() => void read(), [id]);
  const make = () =>
    void attempt(async () => {
      const { token } = await chat.askNow.change("invite", { conversation: id });
      setToken(token ?? "");
      await read();
    });
  return (
    <section>
      <h3>
        Invites{" "}
        <button type="button" class="link" onClick={make}>
          Make one
        </button>
      </h3>
      {token && (
        <label>
          <span>Give this to whom you invite; it is shown only now</span>
          <input readOnly value={token} onFocus={(event) => event.currentTarget.select()} />
        </label>
      )}
      <ul class="plain">
        {invites.map(({ invite, by, at, uses, max_uses }) => (
          <li key={invite} class="line">
            <span>
              By {by === chat.me ? "you" : chat.people.name(by)}, {brief(at)}{" "}
              <span class="muted">
                · used {uses}
                {max_uses === undefined ? "" : ` of ${max_uses}`} times
              </span>
            </span>
            <button
              type="button"
              class="link"
              onClick={() =>
                void attempt(() => chat.askNow.change("revoke", { conversation: id, invite })).then(read)
              }
            >
              Revoke
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Sanctions({ id }: { id: string }) {
  const chat = useChat();
  const [users, setUsers] = useState<Sanction[]>([]);
  const members = openConversation.value?.members.value;
  const read = () =>
    chat.askNow.ask("sanctions", { conversation: id, limit: 200 }).then(
      ({ users }) => setUsers(users),
      () => undefined,
    );
  // A change of what members may do is followed by a change of `members`.
  useEffect(() => void read(), [id, members]);
  if (users.length === 0) return null;
  const lift = (command: "unban" | "unmute", user: string) =>
    void attempt(() => chat.askNow.change(command, { conversation: id, user })).then(read);
  return (
    <section>
      <h3>Banned and muted</h3>
      <ul class="plain">
        {users.map(({ user, banned, muted, muted_until }) => (
          <li key={user} class="line">
            <span>
              {chat.people.name(user)}{" "}
              <span class="muted">
                {[
                  banned && "banned",
                  muted && `muted${muted_until === undefined ? "" : ` until ${brief(muted_until)}`}`,
                ]
                  .filter(Boolean)
                  .join(", ")}
              </span>
            </span>
            {banned && (
              <button type="button" class="link" onClick={() => lift("unban", user)}>
                Lift the ban
              </button>
            )}
            {muted && (
              <button type="button" class="link" onClick={() => lift("unmute", user)}>
                Let speak
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Ways out of it. */
function Ends({ record }: { record: ConversationRecord }) {
  const chat = useChat();
  const { id: conversation, kind, role } = record;
  const end = (title: string, text: string, action: string, name: "hide" | "leave" | "dissolve") => () => {
    dialog.value = {
      show: "confirm",
      title,
      text,
      action,
      confirmed: async () => {
        await chat.askNow.change(name, { conversation });
        go({});
      },
    };
  };
  return (
    <div class="actions wrap">
      <button
        type="button"
        onClick={end(
          "Take it off your list?",
          "It comes back when something new is said. Nothing is deleted for others.",
          "Take it off",
          "hide",
        )}
      >
        Take off the list
      </button>
      {kind !== "direct" && (
        <button
          type="button"
          onClick={end("Leave?", "You will not get what is said from then on.", "Leave", "leave")}
        >
          Leave
        </button>
      )}
      {kind !== "direct" && role === "admin" && (
        <button
          type="button"
          class="danger"
          onClick={end(
            "Delete for all?",
            "All that was said is gone, for everyone and for good.",
            "Delete",
            "dissolve",
          )}
        >
          Delete for all
        </button>
      )}
    </div>
  );
}
