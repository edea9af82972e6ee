/** Frames: from commands to text, and from text to what the server says. */

import type { Commands, CommandName, Replies, ServerError, ServerEvents } from "./protocol.js";

/** What a frame of the server says. */
export type Incoming =
  | { is: "reply"; id: number; ok: Partial<Replies> }
  | { is: "refusal"; id: number; error: ServerError }
  | {
      [Type in keyof ServerEvents]: { is: "event"; type: Type; event: ServerEvents[Type] };
    }[keyof ServerEvents]
  /** An event that this version does not know: only a sign of life. */
  | { is: "unknown"; type: string }
  | { is: "malformed"; reason: string };

const encoder = new TextEncoder();

export function encode<Name extends CommandName>(id: number, name: Name, fields: Commands[Name]): string {
  return JSON.stringify({ id, [name]: fields });
}

/** The bytes that a command takes on the wire, at most. */
export function frameBytes<Name extends CommandName>(name: Name, fields: Commands[Name]): number {
  return encoder.encode(encode(Number.MAX_SAFE_INTEGER, name, fields)).length;
}

/** Reads a frame. What is known must be readable; what is not known is let be. */
export function decode(data: unknown): Incoming {
  if (typeof data !== "string") return malformed("a frame that is not text");
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch {
    return malformed("a frame that is not JSON");
  }
  if (!isMap(frame)) return malformed("a frame that is not a map");
  if ("id" in frame) return decodeReply(frame);
  const types = Object.keys(frame);
  const type = types.find((type) => Object.hasOwn(EVENTS, type)) as keyof ServerEvents | undefined;
  if (type === undefined) return { is: "unknown", type: types[0] ?? "" };
  const event = frame[type];
  if (!isMap(event) || !EVENTS[type](event)) return malformed(`an event ${type} that cannot be read`);
  return { is: "event", type, event } as unknown as Incoming;
}

function decodeReply(frame: Record<string, unknown>): Incoming {
  const { id, ok, error } = frame;
  if (!isWhole(id)) return malformed("a reply whose id is no number");
  if (isMap(ok)) return { is: "reply", id, ok: ok as Partial<Replies> };
  if (isMap(error) && typeof error["code"] === "string") {
    return { is: "refusal", id, error: error as unknown as ServerError };
  }
  return malformed("a reply that is neither ok nor an error");
}

/** What an event must have so that this library can work with it. */
const EVENTS: { [Type in keyof ServerEvents]: (event: Record<string, unknown>) => boolean } = {
  ready: (event) => typeof event["user"] === "string" && isWhole(event["heartbeat_ms"]),
  conversation: (event) =>
    isWhole(event["cursor"]) &&
    isMap(event["conversation"]) &&
    typeof event["conversation"]["id"] === "string",
  entry: isEntry,
  receipts: (event) =>
    typeof event["conversation"] === "string" &&
    isWhole(event["delivered"]) &&
    isWhole(event["read"]) &&
    Array.isArray(event["members"]),
  typing: (event) => typeof event["conversation"] === "string" && typeof event["user"] === "string",
  presence: (event) => typeof event["user"] === "string",
  hidden: (event) => typeof event["conversation"] === "string" && isWhole(event["messages"]),
  error: (event) => typeof event["code"] === "string",
};

/** Whether this can be put in its place in a log. */
export function isEntry(value: unknown): boolean {
  return (
    isMap(value) && typeof value["conversation"] === "string" && isWhole(value["seq"]) && isMap(value["body"])
  );
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(reason: string): Incoming {
  return { is: "malformed", reason };
}
