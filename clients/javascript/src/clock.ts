/** Time and chance, from outside, so that tests can hold them. */

export interface Clock {
  /** Milliseconds that never go back. */
  now(): number;
  /** From 0 to 1. */
  random(): number;
  /** Calls `work` once after so many milliseconds, unless the returned function is called before. */
  after(ms: number, work: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  after(ms, work) {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
};
