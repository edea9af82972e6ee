/** Typed events. */

export type Listener<Event> = (event: Event) => void;

/** Calls listeners in the order in which they were added. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Returns what takes the listener away again. */
  on<Type extends keyof Events>(type: Type, listener: Listener<Events[Type]>): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // A wrapper of its own: the same function may listen twice.
    const entry: Listener<Events[Type]> = (event) => listener(event);
    listeners.add(entry as Listener<never>);
    return () => void listeners.delete(entry as Listener<never>);
  }

  emit<Type extends keyof Events>(type: Type, event: Events[Type]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        (listener as Listener<Events[Type]>)(event);
      } catch (error) {
        // The application's mistake: it shall be seen, and not stop what brought the event.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
