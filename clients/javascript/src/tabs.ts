/**
 * Tabs that have one store: one of them leads, that is, holds the connection and writes what comes in; the others
 * follow, and show what the leader writes.
 *
 * A Web Lock decides who leads, so that exactly one does, and the next one does the moment that it is gone, however
 * it went. A leader that does not answer any more (a phone has frozen its tab) loses the lock to whoever notices.
 * Neither is needed for nothing to be lost or doubled (the store's transactions and the server's client ids see to
 * that): they save connections, and keep the outbox in order.
 */

import { newClientId } from "./client_id.js";

export interface TabsHearing {
  /** This tab leads from now on. */
  leads(): void;
  /** It does not any more. */
  follows(): void;
  /** Another tab says something. */
  said(message: never): void;
}

export class Tabs {
  /** This tab's name among the others. */
  readonly id = newClientId();
  readonly #name: string | undefined;
  readonly #hearing: TabsHearing;
  readonly #channel: BroadcastChannel | undefined;
  readonly #closing = new AbortController();
  #release: () => void = () => undefined;

  /** Without a name, or where the browser has no locks, this tab leads; with a name it hears the others all the same. */
  constructor(name: string | undefined, hearing: TabsHearing) {
    this.#name = name;
    this.#hearing = hearing;
    if (name === undefined || typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(lockName(name));
    this.#channel.onmessage = ({ data }) => this.#hearing.said(data as never);
  }

  start(): void {
    const locks = this.#locks();
    if (locks) void this.#compete(locks, { signal: this.#closing.signal });
    else this.#hearing.leads();
  }

  /** To all other tabs. */
  say(message: object): void {
    if (!this.#closing.signal.aborted) this.#channel?.postMessage(message);
  }

  /** Leads in place of a leader that does not answer. */
  steal(): void {
    const locks = this.#locks();
    if (locks && !this.#closing.signal.aborted) void this.#compete(locks, { steal: true });
  }

  /** Lets go of the lead; says and hears no more. */
  close(): void {
    this.#closing.abort();
    this.#release();
    this.#channel?.close();
  }

  #locks(): LockManager | undefined {
    return this.#name === undefined || typeof navigator === "undefined" ? undefined : navigator.locks;
  }

  async #compete(locks: LockManager, options: LockOptions): Promise<void> {
    let isMine = false;
    const hold = () => {
      isMine = true;
      const held = new Promise<void>((resolve) => (this.#release = resolve));
      this.#hearing.leads();
      return held;
    };
    try {
      await locks.request(lockName(this.#name as string), options, hold);
    } catch {
      // Stolen, or this tab has closed.
      if (!isMine || this.#closing.signal.aborted) return;
      this.#hearing.follows();
      void this.#compete(locks, { signal: this.#closing.signal });
    }
  }
}

function lockName(name: string): string {
  return `starling ${name}`;
}
