/** What the page keeps in the browser's storage for one user: small things, written at once. */

/** Reads and writes under one user's own names. */
export class Kept {
  readonly #prefix: string;

  constructor(user: string) {
    // With its length, no user's names begin as those of another one do: `ann` is not to clear what is `ann.b`'s.
    this.#prefix = `starling.${user.length}.${user}.`;
  }

  get<Value>(name: string): Value | undefined {
    try {
      const text = localStorage.getItem(this.#prefix + name);
      return text === null ? undefined : (JSON.parse(text) as Value);
    } catch {
      return undefined;
    }
  }

  /** Nothing takes it away. A browser that has no room keeps what it had. */
  set(name: string, value: unknown): void {
    try {
      if (value === undefined) localStorage.removeItem(this.#prefix + name);
      else localStorage.setItem(this.#prefix + name, JSON.stringify(value));
    } catch {
      // The page works without it.
    }
  }

  /** Calls `changed` when another tab has written something of this user's; returns what ends that. */
  onChange(changed: (name: string) => void): () => void {
    const heard = ({ key }: StorageEvent) => {
      if (key?.startsWith(this.#prefix)) changed(key.slice(this.#prefix.length));
    };
    addEventListener("storage", heard);
    return () => removeEventListener("storage", heard);
  }

  /** Forgets all of it: the user signs out. */
  clear(): void {
    const names = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index));
    for (const name of names) if (name?.startsWith(this.#prefix)) localStorage.removeItem(name);
  }
}
