/** What was typed and not sent, by conversation: kept at every key, so that no reload and no crash loses it. */

import { signal } from "@preact/signals";

import type { Kept } from "./kept.js";

export interface Draft {
  text: string;
  /** The message that it replies to, or that it is the new text of. */
  replyTo?: number;
  edit?: number;
}

const NAME = "draft.";
const EMPTY: Draft = { text: "" };

export class Drafts {
  readonly #kept: Kept;
  /** What this tab has read or written: a browser without room for it must not eat what somebody types. */
  readonly #known = new Map<string, Draft>();
  /** Raised whenever another tab, or another part of the page, has changed a draft. */
  readonly changes = signal(0);
  readonly end: () => void;

  constructor(kept: Kept) {
    this.#kept = kept;
    this.end = kept.onChange((name) => {
      if (!name.startsWith(NAME)) return;
      this.#known.delete(name.slice(NAME.length));
      this.changes.value += 1;
    });
  }

  get(conversation: string): Draft {
    const known = this.#known.get(conversation) ?? this.#kept.get<Draft>(NAME + conversation) ?? EMPTY;
    this.#known.set(conversation, known);
    return known;
  }

  set(conversation: string, draft: Draft): void {
    const isEmpty = draft.text === "" && draft.replyTo === undefined && draft.edit === undefined;
    this.#known.set(conversation, draft);
    this.#kept.set(NAME + conversation, isEmpty ? undefined : draft);
    this.changes.value += 1;
  }
}
