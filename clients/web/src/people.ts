/** Who is who: names of users, the contacts, whom the user blocks. What was learnt is kept, so that it is there offline. */

import { batch, signal } from "@preact/signals";

import { type Api, ApiError, type Me, type Profile } from "./http.js";
import type { Kept } from "./kept.js";

/** What is kept of a person. */
export interface Person {
  id: string;
  name?: string;
  about?: string;
  phone?: string;
  contact?: boolean;
  /** When this was learnt. */
  at: number;
}

/** People of whom something is kept. */
const ROOM = 2_000;
/** A name that was learnt so long ago is asked for again when it is shown. */
const OLD_MS = 10 * 60_000;
/** Questions that are under way at a time. */
const AT_ONCE = 4;
const SAVE_AFTER_MS = 500;

export class People {
  readonly #api: Api;
  readonly #kept: Kept;
  readonly #known = signal<ReadonlyMap<string, Person>>(new Map());
  readonly #wanted = new Set<string>();
  /** Asked in this page's life, and not to be asked again before this time. */
  readonly #asked = new Map<string, number>();
  #asking = 0;
  #canAsk = false;
  #saving: ReturnType<typeof setTimeout> | undefined;

  readonly contacts = signal<readonly string[]>([]);
  readonly blocked = signal<ReadonlySet<string>>(new Set());

  constructor(api: Api, kept: Kept) {
    this.#api = api;
    this.#kept = kept;
    const people = kept.get<Person[]>("people") ?? [];
    this.#known.value = new Map(people.map((person) => [person.id, person]));
    this.contacts.value = kept.get<string[]>("contacts") ?? [];
    this.blocked.value = new Set(kept.get<string[]>("blocked"));
  }

  get me(): string {
    return this.#api.user;
  }

  /** What is known of a person now; more is asked for, and comes through the signal. */
  person(id: string): Person | undefined {
    const person = this.#known.value.get(id);
    if (!person || Date.now() - person.at > OLD_MS) this.#want(id);
    return person;
  }

  /** What to call a person: the name, the number, or the bare id. */
  name(id: string): string {
    const person = this.person(id);
    return person?.name ?? person?.phone ?? id;
  }

  /** All that is known, by id. */
  get all(): ReadonlyMap<string, Person> {
    return this.#known.value;
  }

  /** The server can be asked from here on: everything that changes without us is asked for. */
  async refresh(): Promise<void> {
    this.#canAsk = true;
    const [me, contacts, blocked] = await Promise.all([
      this.#api.me(),
      this.#api.contacts(),
      this.#api.blocks(),
    ]);
    batch(() => {
      this.learn(me, ...contacts.map(({ user }) => user));
      this.#setContacts(contacts.map(({ user }) => user.id));
      this.#setBlocked(blocked);
    });
    this.#ask();
  }

  /** The server cannot be asked any more. */
  pause(): void {
    this.#canAsk = false;
  }

  learn(...profiles: (Me | Profile)[]): void {
    const known = new Map(this.#known.value);
    for (const profile of profiles) {
      const { id, name, about, phone } = profile;
      const contact = "contact" in profile && profile.contact;
      known.delete(id);
      known.set(id, {
        id,
        at: Date.now(),
        ...defined({ name, about, phone }),
        ...(contact ? { contact } : {}),
      });
      this.#wanted.delete(id);
    }
    for (const id of known.keys()) {
      if (known.size <= ROOM) break;
      known.delete(id);
    }
    this.#known.value = known;
    this.#save();
  }

  async changeMe(change: { name?: string; about?: string }): Promise<void> {
    this.learn(await this.#api.changeMe(change));
  }

  /** Makes someone a contact, by number or by id. */
  async addContact(who: { phone: string } | { user: string }): Promise<Profile> {
    const { user } = await this.#api.addContact(who);
    batch(() => {
      this.learn({ ...user, contact: true });
      this.#setContacts([...new Set([...this.contacts.value, user.id])]);
    });
    return user;
  }

  async removeContact(id: string): Promise<void> {
    await this.#api.removeContact(id);
    const person = this.#known.value.get(id);
    batch(() => {
      if (person) this.learn({ ...person, contact: false });
      this.#setContacts(this.contacts.value.filter((other) => other !== id));
    });
  }

  async setBlocked(id: string, isBlocked: boolean): Promise<void> {
    await (isBlocked ? this.#api.block(id) : this.#api.unblock(id));
    const blocked = new Set(this.blocked.value);
    if (isBlocked) blocked.add(id);
    else blocked.delete(id);
    this.#setBlocked(blocked);
  }

  #setContacts(ids: string[]): void {
    this.contacts.value = ids;
    this.#kept.set("contacts", ids);
  }

  #setBlocked(ids: Set<string>): void {
    this.blocked.value = ids;
    this.#kept.set("blocked", [...ids]);
  }

  #want(id: string): void {
    if ((this.#asked.get(id) ?? 0) > Date.now()) return;
    this.#wanted.add(id);
    // Not while somebody renders.
    if (this.#canAsk) queueMicrotask(() => this.#ask());
  }

  #ask(): void {
    for (const id of this.#wanted) {
      if (!this.#canAsk || this.#asking >= AT_ONCE) return;
      this.#wanted.delete(id);
      this.#asked.set(id, Date.now() + OLD_MS);
      this.#asking += 1;
      this.#api
        .profile(id)
        .then(
          (profile) => this.learn(profile),
          (error) => {
            // Nobody whom this server knows by name: users of an outside issuer.
            if (error instanceof ApiError) this.learn({ ...this.#known.value.get(id), id });
            else this.#asked.delete(id);
          },
        )
        .finally(() => {
          this.#asking -= 1;
          this.#ask();
        });
    }
  }

  #save(): void {
    this.#saving ??= setTimeout(() => {
      this.#saving = undefined;
      this.#kept.set("people", [...this.#known.value.values()]);
    }, SAVE_AFTER_MS);
  }

  close(): void {
    this.#canAsk = false;
    clearTimeout(this.#saving);
  }
}

function defined<Fields extends object>(
  fields: Fields,
): { [Key in keyof Fields]?: NonNullable<Fields[Key]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
