/**
 * What is being typed. Every key is kept; a draft goes away only when what it says is in the outbox.
 */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type ConversationRecord, type Entry, textOf } from "starling-client";

import type { Draft } from "../drafts.js";
import type { OpenConversation } from "../open_conversation.js";
import { attempt } from "../ui.js";
import { useChat } from "./context.js";
import { Icon, IconButton } from "./icon.js";
import { edit } from "./message.js";

/** Characters of a text, as the server counts them. */
const MOST = 5_000;
const TELL_FROM = 4_500;

export function Composer({ open, record }: { open: OpenConversation; record: ConversationRecord }) {
  const chat = useChat();
  const { drafts, replica } = chat;
  const input = useRef<HTMLTextAreaElement>(null);
  void drafts.changes.value;
  const draft = drafts.get(open.id);
  const { text } = draft;
  const length = [...text].length;

  useLayoutEffect(() => {
    const box = input.current;
    if (!box) return;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight + 2}px`;
  }, [text]);
  useEffect(() => {
    // A keyboard that slides in unasked hides what somebody wants to read.
    if (matchMedia("(pointer: fine)").matches || draft.replyTo !== undefined || draft.edit !== undefined) {
      input.current?.focus();
    }
  }, [open.id, draft.replyTo, draft.edit]);
  useEffect(() => () => open.ownTyping.stop(), [open]);

  const change = (next: Draft) => drafts.set(open.id, next);
  // One after the other, each with what is there by then: who presses twice while it is being kept says it once.
  const sending = useRef<Promise<void>>(Promise.resolve());
  const send = () => void (sending.current = sending.current.then(sendNow, sendNow));
  const sendNow = async () => {
    const { text, replyTo, edit } = drafts.get(open.id);
    const said = text.trim();
    if (said === "" || [...text].length > MOST) return;
    open.ownTyping.stop();
    await attempt(async () => {
      if (edit !== undefined) await replica.edit(open.id, edit, said);
      else await replica.send(open.id, said, replyTo === undefined ? {} : { reply_to: replyTo });
      // What was typed meanwhile stays.
      const now = drafts.get(open.id).text;
      change({ text: now.startsWith(text) ? now.slice(text.length) : now });
      if (edit === undefined) await open.timeline.goToEnd();
    });
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && matchMedia("(pointer: fine)").matches) {
      event.preventDefault();
      send();
    }
    if (event.key === "Escape" && (draft.replyTo !== undefined || draft.edit !== undefined)) {
      event.preventDefault();
      change({ text: draft.edit === undefined ? text : "" });
    }
    if (event.key === "ArrowUp" && text === "") {
      const last = lastOwn(open);
      if (!last) return;
      event.preventDefault();
      edit(open, last);
    }
  };

  if (!record.member) {
    return <p class="composer is-closed">You are no member of this conversation any more.</p>;
  }
  const peer = chat.peers.value[record.id];
  if (record.kind === "direct" && peer !== undefined && chat.people.blocked.value.has(peer)) {
    return (
      <p class="composer is-closed">
        You block {chat.people.name(peer)}.{" "}
        <button
          type="button"
          class="link"
          onClick={() => void attempt(() => chat.people.setBlocked(peer, false))}
        >
          Unblock
        </button>
      </p>
    );
  }
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Context
        open={open}
        draft={draft}
        cancel={() => change({ text: draft.edit === undefined ? text : "" })}
      />
      <div class="composer-line">
        <textarea
          ref={input}
          rows={1}
          value={text}
          placeholder={`Write to ${chat.title(record)}`}
          aria-label={
            draft.edit === undefined ? `Message to ${chat.title(record)}` : "New text of the message"
          }
          aria-invalid={length > MOST}
          enterkeyhint="enter"
          onInput={(event) => {
            change({ ...draft, text: event.currentTarget.value });
            if (draft.edit === undefined && event.currentTarget.value !== "") open.ownTyping.typed();
          }}
          onKeyDown={onKeyDown}
        />
        <button
          type="submit"
          class="send"
          aria-label={draft.edit === undefined ? "Send" : "Save"}
          disabled={text.trim() === "" || length > MOST}
        >
          <Icon name={draft.edit === undefined ? "send" : "check"} />
        </button>
      </div>
      {length > TELL_FROM && (
        <p class={length > MOST ? "count problem" : "count"} role="status">
          {length} of {MOST} characters
        </p>
      )}
    </form>
  );
}

/** What the draft replies to, or changes. */
function Context({ open, draft, cancel }: { open: OpenConversation; draft: Draft; cancel: () => void }) {
  const chat = useChat();
  const seq = draft.edit ?? draft.replyTo;
  const [entry, setEntry] = useState<Entry>();
  useEffect(() => {
    setEntry(undefined);
    if (seq !== undefined) void open.timeline.entry(seq).then(setEntry);
  }, [seq]);
  if (seq === undefined) return null;
  const who = entry?.sender === chat.me ? "yourself" : entry?.sender ? chat.people.name(entry.sender) : "…";
  return (
    <div class="composer-context">
      <Icon name={draft.edit === undefined ? "reply" : "edit"} />
      <span>
        <b>{draft.edit === undefined ? `Reply to ${who}` : "Edit your message"}</b>
        <span class="muted">{entry ? (textOf(entry) ?? "Message deleted") : ""}</span>
      </span>
      <IconButton
        icon="close"
        label={draft.edit === undefined ? "Do not reply" : "Do not edit"}
        onClick={cancel}
      />
    </div>
  );
}

/** The last message of this user that is shown and can be changed. */
function lastOwn({ timeline, chat }: OpenConversation): Entry | undefined {
  return timeline.shown
    .peek()
    ?.entries.findLast((entry) => entry.sender === chat.me && textOf(entry) !== undefined);
}
