/**
 * Commands without a definite answer. Pure: no socket, and time comes from outside.
 *
 * Constraints: what was under way when a connection ended goes out again before anything newer, oldest first (I5);
 * what changes a log is given up only by a definite answer or by its deadline (I3). Of the commands that append to
 * one conversation's log, one is under way at a time: none can then slip past an earlier one that was put off.
 */

import { retryDelay } from "./backoff.js";
import type { Command, CommandName, ConversationId, Replies, ServerError } from "./protocol.js";
import { APPENDING, RETRYABLE } from "./protocol.js";
import { DeadlineError, RefusedError } from "./errors.js";

export type Answer = { ok: Partial<Replies> } | { error: ServerError };

/** Where a command's outcome goes. */
export interface Respond {
  resolve(ok: Partial<Replies>): void;
  reject(error: Error): void;
}

/**
 * What an answer asks of the connection. `connect_anew`: nothing new may go out on this one, since the outcome of a
 * change is unknown and nothing may overtake it, or since the token is not valid any more.
 */
export type Consequence = "go_on" | "connect_anew";

export interface PendingCounters {
  /** Changes that went out again, for whatever reason. */
  resends: number;
  /** Of these, changes whose outcome was not known: marked `retry`. */
  uncertain: number;
  /** Changes that the server put off (`rate_limited`, `unavailable`). */
  putOff: number;
}

interface Unanswered {
  command: Command;
  respond: Respond;
  deadline: number | undefined;
  /** Not before this. */
  pause: number;
  underWay: boolean;
  sent: boolean;
  /** Whether an attempt may have been carried out without our knowing. */
  uncertain: boolean;
  /** How often it was put off in a row. */
  putOff: number;
}

/** All unanswered commands of one client. */
export class Pending {
  /** In the order in which they were taken. */
  readonly #commands = new Map<number, Unanswered>();
  /** The logs that a command on its way appends to. */
  readonly #appending = new Set<ConversationId>();
  /** All changes wait until then: the rate limit is the user's. */
  #limited = 0;
  #underWay = 0;
  readonly counters: PendingCounters = { resends: 0, uncertain: 0, putOff: 0 };

  /** At most `window` commands are under way at a time, and at most `room` are kept. */
  constructor(
    readonly window: number,
    readonly room: number,
  ) {}

  hasRoom(): boolean {
    return this.#commands.size < this.room;
  }

  /** Takes a command. `id` must be higher than all before: it is the order, and the id on the wire. */
  push(id: number, command: Command, respond: Respond, deadline: number | undefined): void {
    this.#commands.set(id, {
      command,
      respond,
      deadline,
      pause: 0,
      underWay: false,
      sent: false,
      uncertain: hasRetry(command) && command.fields.retry === true,
      putOff: 0,
    });
  }

  /** The next command to send now. Call until there is none. */
  next(now: number): { id: number; command: Command } | undefined {
    if (this.#underWay >= this.window) return undefined;
    // An earlier one that waits holds up all later ones for the same log.
    const held = new Set(this.#appending);
    for (const [id, unanswered] of this.#commands) {
      if (unanswered.underWay) continue;
      const log = appendsTo(unanswered.command);
      const until = log === undefined ? unanswered.pause : Math.max(unanswered.pause, this.#limited);
      if (now < until || (log !== undefined && held.has(log))) {
        if (log !== undefined) held.add(log);
        continue;
      }
      return { id, command: this.#send(unanswered, log) };
    }
    return undefined;
  }

  /** The server's answer. One to a command that was given up in the meantime changes nothing. */
  answer(id: number, answer: Answer, now: number, chance: number): Consequence {
    const unanswered = this.#commands.get(id);
    if (!unanswered?.underWay) return "go_on";
    if ("ok" in answer) {
      this.#take(id, unanswered).resolve(answer.ok);
      return "go_on";
    }
    const { error } = answer;
    const log = appendsTo(unanswered.command);
    switch (error.code) {
      case "unknown":
      case "internal":
        if (!hasRetry(unanswered.command)) break;
        unanswered.uncertain = true;
        this.#comeBack(unanswered);
        return "connect_anew";
      case "unauthenticated":
        // The connection ends with this; a new token may help.
        this.#comeBack(unanswered);
        return "connect_anew";
      case "rate_limited":
      case "unavailable":
      case "too_many_connections":
        break;
      default:
        this.#take(id, unanswered).reject(new RefusedError(error));
        return "go_on";
    }
    const until = now + (error.retry_after_ms ?? retryDelay(unanswered.putOff, chance));
    unanswered.putOff += 1;
    if (log !== undefined) this.counters.putOff += 1;
    if (log !== undefined && error.code === "rate_limited") this.#limited = Math.max(this.#limited, until);
    else unanswered.pause = until;
    this.#comeBack(unanswered);
    return "go_on";
  }

  /** The connection ended: what was under way may have been carried out, and goes out again first. */
  disconnected(): void {
    for (const unanswered of this.#commands.values()) {
      if (!unanswered.underWay) continue;
      unanswered.uncertain = true;
      this.#comeBack(unanswered);
    }
  }

  /** Gives up what has passed its deadline. */
  expire(now: number): void {
    for (const [id, unanswered] of this.#commands) {
      if (unanswered.deadline === undefined || now < unanswered.deadline) continue;
      const sent = unanswered.underWay || unanswered.uncertain;
      this.#take(id, unanswered).reject(new DeadlineError(sent));
    }
  }

  /** When {@link next} or {@link expire} has something to do, if nothing else happens. */
  wakeAt(now: number): number {
    let wake = Infinity;
    for (const { deadline, underWay, pause, command } of this.#commands.values()) {
      if (deadline !== undefined) wake = Math.min(wake, deadline);
      if (underWay) continue;
      const until = appendsTo(command) === undefined ? pause : Math.max(pause, this.#limited);
      if (until > now) wake = Math.min(wake, until);
    }
    return wake;
  }

  /** Gives up all. */
  fail(error: Error): void {
    for (const [id, unanswered] of [...this.#commands]) this.#take(id, unanswered).reject(error);
  }

  #send(unanswered: Unanswered, log: ConversationId | undefined): Command {
    const { command } = unanswered;
    unanswered.underWay = true;
    this.#underWay += 1;
    if (log !== undefined) {
      this.#appending.add(log);
      if (unanswered.sent) this.counters.resends += 1;
    }
    unanswered.sent = true;
    if (unanswered.uncertain && hasRetry(command)) {
      this.counters.uncertain += 1;
      command.fields.retry = true;
    }
    return command;
  }

  #comeBack(unanswered: Unanswered): void {
    if (!unanswered.underWay) return;
    unanswered.underWay = false;
    this.#underWay -= 1;
    const log = appendsTo(unanswered.command);
    if (log !== undefined) this.#appending.delete(log);
  }

  #take(id: number, unanswered: Unanswered): Respond {
    this.#comeBack(unanswered);
    this.#commands.delete(id);
    return unanswered.respond;
  }
}

type Retryable = Extract<Command, { name: (typeof RETRYABLE)[number] }>;
type Appending = Extract<Command, { name: (typeof APPENDING)[number] }>;

function hasRetry(command: Command): command is Retryable {
  return (RETRYABLE as readonly CommandName[]).includes(command.name);
}

/** The conversation whose log the command appends to, if it does. */
function appendsTo(command: Command): ConversationId | undefined {
  const appends = (APPENDING as readonly CommandName[]).includes(command.name);
  return appends ? (command as Appending).fields.conversation : undefined;
}
