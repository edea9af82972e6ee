/** What the list of messages shows, line by line, of a part of a log and the outbox. Pure. */

import type { Entry, OutboxItem, Seq } from "starling-client";

import { isSameDay } from "./words.js";

export type Row =
  | { type: "day"; key: string; at: number }
  | { type: "unread"; key: string }
  | { type: "notice"; key: string; seq: Seq; at: number; text: string }
  | { type: "message"; key: string; seq: Seq; entry: Entry; isMine: boolean; begins: boolean }
  | { type: "unsent"; key: string; item: OutboxItem; begins: boolean };

/** Messages of one sender that follow one another within this time are one group. */
const GROUP_MS = 5 * 60_000;

export interface RowsOf {
  entries: readonly Entry[];
  /** What is said and not in the log: shown at its end. */
  unsent: readonly OutboxItem[];
  me: string;
  /** The line above the first message that was unread comes after this entry. */
  unreadAfter: Seq | undefined;
  noticeOf: (entry: Entry) => string | undefined;
}

export function rowsOf({ entries, unsent, me, unreadAfter, noticeOf }: RowsOf): Row[] {
  const rows: Row[] = [];
  let lastAt: number | undefined;
  let group: { sender: string | undefined; at: number } | undefined;
  let isUnreadShown = unreadAfter === undefined || (entries[0]?.seq ?? 0) > unreadAfter + 1;

  const begin = (at: number) => {
    if (lastAt === undefined || !isSameDay(lastAt, at)) {
      rows.push({ type: "day", key: `day-${new Date(at).toDateString()}`, at });
      group = undefined;
    }
    lastAt = at;
  };
  const joins = (sender: string | undefined, at: number): boolean => {
    const begins = group === undefined || group.sender !== sender || at > group.at + GROUP_MS;
    group = { sender, at };
    return begins;
  };

  for (const entry of entries) {
    const { seq, at, sender, client_id, body } = entry;
    if (body.message) {
      begin(at);
      const isMine = sender === me;
      if (!isUnreadShown && seq > (unreadAfter ?? 0) && !isMine) {
        rows.push({ type: "unread", key: "unread" });
        isUnreadShown = true;
        group = undefined;
      }
      // What was just sent keeps its place on the page when it gets its place in the log.
      const key = isMine && client_id !== undefined ? client_id : `${seq}`;
      rows.push({ type: "message", key, seq, entry, isMine, begins: joins(sender, at) });
    } else {
      const text = noticeOf(entry);
      if (text === undefined) continue;
      begin(at);
      rows.push({ type: "notice", key: `${seq}`, seq, at, text });
      group = undefined;
    }
  }
  // The log and the outbox are read one after the other: what has moved meanwhile is in both, for a moment.
  const stored = new Set(entries.map(({ sender, client_id }) => (sender === me ? client_id : undefined)));
  for (const item of unsent) {
    if (stored.has(item.client_id)) continue;
    begin(Math.max(item.at, lastAt ?? 0));
    rows.push({ type: "unsent", key: item.client_id, item, begins: joins(me, item.at) });
  }
  return rows;
}
