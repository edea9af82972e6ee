/** What the views share. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Chat } from "../chat.js";

export const ChatContext = createContext<Chat | undefined>(undefined);

export function useChat(): Chat {
  const chat = useContext(ChatContext);
  if (!chat) throw new Error("there is no chat here");
  return chat;
}
