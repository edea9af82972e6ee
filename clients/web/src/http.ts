/** The HTTP API, as far as the page uses it: signing in, profiles, contacts, blocks. See /openapi.json. */

import { accessToken, distrust } from "./session.js";

export interface Tokens {
  user: string;
  access_token: string;
  expires_in: number;
  refresh_token: string;
  new_user?: boolean;
}

export interface Me {
  id: string;
  name?: string;
  about?: string;
  phone?: string;
}

export interface Profile extends Me {
  contact: boolean;
}

export interface Contact {
  user: Profile;
  since: number;
}

export interface DeviceSession {
  id: string;
  device?: string;
  created_at: number;
  used_at: number;
  current: boolean;
}

/** What the server answered instead. `code` is stable, `message` is a sentence for people. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly code: string,
    message: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/** There was no answer. */
export class OfflineError extends Error {
  override readonly name = "OfflineError";

  constructor() {
    super("the server cannot be reached now");
  }
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

const PATIENCE_MS = 15_000;
const PAGE = 200;

/** Asks without a token, or with one. Rejects with an {@link ApiError} or an {@link OfflineError}. */
export async function ask<Answer>(
  method: Method,
  path: string,
  body?: object,
  token?: string,
): Promise<Answer> {
  const headers: Record<string, string> = {};
  if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, {
      method,
      headers,
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await response.text();
  } catch {
    throw new OfflineError();
  }
  if (response.ok) return (text === "" ? undefined : JSON.parse(text)) as Answer;
  throw errorOf(text);
}

function errorOf(text: string): Error {
  try {
    const { error } = JSON.parse(text) as {
      error: { code: string; message: string; retry_after_ms?: number };
    };
    return new ApiError(error.code, error.message, error.retry_after_ms);
  } catch {
    return new OfflineError();
  }
}

/** The API in the name of a user who is signed in. */
export class Api {
  constructor(readonly user: string) {}

  me = () => this.#ask<Me>("GET", "/v1/me");
  changeMe = (change: { name?: string; about?: string }) => this.#ask<Me>("PATCH", "/v1/me", change);
  profile = (user: string) => this.#ask<Profile>("GET", `/v1/users/${encodeURIComponent(user)}`);
  addContact = (who: { phone: string } | { user: string }) => this.#ask<Contact>("POST", "/v1/contacts", who);
  removeContact = (user: string) => this.#ask<void>("DELETE", `/v1/contacts/${encodeURIComponent(user)}`);
  block = (user: string) => this.#ask<void>("PUT", `/v1/blocks/${encodeURIComponent(user)}`);
  unblock = (user: string) => this.#ask<void>("DELETE", `/v1/blocks/${encodeURIComponent(user)}`);
  sessions = async () =>
    (await this.#ask<{ sessions: DeviceSession[] }>("GET", "/v1/auth/sessions")).sessions;
  endSession = (id: string) => this.#ask<void>("DELETE", `/v1/auth/sessions/${encodeURIComponent(id)}`);
  signOut = (everywhere: boolean) => this.#ask<void>("POST", "/v1/auth/sign-out", { everywhere });

  async contacts(): Promise<Contact[]> {
    const all: Contact[] = [];
    let after = "";
    for (;;) {
      const path = `/v1/contacts?limit=${PAGE}${after && `&after=${encodeURIComponent(after)}`}`;
      const { contacts, next } = await this.#ask<{ contacts: Contact[]; next?: string }>("GET", path);
      all.push(...contacts);
      if (next === undefined) return all;
      after = next;
    }
  }

  async blocks(): Promise<Set<string>> {
    const all = new Set<string>();
    let after = "";
    for (;;) {
      const path = `/v1/blocks?limit=${PAGE}${after && `&after=${encodeURIComponent(after)}`}`;
      const { users, next } = await this.#ask<{ users: string[]; next?: string }>("GET", path);
      for (const user of users) all.add(user);
      if (next === undefined) return all;
      after = next;
    }
  }

  async #ask<Answer>(method: Method, path: string, body?: object): Promise<Answer> {
    for (let isFirst = true; ; isFirst = false) {
      let token: string;
      try {
        token = await accessToken(this.user);
      } catch {
        throw new OfflineError();
      }
      try {
        return await ask<Answer>(method, path, body, token);
      } catch (error) {
        if (!isFirst || !(error instanceof ApiError) || error.code !== "unauthenticated") throw error;
        distrust(token);
      }
    }
  }
}
