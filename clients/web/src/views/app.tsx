/** The page as a whole. */

import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";

import type { Chat } from "../chat.js";
import { dialog, go, route } from "../ui.js";
import { ChatContext } from "./context.js";
import { Dialogs } from "./dialogs.js";
import { Pane } from "./pane.js";
import { Sidebar } from "./sidebar.js";
import { Toasts } from "./toasts.js";

export function App({ chat }: { chat: Chat }) {
  const unread = useComputed(() => chat.unread.value);
  useEffect(() => {
    document.title = unread.value > 0 ? `(${unread.value}) Starling` : "Starling";
  }, [unread.value]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (dialog.value !== undefined) return;
      if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
        event.preventDefault();
        step(chat, event.key === "ArrowUp" ? -1 : 1);
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [chat]);
  return (
    <ChatContext.Provider value={chat}>
      <div class={route.value.conversation === undefined ? "app shows-list" : "app shows-pane"}>
        <Sidebar />
        <Pane />
      </div>
      <Dialogs />
      <Toasts />
    </ChatContext.Provider>
  );
}

/** To the next conversation of the list, or the one before. */
function step(chat: Chat, by: number): void {
  const list = chat.list.value;
  const at = list.findIndex(({ id }) => id === route.value.conversation);
  const next = list[at === -1 ? 0 : at + by];
  if (next) go({ conversation: next.id });
}
