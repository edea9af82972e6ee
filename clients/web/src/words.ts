/** Times and entries as people say them. */

import type { Entry, Presence } from "starling-client";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const SHORT = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "2-digit", year: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export const clock = (time: number) => CLOCK.format(time);
export const full = (time: number) => FULL.format(time);

/** Days from then to now, by the calendar. */
function daysAgo(time: number): number {
  const midnight = (value: number) => new Date(value).setHours(0, 0, 0, 0);
  return Math.round((midnight(Date.now()) - midnight(time)) / 86_400_000);
}

export function isSameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

/** For the line between two days. */
export function day(time: number): string {
  const days = daysAgo(time);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days > 1 && days < 7) return WEEKDAY.format(time);
  return new Date(time).getFullYear() === new Date().getFullYear() ? DAY.format(time) : DATE.format(time);
}

/** For a list: the time today, a weekday this week, else the date. */
export function brief(time: number): string {
  const days = daysAgo(time);
  if (days <= 0) return clock(time);
  if (days === 1) return "Yesterday";
  return days < 7 ? WEEKDAY.format(time) : SHORT.format(time);
}

export function presenceWords(presence: Presence | undefined): string {
  if (!presence) return "";
  const { state, last_seen } = presence;
  if (state === "online") return "Online";
  if (state === "away") return "Away";
  return last_seen === undefined ? "Offline" : `Last seen ${brief(last_seen)}`;
}

export function typingWords(names: readonly string[]): string {
  const [first, second] = names;
  if (first === undefined) return "";
  if (names.length === 1) return `${first} is typing`;
  if (names.length === 2) return `${first} and ${second} are typing`;
  return `${first} and ${names.length - 1} others are typing`;
}

function listed(names: readonly string[]): string {
  if (names.length <= 1) return names[0] ?? "";
  const some = names.length > 4 ? [...names.slice(0, 3), `${names.length - 3} others`] : names;
  return `${some.slice(0, -1).join(", ")} and ${some.at(-1)}`;
}

/** What this user is called in what the page says. */
export const YOU = "You";

/** What an entry that is no message says, if it says anything to people. */
export function notice({ body, sender }: Entry, name: (user: string) => string): string | undefined {
  const who = sender === undefined ? "Starling" : name(sender);
  const whom = (user: string) => (name(user) === YOU ? "you" : name(user));
  if (body.created) {
    if (body.created.kind === "direct") return "The conversation begins here";
    return `${who} created ${body.created.name ? `“${body.created.name}”` : "the conversation"}`;
  }
  if (body.joined) {
    const { users, invite } = body.joined;
    if (users.length === 1 && users[0] === sender) return `${who} joined${invite ? " by an invite" : ""}`;
    return `${who} added ${listed(users.map(whom))}`;
  }
  if (body.left) return body.left.user === sender ? `${who} left` : `${who} removed ${whom(body.left.user)}`;
  if (body.role_changed)
    return `${who} made ${whom(body.role_changed.user)} ${roleWords(body.role_changed.role)}`;
  if (body.banned) return `${who} banned ${whom(body.banned.user)}`;
  if (body.unbanned) return `${who} lifted the ban on ${whom(body.unbanned.user)}`;
  if (body.muted) {
    const until = body.muted.until === undefined ? "" : ` until ${brief(body.muted.until)}`;
    return `${who} muted ${whom(body.muted.user)}${until}`;
  }
  if (body.unmuted) return `${who} unmuted ${whom(body.unmuted.user)}`;
  if (body.updated) {
    return body.updated.name
      ? `${who} changed the conversation: it is “${body.updated.name}” now`
      : `${who} changed the conversation`;
  }
  if (body.invited) return `${who} made an invite`;
  if (body.revoked) return `${who} revoked an invite`;
  if (body.dissolved) return `${who} deleted the conversation for all`;
  return undefined;
}

function roleWords(role: string): string {
  return role === "admin" ? "an admin" : `a ${role}`;
}
