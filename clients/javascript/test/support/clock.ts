/** Time that passes when a test says so, and chance from a seed. */

import type { Clock } from "../../src/clock.js";

interface Timer {
  at: number;
  work: () => void;
}

export class VirtualClock implements Clock {
  #now = 0;
  #state: number;
  /** The next one first. */
  readonly #timers: Timer[] = [];

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
    // Mostly it is one of the last.
    const before = this.#timers.findLastIndex((other) => other.at <= timer.at);
    this.#timers.splice(before + 1, 0, timer);
    return () => {
      const place = this.#timers.indexOf(timer);
      if (place >= 0) this.#timers.splice(place, 1);
    };
  }

  /** Lets so much time pass, and all happen that happens in it. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = this.#timers[0];
      if (!next || next.at > end) break;
      this.#timers.shift();
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
