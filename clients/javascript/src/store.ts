/**
 * Where a replica keeps what it has: conversations, their entries, the outbox. A store knows nothing of what these
 * mean; `local_log.ts` does.
 */

import type {
  ClientId,
  Command,
  ConversationId,
  Entry,
  Kind,
  Role,
  Seq,
  ServerError,
  Time,
} from "./protocol.js";

/** A conversation as it is kept. The entries `first`..`cursor` are in the store, all of them, and no others. */
export interface ConversationRecord {
  id: ConversationId;
  kind: Kind;
  name?: string;
  description?: string;
  avatar_url?: string;
  open: boolean;
  /** Whether this user has taken it off his list, and nothing new was said since. */
  hidden: boolean;
  /** Until more messages than these are there; absent where that was never told. */
  hiddenUpTo?: number;
  role: Role;
  /** Whether this user is a member. Of a former member's conversation the log stays. */
  member: boolean;
  /** `cursor` + 1 where there are none. */
  first: Seq;
  cursor: Seq;
  /** The last entry that is known to exist. */
  head: Seq;
  /** Up to where this user has read it, on whichever device. */
  read: Seq;
  /** Up to where all members have it, and have read it, as far as was heard. */
  deliveredToAll: Seq;
  readByAll: Seq;
  /** Messages after this user's mark. */
  unread: number;
  /** Messages up to the head, and up to the read mark: their difference is `unread`. */
  messages: number;
  messagesRead: number;
  /** The last message. */
  last?: Entry;
}

/** What the outbox sends: commands that the server stores once, however often they are sent. */
export type OutboxCommand = Extract<Command, { name: "send" | "edit" | "delete" | "react" }>;

/** Something that was said and is not known to be stored. */
export interface OutboxItem {
  /** Its place in the outbox; given by the store. */
  order: number;
  client_id: ClientId;
  conversation: ConversationId;
  command: OutboxCommand;
  /** When it was said, by this device's clock. */
  at: Time;
  /** Where it is stored, if that was answered: it stays here until the log has got there. */
  stored?: Seq;
  /** Why the server refused it. It is not sent again by itself. */
  failed?: ServerError;
}

/** What a transaction can read. */
export interface ReadTables {
  conversation(id: ConversationId): Promise<ConversationRecord | undefined>;
  conversations(): Promise<ConversationRecord[]>;
  entry(conversation: ConversationId, seq: Seq): Promise<Entry | undefined>;
  /** Entries from `from` to `to`, both included, oldest first: the `limit` that are nearest to the `nearest` end. */
  entries(
    conversation: ConversationId,
    range: { from: Seq; to: Seq; limit: number; nearest: "from" | "to" },
  ): Promise<Entry[]>;
  /** The entries that alter the message at `target`, oldest first. */
  alterations(conversation: ConversationId, target: Seq): Promise<Entry[]>;
  /** In the order of `order`. */
  outbox(): Promise<OutboxItem[]>;
  outboxItem(id: ClientId): Promise<OutboxItem | undefined>;
  /** A small fact about the store itself. */
  fact(name: string): Promise<string | undefined>;
}

/** What a transaction can change. */
export interface Tables extends ReadTables {
  putConversation(record: ConversationRecord): Promise<void>;
  /** Its entries go with it. */
  deleteConversation(id: ConversationId): Promise<void>;
  putEntry(entry: Entry): Promise<void>;
  /** Puts an item at the end of the outbox. */
  addToOutbox(item: Omit<OutboxItem, "order">): Promise<void>;
  putOutboxItem(item: OutboxItem): Promise<void>;
  deleteOutboxItem(id: ClientId): Promise<void>;
  putFact(name: string, value: string): Promise<void>;
}

export type Durability = "relaxed" | "strict";

/**
 * A transaction happens whole or not at all, and alone: two that write never see each other's half. While it runs,
 * `work` waits for nothing but its tables.
 */
export interface Store {
  /** The name by which other tabs have the same store, if they have. */
  readonly shared: string | undefined;
  read<Result>(work: (tables: ReadTables) => Promise<Result>): Promise<Result>;
  /** With `strict`, what is written outlives the loss of power right after: for what is nowhere else. */
  write<Result>(work: (tables: Tables) => Promise<Result>, durability?: Durability): Promise<Result>;
  close(): void;
}
