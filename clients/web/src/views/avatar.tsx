/**
 * A person or a conversation as a disc with initials. Pictures from elsewhere are not shown: whoever sets one would learn
 * who looks at it, and when.
 */

import { useChat } from "./context.js";

const HUES = 12;

export function Avatar({ id, name, user }: { id: string; name: string; user?: string | undefined }) {
  const presence = useChat().presence(user);
  return (
    <span class={`avatar hue-${hue(id)}`} aria-hidden="true">
      {initials(name)}
      {presence && presence.state !== "offline" && <span class={`dot ${presence.state}`} />}
    </span>
  );
}

function hue(id: string): number {
  let hash = 7;
  for (const char of id) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash % HUES;
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => firstLetter(word));
  return letters.join("").toUpperCase() || "#";
}

function firstLetter(word: string | undefined): string {
  return word?.match(/[\p{L}\p{N}]/u)?.[0] ?? "";
}
