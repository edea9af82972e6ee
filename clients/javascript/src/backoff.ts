/** How long to wait before the next attempt to connect. Pure: time and chance come from outside. */

/** A connection that lived this long, or was of any use, was a success: the next pause starts from the shortest. */
export const SETTLED_MS = 2_000;

/** Keeps a thousand clients of a node that died from arriving at the next one in the same millisecond. */
const NOW_MS = 100;
const SOON_MS = [250, 3_000] as const;
const LATER_MS = [500, 10_000] as const;
const RETRY_MS = [250, 2_000] as const;

/**
 * How urgent the next attempt is: `now`, the server asked for it or the network broke; `soon`, the address did not
 * answer as it should; `later`, the server asked for a pause.
 */
export type Pause = "now" | "soon" | "later";

/** Counts failures in a row. */
export class Backoff {
  #failures = 0;

  /** For a client that takes turns among so many addresses. */
  constructor(readonly addresses: number) {}

  /** A connection has settled. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** The pause after one more failure; `chance` is from 0 to 1. */
  delay(pause: Pause, chance: number): number {
    const failures = this.#failures;
    this.#failures += 1;
    // Each address may fail once before the client waits in earnest.
    if (pause === "now" && failures < this.addresses) return NOW_MS * chance;
    if (pause === "soon" && failures + 1 < this.addresses) return NOW_MS * chance;
    if (pause === "later") return grow(LATER_MS, failures, chance);
    return grow(SOON_MS, Math.max(0, failures + 1 - this.addresses), chance);
  }
}

/** A pause inside a connection that stays: after the given number of "not now" answers to one command. */
export function retryDelay(attempts: number, chance: number): number {
  return grow(RETRY_MS, attempts, chance);
}

/** Doubles from the first to the last, and takes between half of it and all. */
function grow([first, last]: readonly [number, number], doublings: number, chance: number): number {
  const full = Math.min(last, first * 2 ** Math.min(doublings, 16));
  return full * (0.5 + chance / 2);
}
