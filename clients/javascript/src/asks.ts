/** Commands whose answers a tab waits for until there is a leader that has them. */

import type { Client } from "./client.js";
import { EndedError, RefusedError } from "./errors.js";
import type { Command } from "./protocol.js";
import type { Outcome } from "./said.js";

interface Ask {
  command: Command;
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

export class Asks {
  readonly #say: (id: number, command: Command) => void;
  readonly #asks = new Map<number, Ask>();
  #nextId = 1;

  /** `say` asks the leader, whichever it is. */
  constructor(say: (id: number, command: Command) => void) {
    this.#say = say;
  }

  ask(command: Command): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId;
      this.#nextId += 1;
      this.#asks.set(id, { command, resolve, reject });
      this.#say(id, command);
    });
  }

  /** There is another leader: it has not heard. */
  askAgain(): void {
    for (const [id, { command }] of this.#asks) this.#say(id, command);
  }

  answered(id: number, outcome: Outcome): void {
    const ask = this.#asks.get(id);
    this.#asks.delete(id);
    if ("reply" in outcome) ask?.resolve(outcome.reply);
    else if ("refused" in outcome) ask?.reject(new RefusedError(outcome.refused));
    else if ("ended" in outcome) ask?.reject(new EndedError(outcome.ended.reason, outcome.ended.message));
    else ask?.reject(new Error(outcome.failed));
  }

  /** This tab has a client of its own now. */
  handTo(client: Client): void {
    for (const [id, { command, resolve, reject }] of this.#asks) {
      this.#asks.delete(id);
      client.request(command.name as "ping", command.fields as never).then(resolve, reject);
    }
  }

  fail(error: Error): void {
    for (const { reject } of this.#asks.values()) reject(error);
    this.#asks.clear();
  }
}

/** What another tab is told of an error. */
export function outcomeOf(error: unknown): Outcome {
  if (error instanceof RefusedError) return { refused: error.error };
  if (error instanceof EndedError) return { ended: { reason: error.reason, message: error.message } };
  return { failed: String(error) };
}
