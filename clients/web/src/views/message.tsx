/** One message, and what can be done with it. */

import { useSignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { type ConversationRecord, type Entry, type OutboxItem, textOf } from "starling-client";

import type { OpenConversation } from "../open_conversation.js";
import type { Row } from "../rows.js";
import { attempt, dialog, tell } from "../ui.js";
import { clock, full } from "../words.js";
import { Avatar } from "./avatar.js";
import { useChat } from "./context.js";
import { Icon, IconButton } from "./icon.js";
import { Text } from "./text.js";

const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏", "🎉", "👀"];
const PROGRESS = {
  kept: { icon: "clock", words: "Waiting to be sent" },
  sent: { icon: "check", words: "Sent" },
  delivered: { icon: "checks", words: "Delivered" },
  read: { icon: "checks", words: "Read" },
} as const;

interface MessageProps {
  row: Extract<Row, { type: "message" }>;
  open: OpenConversation;
  record: ConversationRecord;
  isActive: boolean;
  activate: (isActive: boolean) => void;
}

export function Message({ row, open, record, isActive, activate }: MessageProps) {
  const chat = useChat();
  const { isMine, seq, begins } = row;
  const message = open.asItWillBe(row.entry);
  const text = textOf(message);
  const sender = message.sender ?? "";
  const name = message.sender === undefined ? "Starling" : isMine ? "You" : chat.people.name(sender);
  const isGroup = record.kind !== "direct";
  const progress = isMine && text !== undefined ? open.progress(seq) : undefined;
  const isSystem = message.body.message?.kind === "system";
  const label = [
    name,
    clock(message.at),
    text ?? "Message deleted",
    message.state?.edited_at !== undefined && text !== undefined && "edited",
    progress && PROGRESS[progress].words,
  ];
  return (
    <article
      class={`message ${isMine ? "is-mine" : ""} ${begins ? "begins" : ""} ${isSystem ? "is-system" : ""} ${isActive ? "is-active" : ""}`}
      data-key={row.key}
      data-seq={seq}
      tabIndex={-1}
      aria-label={label.filter(Boolean).join(", ")}
      onPointerEnter={({ pointerType }) => pointerType === "mouse" && activate(true)}
      onPointerLeave={({ pointerType, currentTarget }) => {
        // The buttons must not vanish under the focus.
        if (pointerType === "mouse" && !currentTarget.contains(document.activeElement)) activate(false);
      }}
      onClick={() => activate(true)}
      onFocusCapture={() => activate(true)}
      onKeyDown={(event) => onKey(event, open, message, record)}
    >
      {isGroup && !isMine && begins && (
        <button
          type="button"
          class="message-avatar"
          aria-label={`About ${name}`}
          tabIndex={isActive ? 0 : -1}
          onClick={() => message.sender !== undefined && (dialog.value = { show: "person", user: sender })}
        >
          <Avatar id={sender} name={name} user={sender} />
        </button>
      )}
      <div class="bubble">
        {isGroup && !isMine && begins && <span class="sender">{name}</span>}
        <Quote open={open} entry={message} isActive={isActive} />
        {text === undefined ? <span class="text is-gone">Message deleted</span> : <Text text={text} />}
        <span class="meta">
          {message.state?.edited_at !== undefined && text !== undefined && (
            <span title={full(message.state.edited_at)}>edited</span>
          )}
          <time dateTime={new Date(message.at).toISOString()} title={full(message.at)}>
            {clock(message.at)}
          </time>
          {progress && (
            <span class={`progress ${progress}`} data-progress={progress} title={PROGRESS[progress].words}>
              <Icon name={PROGRESS[progress].icon} />
            </span>
          )}
        </span>
        {isActive && text !== undefined && record.member && (
          <Tools open={open} record={record} message={message} isMine={isMine} />
        )}
      </div>
      <Reactions open={open} message={message} isActive={isActive} />
      {open.refusals(seq).map((item) => (
        <Refused key={item.client_id} item={item} />
      ))}
    </article>
  );
}

function onKey(
  event: KeyboardEvent,
  open: OpenConversation,
  message: Entry,
  record: ConversationRecord,
): void {
  if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = {
    r: () => reply(open, message),
    e: () => message.sender === open.chat.me && edit(open, message),
    Delete: () => mayDelete(open, record, message) && askToDelete(open, message),
    Enter: () => showMessage(open, message),
  }[event.key];
  if (!action || textOf(message) === undefined) return;
  event.preventDefault();
  action();
}

function Tools({
  open,
  record,
  message,
  isMine,
}: {
  open: OpenConversation;
  record: ConversationRecord;
  message: Entry;
  isMine: boolean;
}) {
  const isPicking = useSignal(false);
  const { chat, id } = open;
  const toggle = (emoji: string) => {
    isPicking.value = false;
    react(open, message, emoji);
  };
  return (
    <div class={isPicking.value ? "tools is-picking" : "tools"} role="toolbar" aria-label="Message actions">
      {isPicking.value ? (
        EMOJI.map((emoji) => (
          <button
            type="button"
            class="emoji"
            key={emoji}
            aria-label={`React with ${emoji}`}
            aria-pressed={message.state?.reactions?.[emoji]?.includes(chat.me) ?? false}
            onClick={() => toggle(emoji)}
          >
            {emoji}
          </button>
        ))
      ) : (
        <>
          <IconButton icon="smile" label="React" onClick={() => (isPicking.value = true)} />
          <IconButton icon="reply" label="Reply" onClick={() => reply(open, message)} />
          {isMine && <IconButton icon="edit" label="Edit" onClick={() => edit(open, message)} />}
          {mayDelete(open, record, message) && (
            <IconButton icon="trash" label="Delete" onClick={() => askToDelete(open, message)} />
          )}
          <IconButton
            icon="info"
            label="Details"
            onClick={() => (dialog.value = { show: "message", conversation: id, seq: message.seq })}
          />
        </>
      )}
    </div>
  );
}

/** Of these, too, only those of the message that somebody is at can be reached by Tab: there may be hundreds of others. */
function Reactions({
  open,
  message,
  isActive,
}: {
  open: OpenConversation;
  message: Entry;
  isActive: boolean;
}) {
  const { chat } = open;
  const reactions = Object.entries(message.state?.reactions ?? {});
  if (reactions.length === 0 || message.state?.deleted_at !== undefined) return null;
  return (
    <div class="reactions">
      {reactions.map(([emoji, users]) => {
        const names = users.map((user) => (user === chat.me ? "You" : chat.people.name(user))).join(", ");
        const isMine = users.includes(chat.me);
        return (
          <button
            type="button"
            key={emoji}
            class="reaction"
            tabIndex={isActive ? 0 : -1}
            title={names}
            aria-label={`${emoji} by ${names}`}
            aria-pressed={isMine}
            onClick={() => react(open, message, emoji)}
          >
            {emoji} <span>{users.length}</span>
          </button>
        );
      })}
    </div>
  );
}

/** The message that this one replies to: shown in short, and a way to it. */
function Quote({ open, entry, isActive }: { open: OpenConversation; entry: Entry; isActive: boolean }) {
  const chat = useChat();
  const target = entry.body.message?.reply_to;
  const [quoted, setQuoted] = useState<Entry>();
  useEffect(() => {
    if (target !== undefined) void open.timeline.entry(target).then(setQuoted);
  }, [target]);
  if (target === undefined) return null;
  const who = quoted?.sender === chat.me ? "You" : quoted?.sender ? chat.people.name(quoted.sender) : "";
  const text = quoted ? (textOf(quoted) ?? "Message deleted") : "…";
  return (
    <button
      type="button"
      class="quote"
      tabIndex={isActive ? 0 : -1}
      aria-label={`In reply to ${who}: ${text}`}
      onClick={() =>
        void open.timeline.goTo(target).then((found) => {
          if (!found) tell("That message is not on this device, and there is no network.");
        })
      }
    >
      <b>{who}</b>
      <span>{text}</span>
    </button>
  );
}

/** What this user said and is not in the log yet. */
export function Unsent({ row, open }: { row: Extract<Row, { type: "unsent" }>; open: OpenConversation }) {
  const { item } = row;
  if (item.command.name !== "send") return null;
  const { text } = item.command.fields;
  const { replica } = open.chat;
  const words = item.failed ? "Not sent" : PROGRESS.kept.words;
  return (
    <article
      class={`message is-mine is-unsent ${row.begins ? "begins" : ""} ${item.failed ? "is-refused" : ""}`}
      data-key={row.key}
      tabIndex={-1}
      aria-label={`You, ${clock(item.at)}, ${text}, ${words}`}
    >
      <div class="bubble">
        <Text text={text} />
        <span class="meta">
          <time dateTime={new Date(item.at).toISOString()}>{clock(item.at)}</time>
          <span class="progress kept" data-progress="kept" title={words}>
            <Icon name={item.failed ? "warning" : "clock"} />
          </span>
        </span>
      </div>
      {item.failed && (
        <p class="refusal" role="alert">
          Not sent: {item.failed.message}.{" "}
          <button
            type="button"
            class="link"
            onClick={() => void attempt(() => replica.retry(item.client_id))}
          >
            Try again
          </button>{" "}
          <button
            type="button"
            class="link"
            onClick={() => void attempt(() => replica.discard(item.client_id))}
          >
            Discard
          </button>
        </p>
      )}
    </article>
  );
}

/** A change of a message that the server refused. */
function Refused({ item }: { item: OutboxItem }) {
  const { replica } = useChat();
  const what = { edit: "Your edit", delete: "Your deletion", react: "Your reaction", send: "It" }[
    item.command.name
  ];
  return (
    <p class="refusal" role="alert">
      {what} was refused: {item.failed?.message}.{" "}
      <button type="button" class="link" onClick={() => void attempt(() => replica.discard(item.client_id))}>
        All right
      </button>
    </p>
  );
}

function reply({ chat, id }: OpenConversation, { seq }: Entry): void {
  const { text, edit } = chat.drafts.get(id);
  chat.drafts.set(id, { text: edit === undefined ? text : "", replyTo: seq });
}

export function edit({ chat, id }: OpenConversation, message: Entry): void {
  chat.drafts.set(id, { text: textOf(message) ?? "", edit: message.seq });
}

function react({ chat, id }: OpenConversation, message: Entry, emoji: string): void {
  const isThere = message.state?.reactions?.[emoji]?.includes(chat.me);
  void attempt(() => chat.replica.react(id, message.seq, emoji, isThere ? "remove" : "add"));
}

function mayDelete(
  { chat }: OpenConversation,
  { role, kind }: ConversationRecord,
  { sender }: Entry,
): boolean {
  return sender === chat.me || (kind !== "direct" && role !== "member");
}

function askToDelete({ chat, id }: OpenConversation, { seq }: Entry): void {
  dialog.value = {
    show: "confirm",
    title: "Delete this message?",
    text: "Its text is gone for all, and for good.",
    action: "Delete",
    confirmed: async () => void (await chat.replica.delete(id, seq)),
  };
}

function showMessage({ id }: OpenConversation, { seq }: Entry): void {
  dialog.value = { show: "message", conversation: id, seq };
}
