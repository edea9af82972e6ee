/** Marks, delivered and read: coalesced, never lost, never going back. Pure: time comes from outside. */

import type { ConversationId, Seq, ServerError } from "./protocol.js";

/** One mark of a kind per conversation in this time. */
export const MARK_INTERVAL_MS = 1_000;
/** Marks in one go. The rest waits for the next. */
const BATCH = 100;

export interface Mark {
  name: "delivered" | "read";
  conversation: ConversationId;
  seq: Seq;
}

/** Marks of one client. */
export class Marks {
  #last = -Infinity;
  /** The highest of each, by name and conversation. */
  readonly #highest = new Map<string, Mark>();
  readonly #waiting = new Set<string>();
  /** By the command's id. */
  readonly #underWay = new Map<number, string>();

  /** Everything up to the mark is delivered, or read. One that is not above the last is let be. */
  set(mark: Mark): void {
    const key = `${mark.name} ${mark.conversation}`;
    if (mark.seq <= (this.#highest.get(key)?.seq ?? 0)) return;
    this.#highest.set(key, mark);
    this.#waiting.add(key);
  }

  /** When {@link collect} has something, if nothing else happens. */
  wakeAt(): number {
    return this.#waiting.size > 0 ? this.#last + MARK_INTERVAL_MS : Infinity;
  }

  /** The marks to send now; the caller tells with {@link sent} under which ids they went. */
  collect(now: number): Mark[] {
    if (now < this.wakeAt()) return [];
    this.#last = now;
    const marks: Mark[] = [];
    for (const key of this.#waiting) {
      if (marks.length >= BATCH) break;
      this.#waiting.delete(key);
      const mark = this.#highest.get(key);
      if (mark) marks.push(mark);
    }
    return marks;
  }

  sent(id: number, mark: Mark): void {
    this.#underWay.set(id, `${mark.name} ${mark.conversation}`);
  }

  /** The answer to a mark came. Returns whether the id was a mark's. */
  answered(id: number, error: ServerError | undefined): boolean {
    const key = this.#underWay.get(id);
    if (key === undefined) return false;
    this.#underWay.delete(id);
    switch (error?.code) {
      case "internal":
      case "rate_limited":
      case "unavailable":
      case "unknown":
        this.#waiting.add(key);
        break;
      case undefined:
        break;
      default:
        // It never was a mark: one that is lower may be right.
        this.#highest.delete(key);
        this.#waiting.delete(key);
    }
    return true;
  }

  /** The connection ended: marks without an answer are sent again on the next one. */
  disconnected(): void {
    for (const key of this.#underWay.values()) this.#waiting.add(key);
    this.#underWay.clear();
  }
}
