/** What of the page itself changes: the address, the open dialog, notices, the theme. */

import { signal } from "@preact/signals";
import { RefusedError, type Seq } from "starling-client";

/** Where the page is: kept in the fragment, so that a reload and the back button do what they should. */
export interface Route {
  conversation?: string;
  seq?: Seq;
}

export type Dialog =
  | { show: "new" }
  | { show: "contacts" }
  | { show: "profile" }
  | { show: "keys" }
  | { show: "sign-in" }
  | { show: "details"; conversation: string }
  | { show: "person"; user: string }
  | { show: "message"; conversation: string; seq: Seq }
  | { show: "date"; conversation: string }
  | { show: "confirm"; title: string; text: string; action: string; confirmed: () => Promise<void> };

export interface Toast {
  id: number;
  text: string;
  action?: { name: string; run: () => void };
}

export type Theme = "system" | "light" | "dark";

const TOAST_MS = 6_000;
const THEME = "starling.theme";

export const route = signal<Route>(readRoute());
export const dialog = signal<Dialog | undefined>(undefined);
export const toasts = signal<readonly Toast[]>([]);
export const theme = signal<Theme>(readTheme());
/** Whether this device has a network, as far as the browser knows. */
export const hasNetwork = signal(navigator.onLine);
let lastToast = 0;

addEventListener("hashchange", () => (route.value = readRoute()));
addEventListener("online", () => (hasNetwork.value = true));
addEventListener("offline", () => (hasNetwork.value = false));

export function go({ conversation, seq }: Route): void {
  const path = conversation === undefined ? "#/" : `#/c/${encodeURIComponent(conversation)}`;
  location.hash = seq === undefined ? path : `${path}/${seq}`;
}

function readRoute(): Route {
  const [, place, id, seq] = location.hash.split("/");
  if (place !== "c" || !id) return {};
  try {
    const conversation = decodeURIComponent(id);
    return Number(seq) > 0 ? { conversation, seq: Number(seq) } : { conversation };
  } catch {
    return {};
  }
}

/** Tells something that passes; with an action it stays until somebody has seen to it. */
export function tell(text: string, action?: Toast["action"]): void {
  const id = ++lastToast;
  toasts.value = [...toasts.value, { id, text, ...(action ? { action } : {}) }];
  if (!action) setTimeout(() => dismiss(id), TOAST_MS);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Does it, and tells what goes wrong. Says whether it was done. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    tell(sentence(error));
    return false;
  }
}

/** An error as a sentence for people. */
export function sentence(error: unknown): string {
  const text =
    error instanceof RefusedError ? error.error.message : error instanceof Error ? error.message : "";
  const plain = text || "something went wrong";
  return `${plain.charAt(0).toUpperCase()}${plain.slice(1)}${/[.!?]$/.test(plain) ? "" : "."}`;
}

export function setTheme(next: Theme): void {
  theme.value = next;
  localStorage.setItem(THEME, next);
  showTheme();
}

export function showTheme(): void {
  const { documentElement } = document;
  if (theme.value === "system") delete documentElement.dataset["theme"];
  else documentElement.dataset["theme"] = theme.value;
}

function readTheme(): Theme {
  const kept = localStorage.getItem(THEME);
  return kept === "light" || kept === "dark" ? kept : "system";
}
