/** Time that passes when a test says so, and chance from a seed. */

import type { Clock } from "../../src/clock.js";

interface Timer {
  at: number;
  work: () => void;
}

export class VirtualClock implements Clock {
  #now = 0;
  #state: number;
  readonly #timers = new Set<Timer>();

  constructor(seed = 1) {
    this.#state = seed;
  }

  now(): number {
    return this.#now;
  }

  /** mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  after(ms: number, work: () => void): () => void {
    const timer = { at: this.#now + ms, work };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Lets so much time pass, and all happen that happens in it. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = [...this.#timers].reduce<Timer | undefined>(
        (first, timer) => (first === undefined || timer.at < first.at ? timer : first),
        undefined,
      );
      if (!next || next.at > end) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.work();
    }
    this.#now = end;
  }

  /** Lets time pass until it is so, for at most so long. */
  async until(isSo: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
    const end = this.#now + ms;
    await settled();
    while (!(await isSo())) {
      if (this.#now >= end) throw new Error(`not so within ${ms} ms: ${isSo}`);
      await this.pass(50);
    }
  }

  /** Lets time pass until there is an outcome. */
  async meanwhile<Result>(work: Promise<Result>): Promise<Result> {
    let isDone = false;
    const done = () => void (isDone = true);
    work.then(done, done);
    await this.until(() => isDone);
    return work;
  }
}

/** Whatever needs no time has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
