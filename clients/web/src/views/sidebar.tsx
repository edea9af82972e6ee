/** The list of conversations, and how the connection is. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type ConversationRecord, textOf } from "starling-client";

import { dialog, go, route } from "../ui.js";
import { brief, full, typingWords } from "../words.js";
import { Avatar } from "./avatar.js";
import { Connection } from "./connection.js";
import { useChat } from "./context.js";
import { Icon, IconButton } from "./icon.js";

export function Sidebar() {
  const chat = useChat();
  const filter = useSignal("");
  const search = useRef<HTMLInputElement>(null);
  const found = useComputed(() => {
    const wanted = filter.value.trim().toLowerCase();
    const list = chat.list.value;
    return wanted === "" ? list : list.filter((record) => chat.title(record).toLowerCase().includes(wanted));
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      search.current?.focus();
      search.current?.select();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);

  const me = chat.people.name(chat.me);
  const status = chat.presence(chat.me)?.text ?? "Set a status";
  const open = route.value.conversation;
  return (
    <nav class="sidebar" aria-label="Conversations">
      <header class="bar">
        <button
          type="button"
          class="me"
          aria-label={`${me} ${status}: profile and settings`}
          onClick={() => (dialog.value = { show: "profile" })}
        >
          <Avatar id={chat.me} name={me} user={chat.me} />
          <span class="me-text">
            <span class="me-name">{me}</span>
            <span class="me-status">{status}</span>
          </span>
        </button>
        <IconButton icon="people" label="Contacts" onClick={() => (dialog.value = { show: "contacts" })} />
        <IconButton icon="add" label="New conversation" onClick={() => (dialog.value = { show: "new" })} />
      </header>
      <div class="search">
        <Icon name="search" />
        <input
          ref={search}
          type="search"
          placeholder="Find a conversation"
          aria-label="Find a conversation"
          aria-keyshortcuts="Control+K"
          value={filter}
          onInput={(event) => (filter.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            const [first] = found.value;
            if (event.key === "Escape") filter.value = "";
            if (event.key !== "Enter" || !first) return;
            filter.value = "";
            go({ conversation: first.id });
          }}
        />
      </div>
      <ul class="conversations">
        {found.value.map((record) => (
          <Item key={record.id} record={record} isOpen={record.id === open} />
        ))}
      </ul>
      {found.value.length === 0 && <Nothing isFiltered={filter.value !== ""} />}
      <Connection />
    </nav>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  const chat = useChat();
  if (isFiltered) return <p class="empty small">Nothing by that name.</p>;
  if (chat.status.value.phase !== "live") return <p class="empty small">Looking for your conversations…</p>;
  return (
    <div class="empty small">
      <p>No conversations yet.</p>
      <button type="button" class="primary" onClick={() => (dialog.value = { show: "new" })}>
        Begin one
      </button>
    </div>
  );
}

function Item({ record, isOpen }: { record: ConversationRecord; isOpen: boolean }) {
  const chat = useChat();
  const { id, unread, last, kind } = record;
  const title = chat.title(record);
  const peer = kind === "direct" ? chat.peers.value[id] : undefined;
  const presence = chat.presence(peer)?.state;
  return (
    <li>
      <a
        class={`conversation ${unread > 0 ? "is-unread" : ""}`}
        href={`#/c/${encodeURIComponent(id)}`}
        aria-current={isOpen ? "page" : undefined}
        data-conversation={id}
      >
        <Avatar id={peer ?? id} name={title} user={peer} />
        <span class="conversation-text">
          <span class="line">
            <span class="title">
              {title}
              {presence && <span class="unseen">, {presence}</span>}
            </span>
            {last && (
              <time class="time" dateTime={new Date(last.at).toISOString()} title={full(last.at)}>
                {brief(last.at)}
              </time>
            )}
          </span>
          <span class="line">
            <Preview record={record} />
            {unread > 0 && (
              <span class="badge">
                {unread > 999 ? "999+" : unread}
                <span class="unseen"> unread</span>
              </span>
            )}
          </span>
        </span>
      </a>
    </li>
  );
}

function Preview({ record: { id, kind, last } }: { record: ConversationRecord }) {
  const chat = useChat();
  const typing = chat.typists.typing.value.get(id) ?? [];
  if (typing.length > 0) {
    const words = kind === "direct" ? "typing" : typingWords(typing.map((user) => chat.people.name(user)));
    return <span class="preview is-typing">{words}…</span>;
  }
  void chat.drafts.changes.value;
  const draft = route.value.conversation === id ? "" : chat.drafts.get(id).text.trim();
  if (draft !== "") {
    return (
      <span class="preview">
        <b class="draft">Draft</b> {draft}
      </span>
    );
  }
  const unsent = chat.outbox.value.filter(
    ({ conversation, command }) => conversation === id && command.name === "send",
  );
  const newest = unsent.at(-1);
  if (newest?.command.name === "send") {
    return (
      <span class="preview">
        <Icon name={newest.failed ? "warning" : "clock"} /> {newest.command.fields.text}
      </span>
    );
  }
  if (!last) return <span class="preview">No messages yet</span>;
  const text = textOf(last);
  if (text === undefined) return <span class="preview is-gone">Message deleted</span>;
  const who = last.sender === chat.me ? "You: " : kind === "direct" ? "" : `${senderName(last.sender)}: `;
  return (
    <span class="preview">
      {who}
      {text}
    </span>
  );

  function senderName(sender: string | undefined): string {
    return sender === undefined ? "Starling" : chat.people.name(sender);
  }
}
