/**
 * What is made of a store when something comes in: the logs grow, marks move, messages change, the outbox shrinks.
 * Each function is part of a transaction of the store.
 *
 * Constraints: entries `first`..`cursor` of a conversation are all there and no others; the cursor moves by one, with
 * its entry, and never back. Everything may be applied twice, by two tabs, and changes nothing the second time.
 */

import { altered, targetOf, withoutText } from "./messages.js";
import type {
  ClientId,
  ConversationId,
  ConversationState,
  ConversationSummary,
  Entry,
  Hidden,
  ReceiptsChange,
  Seq,
  UserId,
} from "./protocol.js";
import type { ConversationRecord, Tables } from "./store.js";
import { membershipAfter, type Removed } from "./streams.js";

type Profile = Pick<ConversationSummary, "name" | "description" | "avatar_url" | "open">;

/** What of the store has changed, for those who show it. */
export interface Changes {
  /** Conversations whose record is not what it was. */
  conversations: Set<ConversationId>;
  /** Messages that were there before and say something else now. */
  messages: Map<ConversationId, Set<Seq>>;
  /** Conversations that start anew: what was shown of them is void. */
  reset: Set<ConversationId>;
  outbox: boolean;
}

export function noChanges(): Changes {
  return { conversations: new Set(), messages: new Map(), reset: new Set(), outbox: false };
}

/** The next entry of a log. One that is there already, or that would leave a hole, is let be. */
export async function applyEntry(tables: Tables, entry: Entry, me: UserId, changes: Changes): Promise<void> {
  const id = entry.conversation;
  const record = (await tables.conversation(id)) ?? unknownConversation(id);
  if (entry.seq !== record.cursor + 1) return;
  record.cursor = entry.seq;
  record.head = Math.max(record.head, entry.seq);
  record.messages = Math.max(record.messages, entry.messages);
  if (entry.body.created) {
    const { kind, members } = entry.body.created;
    record.kind = kind;
    setProfile(record, entry.body.created);
    record.role = members.find(({ user }) => user === me)?.role ?? record.role;
  }
  if (entry.body.joined?.users.includes(me)) record.role = entry.body.joined.role;
  if (entry.body.role_changed?.user === me) record.role = entry.body.role_changed.role;
  if (entry.body.updated) setProfile(record, entry.body.updated);
  record.member = membershipAfter(entry.body, me) ?? record.member;
  if (entry.body.message) {
    record.last = entry;
    record.hidden = entry.messages <= (record.hiddenUpTo ?? 0);
  }
  if (entry.body.message && entry.sender === me) moveRead(record, entry.seq, entry.messages);
  count(record);

  await tables.putEntry(entry);
  const target = targetOf(entry);
  if (target !== undefined) await refold(tables, record, target, changes);
  if (entry.sender === me && entry.client_id !== undefined) {
    changes.outbox ||= (await tables.outboxItem(entry.client_id)) !== undefined;
    await tables.deleteOutboxItem(entry.client_id);
  }
  await tables.putConversation(record);
  changes.conversations.add(id);
}

/** A conversation's stream starts: its state by the server's word. */
export async function applyState(tables: Tables, state: ConversationState, changes: Changes): Promise<void> {
  const { id, kind, role, head, read, unread, last, hidden = false } = state.conversation;
  const record = (await tables.conversation(id)) ?? { ...unknownConversation(id), ...startAt(state.cursor) };
  Object.assign(record, { kind, role, hidden, member: true });
  setProfile(record, state.conversation);
  record.head = Math.max(record.head, head);
  record.messages = Math.max(record.messages, last?.messages ?? 0, unread);
  if (last?.body.message && (record.last === undefined || last.seq >= record.last.seq)) record.last = last;
  moveRead(record, read, (last?.messages ?? record.messages) - unread);
  count(record);
  await tables.putConversation(record);
  changes.conversations.add(id);
}

/** This user is no member any more. Of what is deleted for all, nothing is kept. */
export async function applyRemoval(
  tables: Tables,
  { conversation: id, dissolved }: Removed,
  changes: Changes,
): Promise<void> {
  if (dissolved) {
    // Their log does not get there any more. What is not known to be stored is refused.
    for (const { client_id, conversation, stored } of await tables.outbox()) {
      if (conversation !== id || stored === undefined) continue;
      await tables.deleteOutboxItem(client_id);
      changes.outbox = true;
    }
    return applyReset(tables, id, changes);
  }
  const record = await tables.conversation(id);
  if (!record?.member) return;
  await tables.putConversation({ ...record, member: false });
  changes.conversations.add(id);
}

/** The cluster has another log, or none: ours goes. */
export async function applyReset(tables: Tables, id: ConversationId, changes: Changes): Promise<void> {
  await tables.deleteConversation(id);
  changes.reset.add(id);
}

/** Marks have moved; this user's own, too, where he reads on another device. */
export async function applyReceipts(
  tables: Tables,
  change: ReceiptsChange,
  me: UserId,
  changes: Changes,
): Promise<void> {
  const mine = change.members.find(({ user }) => user === me);
  if (mine) await markRead(tables, change.conversation, mine.read, changes);
  const record = await tables.conversation(change.conversation);
  if (!record) return;
  record.deliveredToAll = Math.max(record.deliveredToAll, change.delivered);
  record.readByAll = Math.max(record.readByAll, change.read);
  await tables.putConversation(record);
  changes.conversations.add(change.conversation);
}

/** This user has taken a conversation off his list, until more is said than what is counted. */
export async function applyHidden(
  tables: Tables,
  { conversation: id, messages }: Hidden,
  changes: Changes,
): Promise<void> {
  const record = await tables.conversation(id);
  if (!record) return;
  // Some of these messages may still be on their way here.
  record.hiddenUpTo = messages;
  record.hidden = record.messages <= messages;
  await tables.putConversation(record);
  changes.conversations.add(id);
}

/** This user has read everything up to `seq`. Says up to where he has now. */
export async function markRead(tables: Tables, id: ConversationId, seq: Seq, changes: Changes): Promise<Seq> {
  const record = await tables.conversation(id);
  if (!record) return 0;
  const upTo = Math.min(seq, record.head);
  if (upTo <= record.read) return record.read;
  const messages = upTo === record.head ? record.messages : (await tables.entry(id, upTo))?.messages;
  moveRead(record, upTo, messages ?? record.messagesRead);
  count(record);
  await tables.putConversation(record);
  changes.conversations.add(id);
  return record.read;
}

/** The server has stored an item of the outbox at `seq`: it goes as soon as the log is there. Says whether it went. */
export async function settle(
  tables: Tables,
  clientId: ClientId,
  seq: Seq,
  changes: Changes,
): Promise<boolean> {
  const item = await tables.outboxItem(clientId);
  if (!item) return true;
  const isThere = ((await tables.conversation(item.conversation))?.cursor ?? 0) >= seq;
  if (isThere) await tables.deleteOutboxItem(clientId);
  else if (item.stored === undefined) await tables.putOutboxItem({ ...item, stored: seq });
  else return false;
  changes.outbox = true;
  return isThere;
}

/** A page of the log right before what is there, oldest first. One that is not right before it is let be. */
export async function prepend(
  tables: Tables,
  id: ConversationId,
  page: Entry[],
  changes: Changes,
): Promise<void> {
  const record = await tables.conversation(id);
  if (!record || page.length === 0) return;
  for (const entry of [...page].reverse()) {
    if (entry.conversation !== id || entry.seq !== record.first - 1) break;
    record.first = entry.seq;
    await tables.putEntry(entry);
    await refold(tables, record, entry.seq, changes);
  }
  await tables.putConversation(record);
}

/**
 * Takes all that is known to alter a message into account: a page of the log says what had become of it when the
 * page was read, and entries that are newer say more.
 */
async function refold(tables: Tables, record: ConversationRecord, seq: Seq, changes: Changes): Promise<void> {
  const before = await tables.entry(record.id, seq);
  if (!before?.body.message) return;
  const alterations = await tables.alterations(record.id, seq);
  const message = alterations.reduce(altered, before);
  if (message.state?.deleted_at !== undefined) {
    for (const edit of alterations) if (edit.body.edited?.text) await tables.putEntry(withoutText(edit));
  }
  if (message === before) return;
  await tables.putEntry(message);
  if (record.last?.seq === seq) record.last = message;
  const messages = changes.messages.get(record.id) ?? new Set();
  changes.messages.set(record.id, messages.add(seq));
}

/** All of what a conversation is called, and who may join it: what is absent is not there. */
function setProfile(record: ConversationRecord, profile: Profile): void {
  record.open = profile.open ?? false;
  for (const field of ["name", "description", "avatar_url"] as const) {
    if (profile[field] === undefined) delete record[field];
    else record[field] = profile[field];
  }
}

function moveRead(record: ConversationRecord, read: Seq, messagesRead: number): void {
  if (read < record.read) return;
  record.read = read;
  record.messagesRead = Math.max(record.messagesRead, messagesRead);
}

function count(record: ConversationRecord): void {
  record.unread = Math.max(0, record.messages - record.messagesRead);
}

function startAt(cursor: Seq): Pick<ConversationRecord, "first" | "cursor" | "head"> {
  return { first: cursor + 1, cursor, head: cursor };
}

function unknownConversation(id: ConversationId): ConversationRecord {
  return {
    id,
    kind: "group",
    open: false,
    hidden: false,
    role: "member",
    member: true,
    ...startAt(0),
    read: 0,
    deliveredToAll: 0,
    readByAll: 0,
    unread: 0,
    messages: 0,
    messagesRead: 0,
  };
}
