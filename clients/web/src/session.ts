/**
 * Who is signed in on this device, and his tokens: kept in the browser's storage, shared by all tabs, and never in a URL.
 *
 * Constraint: a refresh token is good once. Tabs take turns by a Web Lock, and each looks first whether another one has
 * fetched the next tokens meanwhile. (Where there are no locks, the server's minute of grace does.)
 */

import { type Tokens, ask, ApiError } from "./http.js";

export interface SignedIn {
  user: string;
  access: string;
  /** When the access token ends, by this device's clock. */
  accessUntil: number;
  /** Absent where the user brought a token of his own. */
  refresh?: string;
}

const KEY = "starling.session";
/** A token that ends so soon is not used any more. */
const MARGIN_MS = 20_000;

export function signedIn(): SignedIn | undefined {
  try {
    const text = localStorage.getItem(KEY);
    return text === null ? undefined : (JSON.parse(text) as SignedIn);
  } catch {
    return undefined;
  }
}

export function keepSession(session: SignedIn): void {
  localStorage.setItem(KEY, JSON.stringify(session));
}

export function forgetSession(): void {
  localStorage.removeItem(KEY);
}

export function sessionOf(tokens: Tokens): SignedIn {
  const { user, access_token: access, expires_in, refresh_token: refresh } = tokens;
  return { user, access, accessUntil: Date.now() + expires_in * 1_000, refresh };
}

/** The session of a token that the user brought himself; nothing where it names no user. */
export function sessionOfToken(token: string): SignedIn | undefined {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown; exp?: unknown };
    if (typeof claims.sub !== "string" || typeof claims.exp !== "number") return undefined;
    return { user: claims.sub, access: token, accessUntil: claims.exp * 1_000 };
  } catch {
    return undefined;
  }
}

/**
 * A token that is good as far as this device knows. Where the session is over, it is the last one: the server says so then.
 * Rejects where the next one cannot be fetched now.
 */
export async function accessToken(user: string): Promise<string> {
  const session = signedIn();
  if (session?.user !== user) throw new Error("nobody is signed in, or somebody else");
  if (isGood(session) || session.refresh === undefined) return session.access;
  return withLock("starling.session", async () => {
    const now = signedIn();
    if (now?.user !== user) throw new Error("nobody is signed in any more");
    if (isGood(now) || now.refresh === undefined) return now.access;
    try {
      const next = sessionOf(await ask<Tokens>("POST", "/v1/auth/refresh", { refresh_token: now.refresh }));
      keepSession(next);
      return next.access;
    } catch (error) {
      if (error instanceof ApiError && error.code === "unauthenticated") return now.access;
      throw error;
    }
  });
}

/** The server has refused the access token though it seemed to be good: the next one is fetched. */
export function distrust(token: string): void {
  const session = signedIn();
  if (session?.access === token && session.refresh !== undefined) keepSession({ ...session, accessUntil: 0 });
}

function isGood({ accessUntil }: SignedIn): boolean {
  return Date.now() < accessUntil - MARGIN_MS;
}

function withLock<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  return navigator.locks ? (navigator.locks.request(name, work) as Promise<Result>) : work();
}
