/** What belongs to one connection and goes with it: its clocks, and what the streams have asked of it. Pure. */

import { retryDelay, SETTLED_MS } from "./backoff.js";
import type { Command, ConversationId } from "./protocol.js";
import type { Need, Streams } from "./streams.js";

/** From the first try to the server's `ready`. */
const READY_TIMEOUT_MS = 15_000;
/** For the answer to a `ping`, before the connection is given up. */
export const PING_PATIENCE_MS = 10_000;
/** The same where somebody has just come back to the device, and waits. */
const WAKE_PATIENCE_MS = 4_000;
/** For the server to close a connection on which nothing may be sent any more. */
const CLOSE_GRACE_MS = 1_000;
/** Pages of history that are asked for at the same time, to fill holes. */
const FILLS = 8;
/** Entries in such a page: 100 of the longest texts are a few hundred kilobytes. */
const FILL_LIMIT = 100;

/** What a `sync` is about. */
type Scope = "all" | Set<ConversationId>;

/** A command that was sent for the connection's own sake. */
export type Asked =
  | { what: "sync"; scope: Scope }
  | { what: "fill"; conversation: ConversationId }
  /** Nobody waits for the answer. */
  | { what: "aside" };

export class Session {
  /** Whether it brought the application anything. */
  useful = false;
  /** What the server knows of it: every connection begins so. */
  availability: "online" | "away" = "online";
  readonly #since: number;
  #lastFrame: number;
  /** Absent until the server says `ready`. */
  #heartbeat: number | undefined;
  /** The connection is given up at this time. */
  #pingDeadline = Infinity;
  #pingWanted = false;
  /** Nothing new is sent, and the connection is dropped at this time. */
  #frozen = Infinity;
  /** By the command's id. */
  readonly #asked = new Map<number, Asked>();
  readonly #fills: ConversationId[] = [];
  #fillsLater: { at: number; conversation: ConversationId }[] = [];
  #filling = 0;
  #sync: { at: number; scope: Scope } | undefined;
  /** The server drops a `sync` that is under way when the next one comes. */
  #syncing = false;
  #syncsInVain = 0;

  constructor(
    now: number,
    readonly random: () => number,
  ) {
    this.#since = now;
    this.#lastFrame = now;
    this.#sync = { at: now, scope: "all" };
  }

  /** The server is ready. */
  ready(heartbeat: number): void {
    this.#heartbeat = heartbeat;
  }

  maySend(): boolean {
    return this.#heartbeat !== undefined && this.#frozen === Infinity;
  }

  heard(now: number): void {
    this.#lastFrame = now;
    this.#pingDeadline = Infinity;
  }

  /** Sends nothing more, and leaves the server a moment to close. */
  freeze(now: number): void {
    this.#frozen = Math.min(this.#frozen, now + CLOSE_GRACE_MS);
  }

  /** Asks for a sign of life now, with little patience. */
  check(now: number): void {
    this.#pingWanted = true;
    this.#pingDeadline = Math.min(this.#pingDeadline, now + WAKE_PATIENCE_MS);
  }

  /** Whether the next pause before connecting may be a short one. */
  wasGood(now: number): boolean {
    return this.useful || (this.#heartbeat !== undefined && now >= this.#since + SETTLED_MS);
  }

  /** Why the connection must be given up, if it must. */
  overdue(now: number): string | undefined {
    if (now >= this.#frozen) return "the server did not close";
    if (now >= this.#pingDeadline) return "no sign of life";
    if (this.#heartbeat === undefined && now >= this.#since + READY_TIMEOUT_MS) return "not ready in time";
    return undefined;
  }

  /** When {@link overdue} or {@link ask} has something to say, if nothing else happens. */
  wakeAt(): number {
    if (this.#heartbeat === undefined) return Math.min(this.#frozen, this.#since + READY_TIMEOUT_MS);
    let wake = Math.min(this.#frozen, this.#pingDeadline);
    if (!this.maySend()) return wake;
    if (this.#pingDeadline === Infinity) wake = Math.min(wake, this.#lastFrame + this.#heartbeat);
    if (this.#sync && !this.#syncing) wake = Math.min(wake, this.#sync.at);
    for (const { at } of this.#fillsLater) wake = Math.min(wake, at);
    return wake;
  }

  /** Notes what a stream needs. */
  need(need: Need | undefined, now: number): void {
    if (!need) return;
    const { conversation } = need;
    if (need.what === "sync") this.#syncLater(new Set([conversation]), now);
    else if (need.later) this.#fillsLater.push({ at: now + retryDelay(1, this.random()), conversation });
    else this.#fills.push(conversation);
  }

  /** Notes that a command goes out under this id. */
  sent(id: number, asked: Asked): void {
    this.#asked.set(id, asked);
  }

  /** What is due for the streams, at the start of a connection their `sync`, and for the connection itself. */
  ask(streams: Streams, now: number): { command: Command; asked: Asked }[] {
    const due: { command: Command; asked: Asked }[] = [];
    if (this.#sync && !this.#syncing && now >= this.#sync.at) {
      const { scope } = this.#sync;
      this.#sync = undefined;
      this.#syncing = true;
      const fields = scope === "all" ? streams.syncAll() : streams.syncSome(scope);
      due.push({ command: { name: "sync", fields }, asked: { what: "sync", scope } });
    }
    this.#fills.push(
      ...this.#fillsLater.filter(({ at }) => now >= at).map(({ conversation }) => conversation),
    );
    this.#fillsLater = this.#fillsLater.filter(({ at }) => now < at);
    while (this.#filling < FILLS) {
      const conversation = this.#fills.shift();
      if (conversation === undefined) break;
      this.#filling += 1;
      const fields = { conversation, after: streams.cursor(conversation), limit: FILL_LIMIT };
      due.push({ command: { name: "history", fields }, asked: { what: "fill", conversation } });
    }
    const silent = this.#heartbeat !== undefined && now >= this.#lastFrame + this.#heartbeat;
    if (this.#pingWanted || (silent && this.#pingDeadline === Infinity)) {
      this.#pingWanted = false;
      this.#pingDeadline = Math.min(this.#pingDeadline, now + PING_PATIENCE_MS);
      due.push({ command: { name: "ping", fields: {} }, asked: { what: "aside" } });
    }
    return due;
  }

  /** What the reply with this id is about, if it was asked for the connection's own sake. */
  answered(id: number): Asked | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (asked?.what === "sync") this.#syncing = false;
    if (asked?.what === "fill") this.#filling -= 1;
    return asked;
  }

  /** A `sync` was carried out, except for the conversations that `needs` are about. */
  synced(needs: (Need | undefined)[], now: number): void {
    if (!needs.some((need) => need?.what === "sync")) this.#syncsInVain = 0;
    for (const need of needs) this.need(need, now);
  }

  /** A `sync` was not carried out, and is tried again. */
  notSynced(scope: Scope, now: number): void {
    if (scope === "all") this.#sync = undefined;
    this.#syncLater(scope, now);
  }

  #syncLater(scope: Scope, now: number): void {
    if (this.#sync?.scope === "all") return;
    if (this.#sync && scope !== "all") {
      for (const id of scope) this.#sync.scope.add(id);
      return;
    }
    this.#sync = { at: now + retryDelay(this.#syncsInVain, this.random()), scope };
    this.#syncsInVain += 1;
  }
}
