/**
 * Each conversation's place in its log: the one thing that decides what the application sees. Pure, no I/O.
 *
 * Constraints: an entry is passed on exactly when its seq is the cursor + 1 (I4, I8). What is not above the cursor
 * is dropped; what is above it waits, bounded, while the hole before it is filled from the log.
 */

import type {
  Body,
  Commands,
  ConversationId,
  ConversationState,
  Entry,
  HistoryPage,
  Seq,
  ServerError,
  UserId,
} from "./protocol.js";
import { LIMITS } from "./protocol.js";

/** Entries of one conversation that wait behind a hole. Beyond these the log is read again. */
export const MAX_HELD = 256;

/**
 * A server that has just failed over may have to catch up with what we have seen. One that says so often that we
 * are ahead of its log has another log.
 */
const AHEAD_FOR_GOOD = 5;

/** What a stream needs from the server to go on; `later` is after a pause, since the last answer brought nothing. */
export type Need =
  | { what: "fill"; conversation: ConversationId; later: boolean }
  /** After a pause, a `sync` for this conversation: the server did not start its stream. */
  | { what: "sync"; conversation: ConversationId };

/** What the application is to apply, in this order. */
export type Passed =
  | { type: "entry"; event: Entry }
  | { type: "conversation"; event: ConversationState }
  | { type: "removed"; event: Removed }
  | { type: "reset"; event: { conversation: ConversationId } };

/** This user is no member any more. */
export interface Removed {
  conversation: ConversationId;
  /** The conversation is deleted for all: what was said in it is gone, and is not to be kept. */
  dissolved: boolean;
}

export interface StreamCounters {
  duplicates: number;
  gaps: number;
}

/** `to_seen`: until the cursor reaches what was seen. `to_end`: until the log that this user may read ends. */
type Filling = "no" | "to_seen" | "to_end";

interface Stream {
  /** The last entry that was passed on. */
  cursor: Seq;
  /** The highest seq that is known to exist. Above the cursor while a hole is being filled. */
  seen: Seq;
  /** Entries above the hole. */
  held: Map<Seq, Entry>;
  filling: Filling;
  member: boolean;
  /** How often in a row the server said that our cursor is past its head. */
  ahead: number;
}

/** All conversations of one client. */
export class Streams {
  readonly #byId = new Map<ConversationId, Stream>();
  readonly #pass: (passed: Passed) => void;
  readonly counters: StreamCounters = { duplicates: 0, gaps: 0 };
  #me: UserId | undefined;

  /**
   * Streams that go on after `cursors`, and say through `pass` what the application is to see. Those of which this
   * user was a member are not asked for, and go on where they were should he become one again.
   */
  constructor(
    cursors: Record<ConversationId, Seq>,
    pass: (passed: Passed) => void,
    former: readonly ConversationId[] = [],
  ) {
    for (const [id, cursor] of Object.entries(cursors)) {
      this.#byId.set(id, { ...streamAt(cursor), member: !former.includes(id) });
    }
    this.#pass = pass;
  }

  /** Says whose streams these are, so that a removal is recognised. */
  belongTo(me: UserId): void {
    this.#me = me;
  }

  /** The cursor of a conversation; 0 for one that is not known. */
  cursor(id: ConversationId): Seq {
    return this.#byId.get(id)?.cursor ?? 0;
  }

  cursors(): Record<ConversationId, Seq> {
    return Object.fromEntries([...this.#byId].map(([id, stream]) => [id, stream.cursor]));
  }

  /**
   * The command that resumes all streams. Cursors beyond what a command may hold are left out: the server then
   * starts those conversations elsewhere, and the hole is filled like any other.
   */
  syncAll(): Commands["sync"] {
    return syncOf([...this.#byId].filter(([, stream]) => stream.member));
  }

  /** The command that resumes these. What is unknown to us needs no cursor. */
  syncSome(ids: Iterable<ConversationId>): Commands["sync"] {
    const known: [ConversationId, Stream][] = [];
    for (const id of ids) {
      const stream = this.#byId.get(id);
      if (stream) known.push([id, stream]);
    }
    return syncOf(known);
  }

  /** The connection ended: what was asked will not be answered, and the next `sync` asks anew. */
  disconnected(): void {
    for (const stream of this.#byId.values()) {
      stream.held.clear();
      stream.seen = stream.cursor;
      stream.filling = "no";
    }
  }

  /** An entry of the live stream. */
  entry(entry: Entry): Need | undefined {
    const id = entry.conversation;
    let stream = this.#byId.get(id);
    if (!stream) {
      if (entry.seq !== 1) {
        this.counters.gaps += 1;
        return { what: "sync", conversation: id };
      }
      // The first entry explains itself.
      stream = streamAt(0);
      this.#byId.set(id, stream);
    }
    if (entry.seq <= stream.cursor) {
      this.counters.duplicates += 1;
      return undefined;
    }
    if (entry.seq > stream.cursor + 1) {
      this.#hold(stream, entry);
      return this.#fill(id, stream, "to_seen");
    }
    this.#apply(stream, entry);
    this.#release(stream);
    return undefined;
  }

  /**
   * A conversation's stream starts. Where we have a cursor it is kept: entries up to it will be dropped as
   * duplicates, and a start beyond it is a hole.
   */
  start(state: ConversationState): Need | undefined {
    const id = state.conversation.id;
    const stream = this.#byId.get(id) ?? streamAt(state.cursor);
    this.#byId.set(id, stream);
    stream.member = true;
    stream.ahead = 0;
    stream.seen = Math.max(stream.seen, state.cursor);
    this.#pass({ type: "conversation", event: { ...state, cursor: stream.cursor } });
    return state.cursor > stream.cursor ? this.#fill(id, stream, "to_seen") : undefined;
  }

  /** The server would not follow our cursor. */
  refused(id: ConversationId, error: ServerError): Need | undefined {
    const stream = this.#byId.get(id);
    if (!stream) return undefined;
    switch (error.code) {
      case "not_a_member":
      case "unknown_conversation":
        // Read what this user may still read: it ends with the removal.
        return this.#fill(id, stream, "to_end");
      case "conversation_deleted":
        this.#removed(id, stream, true);
        return undefined;
      case "cursor_ahead":
        stream.ahead += 1;
        if (stream.ahead >= AHEAD_FOR_GOOD) {
          this.#byId.delete(id);
          this.#pass({ type: "reset", event: { conversation: id } });
        }
        return { what: "sync", conversation: id };
      default:
        return { what: "sync", conversation: id };
    }
  }

  /** A page of the log after the cursor. */
  page(id: ConversationId, page: HistoryPage): Need | undefined {
    const stream = this.#byId.get(id);
    if (!stream || stream.filling === "no") return undefined;
    const before = stream.cursor;
    for (const entry of page.entries) {
      // Live entries may have overtaken the page. A page with a hole in it is not believed past the hole.
      if (entry.seq === stream.cursor + 1) this.#apply(stream, entry);
    }
    this.#release(stream);
    const toEnd = stream.filling === "to_end";
    if (stream.cursor >= stream.seen && !(toEnd && page.more)) {
      stream.filling = "no";
      if (toEnd) this.#removed(id, stream);
      return undefined;
    }
    return { what: "fill", conversation: id, later: stream.cursor === before };
  }

  /** A page of the log was refused. */
  noPage(id: ConversationId, error: ServerError): Need | undefined {
    const stream = this.#byId.get(id);
    if (!stream || stream.filling === "no") return undefined;
    switch (error.code) {
      case "not_a_member":
      case "unknown_conversation":
      case "forbidden":
      case "conversation_deleted":
        stream.held.clear();
        stream.seen = stream.cursor;
        stream.filling = "no";
        this.#removed(id, stream, error.code === "conversation_deleted");
        return undefined;
      default:
        return { what: "fill", conversation: id, later: true };
    }
  }

  /** The only place where a cursor moves. */
  #apply(stream: Stream, entry: Entry): void {
    stream.cursor = entry.seq;
    stream.seen = Math.max(stream.seen, entry.seq);
    this.#pass({ type: "entry", event: entry });
    const member = this.#me === undefined ? undefined : membershipAfter(entry.body, this.#me);
    if (member === true) stream.member = true;
    if (member === false) this.#removed(entry.conversation, stream, entry.body.dissolved !== undefined);
  }

  /** Passes on what waited behind a hole that is now filled. */
  #release(stream: Stream): void {
    for (;;) {
      const next = stream.held.get(stream.cursor + 1);
      if (!next) break;
      this.#apply(stream, next);
    }
    for (const seq of stream.held.keys()) if (seq <= stream.cursor) stream.held.delete(seq);
  }

  #hold(stream: Stream, entry: Entry): void {
    stream.seen = Math.max(stream.seen, entry.seq);
    if (stream.held.has(entry.seq)) this.counters.duplicates += 1;
    stream.held.set(entry.seq, entry);
    // The highest go first: the log gives them again once the hole is closed.
    if (stream.held.size > MAX_HELD) stream.held.delete(Math.max(...stream.held.keys()));
  }

  /** Starts to fill a hole, unless that is under way. */
  #fill(id: ConversationId, stream: Stream, filling: Filling): Need | undefined {
    if (stream.filling !== "no") return undefined;
    stream.filling = filling;
    if (filling === "to_seen") this.counters.gaps += 1;
    return { what: "fill", conversation: id, later: false };
  }

  #removed(id: ConversationId, stream: Stream, dissolved = false): void {
    if (!stream.member && !dissolved) return;
    stream.member = false;
    this.#pass({ type: "removed", event: { conversation: id, dissolved } });
  }
}

/** What an entry makes of this user's membership, if it changes it. */
export function membershipAfter(body: Body, me: UserId): boolean | undefined {
  if (body.left?.user === me || body.dissolved) return false;
  if (body.banned?.removed && body.banned.user === me) return false;
  if (body.joined?.users.includes(me)) return true;
  if (body.created?.members.some((member) => member.user === me)) return true;
  return undefined;
}

function streamAt(cursor: Seq): Stream {
  return { cursor, seen: cursor, held: new Map(), filling: "no", member: true, ahead: 0 };
}

function syncOf(streams: [ConversationId, Stream][]): Commands["sync"] {
  const cursors: Record<ConversationId, Seq> = {};
  let bytes = 0;
  for (const [id, stream] of streams.slice(0, LIMITS.cursors)) {
    // The key, a number of up to 16 digits, and punctuation.
    bytes += id.length + 24;
    if (bytes > LIMITS.frameBytes - 1024) break;
    cursors[id] = stream.cursor;
  }
  return { cursors };
}
