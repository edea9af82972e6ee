/** What became of messages: edits, deletions and reactions are entries, and this is what they make of a message. */

import type { Entry, MessageState, Seq } from "./protocol.js";
import type { ConversationRecord, OutboxItem } from "./store.js";

/**
 * How far a message of this user's has come. `failed`: the server refused it, it is not stored, and it is not sent again by
 * itself. `pending`: it is stored. `delivered` and `read`: all others have it, and have read it.
 */
export type MessageStatus = "sending" | "failed" | "pending" | "delivered" | "read";

/** The status of a message in the log or in the outbox, as far as was heard of the others. */
export function statusOf(message: Entry | OutboxItem, conversation: ConversationRecord): MessageStatus {
  if ("order" in message) {
    if (message.failed) return "failed";
    return message.stored === undefined ? "sending" : "pending";
  }
  if (message.seq <= conversation.readByAll) return "read";
  return message.seq <= conversation.deliveredToAll ? "delivered" : "pending";
}

/** What a message says now; nothing where it was deleted, or where the entry is no message. */
export function textOf(entry: Entry): string | undefined {
  if (entry.body.message === undefined || entry.state?.deleted_at !== undefined) return undefined;
  return entry.state?.text ?? entry.body.message.text;
}

/** The message that an entry alters, if it alters one. */
export function targetOf(entry: Entry): Seq | undefined {
  const { edited, deleted, reacted } = entry.body;
  return (edited ?? deleted ?? reacted)?.target;
}

/** The message, with what the entry makes of it. What is taken into account already changes nothing. */
export function altered(message: Entry, by: Entry): Entry {
  const before: MessageState = message.state ?? { changed: message.seq };
  if (by.seq <= before.changed || message.body.message === undefined) return message;
  const state: MessageState = { ...before, changed: by.seq };
  const isDeleted = before.deleted_at !== undefined;
  const { edited, deleted, reacted } = by.body;
  if (edited && !isDeleted) {
    state.text = edited.text;
    state.edited_at = by.at;
  }
  if (reacted && by.sender !== undefined) {
    state.reactions = react(before.reactions ?? {}, by.sender, reacted.emoji, reacted.removed === true);
  }
  if (deleted && !isDeleted) {
    delete state.text;
    delete state.edited_at;
    state.deleted_at = by.at;
    if (by.sender !== undefined) state.deleted_by = by.sender;
  }
  const isGone = state.deleted_at !== undefined;
  return { ...message, state, body: isGone ? withoutText(message).body : message.body };
}

/** An entry without what it said: of a message that was deleted, and of its edits, the text is kept nowhere. */
export function withoutText(entry: Entry): Entry {
  const { message, edited } = entry.body;
  if (message) return { ...entry, body: { message: { ...message, text: "" } } };
  if (edited) return { ...entry, body: { edited: { ...edited, text: "" } } };
  return entry;
}

/** Any emoji may be a key, `__proto__` too. */
function react(
  reactions: Record<string, string[]>,
  user: string,
  emoji: string,
  removed: boolean,
): Record<string, string[]> {
  const byEmoji = new Map(Object.entries(reactions));
  const users = (byEmoji.get(emoji) ?? []).filter((other) => other !== user);
  if (!removed) users.push(user);
  if (users.length > 0) byEmoji.set(emoji, users.sort());
  else byEmoji.delete(emoji);
  return Object.fromEntries(byEmoji);
}
