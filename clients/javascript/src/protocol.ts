/**
 * What is said on the wire, as docs/protocol.md has it. Names are those of the wire.
 *
 * Constraint: servers of later versions may add fields, events and kinds of entries. Nothing here refuses them.
 */

/** An entry's place in its conversation's log, from 1. A cursor of 0 stands before the first entry. */
export type Seq = number;

export type ConversationId = string;
export type UserId = string;
export type InviteId = string;
/** The sender's idempotency key: (conversation, sender, client id) names one entry. */
export type ClientId = string;
/** Milliseconds since the Unix epoch, by the node's clock. For display; order is `seq`. */
export type Time = number;

export type Kind = "direct" | "group" | "class" | "department" | "club" | "channel" | (string & {});
export type Role = "member" | "moderator" | "admin" | (string & {});
export type MessageKind = "text" | "image" | "file" | "system" | (string & {});

/** One slot of a conversation's log. */
export interface Entry {
  conversation: ConversationId;
  seq: Seq;
  /** Absent for entries of the system. */
  sender?: UserId;
  client_id?: ClientId;
  lamport: number;
  at: Time;
  /** Messages in the log up to and including this entry. */
  messages: number;
  /** `seq` of the last change of membership up to and including this entry. */
  membership: Seq;
  body: Body;
  /** What became of a message since, as far as whoever gave the entry knows. */
  state?: MessageState;
}

/** What an entry says: one of these, or none in an entry of a later version, which counts and shows nothing. */
export interface Body {
  created?: {
    kind: Kind;
    name?: string;
    description?: string;
    avatar_url?: string;
    open?: boolean;
    members: Member[];
  };
  message?: Content;
  /** The sender's message at `target` says this from here on. */
  edited?: { target: Seq; text: string };
  /** The message at `target` is taken back: its text is gone, its place stays. */
  deleted?: { target: Seq };
  reacted?: { target: Seq; emoji: string; removed?: boolean };
  joined?: { users: UserId[]; role: Role; invite?: { id: InviteId; uses: number } };
  left?: { user: UserId };
  role_changed?: { user: UserId; role: Role };
  /** This user cannot become a member; `removed` where it was one. */
  banned?: { user: UserId; removed?: boolean };
  unbanned?: { user: UserId };
  muted?: { user: UserId; until?: Time };
  unmuted?: { user: UserId };
  /** All of what the conversation is called, and who may join it. */
  updated?: { name?: string; description?: string; avatar_url?: string; open?: boolean };
  invited?: { invite: InviteId; expires_at?: Time; max_uses?: number };
  revoked?: { invite: InviteId };
  /** The conversation is deleted for all; the last entry. */
  dissolved?: object;
  /** A hole that was found and sealed. */
  void?: object;
}

export interface Content {
  /** 1 to 5,000 characters; empty once it was deleted. */
  text: string;
  /** `text` if absent. */
  kind?: MessageKind;
  reply_to?: Seq;
}

export interface Member {
  user: UserId;
  role: Role;
}

/** What became of a message after it was sent. */
export interface MessageState {
  /** `seq` of the last entry that is taken into account here. */
  changed: Seq;
  text?: string;
  edited_at?: Time;
  deleted_at?: Time;
  deleted_by?: UserId;
  /** By emoji, then by user. */
  reactions?: Record<string, UserId[]>;
}

/** A conversation as this user sees it. */
export interface ConversationSummary {
  id: ConversationId;
  kind: Kind;
  name?: string;
  description?: string;
  avatar_url?: string;
  open?: boolean;
  /** Whether it is off the user's list until something new is said. */
  hidden?: boolean;
  role: Role;
  head: Seq;
  delivered: Seq;
  read: Seq;
  unread: number;
  /** The last message, with what became of it. */
  last?: Entry;
}

/** A member's marks: both stand for everything up to them. */
export interface Receipt {
  user: UserId;
  /** Only in the answer to `receipts`. */
  role?: Role;
  delivered: Seq;
  read: Seq;
}

export interface Presence {
  user: UserId;
  state: "online" | "away" | "offline" | (string & {});
  text?: string;
  last_seen?: Time;
}

/** Why a command was refused. `code` is stable; `message` is for people and may change. */
export interface ServerError {
  code: ErrorCode;
  message: string;
  retry_after_ms?: number;
}

export type ErrorCode =
  | "malformed"
  | "unknown_command"
  | "invalid"
  | "too_large"
  | "unauthenticated"
  | "forbidden"
  | "not_a_member"
  | "unknown_conversation"
  | "unknown_user"
  | "unknown_message"
  | "unknown_invite"
  | "banned"
  | "muted"
  | "not_open"
  | "last_admin"
  | "conversation_deleted"
  | "lamport_ahead"
  | "cursor_ahead"
  | "rate_limited"
  | "too_many_connections"
  | "unavailable"
  | "unknown"
  | "internal"
  | (string & {});

/** What lets the server find an earlier attempt. The client sets both by itself. */
interface Retryable {
  client_id?: ClientId;
  retry?: boolean;
}

/** Every command: its name on the wire, and its fields. */
export interface Commands {
  auth: { token: string };
  sync: { cursors?: Record<ConversationId, Seq> };
  create: {
    kind: Kind;
    members?: UserId[];
    name?: string;
    description?: string;
    avatar_url?: string;
    open?: boolean;
    client_id?: ClientId;
  };
  join: { conversation: ConversationId };
  leave: { conversation: ConversationId };
  add: { conversation: ConversationId; users: UserId[] };
  remove: { conversation: ConversationId; user: UserId };
  accept: { token: string };
  role: { conversation: ConversationId; user: UserId; role: Role } & Retryable;
  ban: { conversation: ConversationId; user: UserId } & Retryable;
  unban: { conversation: ConversationId; user: UserId } & Retryable;
  mute: { conversation: ConversationId; user: UserId; until?: Time } & Retryable;
  unmute: { conversation: ConversationId; user: UserId } & Retryable;
  sanctions: { conversation: ConversationId; after?: UserId; limit?: number };
  update: {
    conversation: ConversationId;
    name?: string;
    description?: string;
    avatar_url?: string;
    open?: boolean;
  } & Retryable;
  invite: { conversation: ConversationId; expires_at?: Time; max_uses?: number } & Retryable;
  invites: { conversation: ConversationId };
  revoke: { conversation: ConversationId; invite: InviteId };
  hide: { conversation: ConversationId };
  dissolve: { conversation: ConversationId };
  send: {
    conversation: ConversationId;
    client_id: ClientId;
    text: string;
    kind?: MessageKind;
    reply_to?: Seq;
    lamport?: number;
    retry?: boolean;
    sender?: UserId;
  };
  edit: { conversation: ConversationId; seq: Seq; text: string } & Retryable;
  delete: { conversation: ConversationId; seq: Seq } & Retryable;
  react: { conversation: ConversationId; seq: Seq; emoji: string; removed?: boolean } & Retryable;
  history: {
    conversation: ConversationId;
    before?: Seq;
    after?: Seq;
    around?: Seq;
    messages?: boolean;
    limit?: number;
  };
  delivered: { conversation: ConversationId; seq: Seq };
  read: { conversation: ConversationId; seq: Seq };
  receipts: { conversation: ConversationId; after?: UserId; limit?: number };
  status: { conversation: ConversationId; seq: Seq };
  typing: { conversation: ConversationId; typing: boolean };
  presence: { state?: "online" | "away"; text?: string };
  presences: { users: UserId[] };
  stats: { conversation: ConversationId; days?: number };
  my_stats: { days?: number };
  list: { after?: ConversationId; limit?: number };
  /** The user's own profile, with what is given changed. */
  me: { name?: string; about?: string; avatar_url?: string };
  user: { user: UserId };
  contacts: { after?: UserId; limit?: number };
  /** One of the two. */
  add_contact: { phone?: string; user?: UserId };
  remove_contact: { user: UserId };
  blocked: { after?: UserId; limit?: number };
  block: { user: UserId };
  unblock: { user: UserId };
  sessions: Record<string, never>;
  end_session: { session: string };
  sign_out: { everywhere?: boolean };
  ping: Record<string, never>;
}

export type CommandName = keyof Commands;

/** A command of one kind, with its name. */
export type Command = { [Name in CommandName]: { name: Name; fields: Commands[Name] } }[CommandName];

/** Where and when an entry is stored. */
export interface Sent {
  conversation: ConversationId;
  seq: Seq;
  lamport: number;
  at: Time;
  client_id?: ClientId;
}

/** Contiguous, oldest first; `more` says whether there is more in the direction that was asked for. */
export interface HistoryPage {
  entries: Entry[];
  more: boolean;
}

export interface Synced {
  conversations: number;
  refused?: Record<ConversationId, ServerError>;
}

export interface EntryStatus {
  conversation: ConversationId;
  seq: Seq;
  status: "pending" | "delivered" | "read" | (string & {});
  pending: UserId[];
  delivered: UserId[];
  read: UserId[];
}

/** A token by which others join, without the token. */
export interface Invite {
  invite: InviteId;
  by: UserId;
  at: Time;
  expires_at?: Time;
  max_uses?: number;
  uses: number;
}

export interface Sanction {
  user: UserId;
  banned?: boolean;
  muted?: boolean;
  muted_until?: Time;
}

export interface ConversationStats {
  conversation: ConversationId;
  messages: number;
  members: number;
  /** From how many of the newest messages the rest is counted. */
  counted: number;
  senders: number;
  days: { day: Time; messages: number }[];
}

/** What the user's conversations hold, and what he has sent in them. */
export interface MyStats {
  conversations: number;
  messages: number;
  unread: number;
  sent: number;
  days: { day: Time; messages: number }[];
}

/** The user's own profile. */
export interface Me {
  id: UserId;
  name?: string;
  about?: string;
  avatar_url?: string;
  phone?: string;
}

/** A user as another sees him; `contact`: whether the two are contacts. */
export interface UserProfile extends Me {
  contact: boolean;
}

export interface Contact {
  user: UserProfile;
  since: Time;
}

/** A device that has signed in. */
export interface SignedInSession {
  id: string;
  device?: string;
  created_at: Time;
  used_at: Time;
  current: boolean;
}

/** Every kind of reply. */
export interface Replies {
  sent: Sent;
  conversation: ConversationSummary;
  synced: Synced;
  history: HistoryPage;
  conversations: { conversations: ConversationSummary[]; next?: ConversationId };
  receipts: { members: Receipt[]; next?: UserId };
  status: EntryStatus;
  presences: { presences: Presence[] };
  invited: { invite: InviteId; token?: string; sent: Sent };
  invites: { invites: Invite[] };
  sanctions: { users: Sanction[]; next?: UserId };
  stats: ConversationStats;
  my_stats: MyStats;
  me: Me;
  user: UserProfile;
  contacts: { contacts: Contact[]; next?: UserId };
  contact: Contact;
  blocked: { users: UserId[]; next?: UserId };
  sessions: { sessions: SignedInSession[] };
  done: object;
  pong: { at: Time };
}

/** Which reply answers which command. */
export const REPLY_TO = {
  auth: "done",
  sync: "synced",
  create: "conversation",
  join: "sent",
  leave: "sent",
  add: "sent",
  remove: "sent",
  accept: "sent",
  role: "sent",
  ban: "sent",
  unban: "sent",
  mute: "sent",
  unmute: "sent",
  sanctions: "sanctions",
  update: "sent",
  invite: "invited",
  invites: "invites",
  revoke: "sent",
  hide: "done",
  dissolve: "sent",
  send: "sent",
  edit: "sent",
  delete: "sent",
  react: "sent",
  history: "history",
  delivered: "done",
  read: "done",
  receipts: "receipts",
  status: "status",
  typing: "done",
  presence: "done",
  presences: "presences",
  stats: "stats",
  my_stats: "my_stats",
  list: "conversations",
  me: "me",
  user: "user",
  contacts: "contacts",
  add_contact: "contact",
  remove_contact: "done",
  blocked: "blocked",
  block: "done",
  unblock: "done",
  sessions: "sessions",
  end_session: "done",
  sign_out: "done",
  ping: "pong",
} as const satisfies Record<CommandName, keyof Replies>;

/** What answers this command. */
export type ReplyTo<Name extends CommandName> = Replies[(typeof REPLY_TO)[Name]];

export interface Ready {
  user: UserId;
  node: string;
  connection: string;
  heartbeat_ms: number;
}

/** A conversation's stream starts: its next entry is `cursor` + 1. */
export interface ConversationState {
  cursor: Seq;
  conversation: ConversationSummary;
}

/** Members' marks have moved; `delivered` and `read` are the lowest of all members. */
export interface ReceiptsChange {
  conversation: ConversationId;
  delivered: Seq;
  read: Seq;
  members: Receipt[];
}

export interface TypingChange {
  conversation: ConversationId;
  user: UserId;
  typing: boolean;
}

/** This user has taken a conversation off his list, until its log holds more than so many messages. */
export interface Hidden {
  conversation: ConversationId;
  messages: number;
}

/** Every event, by its name on the wire. */
export interface ServerEvents {
  ready: Ready;
  conversation: ConversationState;
  entry: Entry;
  receipts: ReceiptsChange;
  typing: TypingChange;
  presence: Presence;
  hidden: Hidden;
  error: ServerError;
}

/** Commands by which the server finds an earlier attempt, by its client id. */
export const RETRYABLE = [
  "send",
  "edit",
  "delete",
  "react",
  "role",
  "ban",
  "unban",
  "mute",
  "unmute",
  "update",
  "invite",
] as const satisfies readonly CommandName[];

/** Commands that append to the log of the conversation that they name. */
export const APPENDING = [
  ...RETRYABLE,
  "join",
  "leave",
  "add",
  "remove",
  "revoke",
  "dissolve",
] as const satisfies readonly CommandName[];

/** The limits that a client must know. */
export const LIMITS = {
  frameBytes: 65_536,
  cursors: 1_000,
  historyPage: 200,
  clientIdBytes: 128,
} as const;

/** The subprotocol of JSON in text frames. */
export const SUBPROTOCOL = "starling.v1.json";
