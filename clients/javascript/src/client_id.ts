/** Client ids that nobody else has. */

import type { ClientId, CommandName, Commands } from "./protocol.js";
import { RETRYABLE } from "./protocol.js";

/**
 * 128 random bits. (`randomUUID` is missing on pages that do not come over HTTPS, and all of `crypto` in Node 18, where
 * lesser chance will do: an id is unique among those of one sender in one conversation.)
 */
export function newClientId(): ClientId {
  const bytes = new Uint8Array(16);
  if (typeof crypto === "undefined") bytes.forEach((_, index) => (bytes[index] = Math.random() * 256));
  else crypto.getRandomValues(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Gives a client id to commands that a retry must find again. */
export function withClientId<Name extends CommandName>(name: Name, fields: Commands[Name]): Commands[Name] {
  // A direct conversation exists once, whoever makes it.
  const isCreate = name === "create" && (fields as Commands["create"]).kind !== "direct";
  if (!isCreate && !(RETRYABLE as readonly CommandName[]).includes(name)) return fields;
  return { client_id: newClientId(), ...fields };
}
