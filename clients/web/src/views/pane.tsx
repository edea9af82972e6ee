/** One conversation: its head, its messages, what is being typed. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { ConversationRecord } from "starling-client";

import { OpenConversation } from "../open_conversation.js";
import { openConversation } from "../opened.js";
import { dialog, go, route, tell } from "../ui.js";
import { presenceWords, typingWords } from "../words.js";
import { Avatar } from "./avatar.js";
import { Composer } from "./composer.js";
import { useChat } from "./context.js";
import { IconButton } from "./icon.js";
import { MessageList } from "./message_list.js";

const AWAY_AFTER_MS = 2_000;

export function Pane() {
  const { conversation } = route.value;
  if (conversation === undefined) return <Empty />;
  return <Conversation key={conversation} id={conversation} />;
}

function Empty() {
  const chat = useChat();
  return (
    <main class="pane is-empty">
      <div class="empty">
        <img src="/icon.svg" alt="" width="64" height="64" />
        <h2>{chat.list.value.length === 0 ? "Nothing here yet" : "Choose a conversation"}</h2>
        <p>
          {chat.list.value.length === 0
            ? "Begin a conversation with someone by phone number, or make a group."
            : "What is said is kept on this device, also without a network."}
        </p>
        <button type="button" class="primary" onClick={() => (dialog.value = { show: "new" })}>
          New conversation
        </button>
      </div>
    </main>
  );
}

function Conversation({ id }: { id: string }) {
  const chat = useChat();
  const record = chat.records.value.get(id);
  const isThere = record !== undefined;
  const open = openConversation.value?.id === id ? openConversation.value : undefined;
  const { seq } = route.value;
  const shownFirst = useRef(seq);
  useEffect(() => {
    if (!isThere) return undefined;
    const opened = new OpenConversation(chat, id);
    openConversation.value = opened;
    void opened.open(seq).then(tellIfNot);
    return () => {
      // The next one may be there already: which of the two effects comes first is not said.
      if (openConversation.peek() === opened) openConversation.value = undefined;
      opened.close();
    };
  }, [id, isThere]);
  useEffect(() => {
    if (seq === shownFirst.current) return;
    shownFirst.current = undefined;
    if (open && seq !== undefined) void open.timeline.goTo(seq).then(tellIfNot);
  }, [seq]);

  if (!record || !open) {
    const isKnown = record || chat.status.value.phase !== "live";
    return (
      <main class="pane is-empty">
        <div class="empty">
          <p>{isKnown ? "Opening…" : "There is no such conversation, or you are no member of it."}</p>
          {!isKnown && (
            <button type="button" class="link" onClick={() => go({})}>
              Back to the list
            </button>
          )}
        </div>
      </main>
    );
  }
  return (
    <main class="pane" aria-label={chat.title(record)}>
      <Head record={record} open={open} />
      <MessageList open={open} record={record} />
      <AwayNote />
      <Composer open={open} record={record} />
    </main>
  );
}

function tellIfNot(isFound: boolean): void {
  if (!isFound) tell("That message cannot be shown now.");
}

/** Says that nobody serves this user, once that has lasted: most connections are back before anybody notices. */
function AwayNote() {
  const { phase } = useChat().status.value;
  const isAway = phase === "away" || phase === "ended";
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(isAway), isAway ? AWAY_AFTER_MS : 0);
    return () => clearTimeout(timer);
  }, [isAway]);
  if (!isShown) return null;
  return (
    <p class="away-note" role="status">
      No connection. What you write is kept on this device, and sent when there is one.
    </p>
  );
}

function Head({ record, open }: { record: ConversationRecord; open: OpenConversation }) {
  const chat = useChat();
  const { id, kind } = record;
  const title = chat.title(record);
  const peer = kind === "direct" ? chat.peers.value[id] : undefined;
  return (
    <header class="bar pane-head">
      <IconButton icon="back" label="Back to the list" class="back" onClick={() => go({})} />
      <button
        type="button"
        class="head-title"
        title={`About ${title}`}
        onClick={() =>
          (dialog.value =
            peer === undefined ? { show: "details", conversation: id } : { show: "person", user: peer })
        }
      >
        <Avatar id={peer ?? id} name={title} user={peer} />
        <span class="head-text">
          <h1>{title}</h1>
          <Subtitle record={record} open={open} peer={peer} />
        </span>
      </button>
      <IconButton
        icon="calendar"
        label="Jump to a date"
        onClick={() => (dialog.value = { show: "date", conversation: id })}
      />
      <IconButton
        icon="info"
        label="About this conversation"
        onClick={() => (dialog.value = { show: "details", conversation: id })}
      />
    </header>
  );
}

function Subtitle({
  record,
  open,
  peer,
}: {
  record: ConversationRecord;
  open: OpenConversation;
  peer: string | undefined;
}) {
  const chat = useChat();
  const typing = chat.typists.typing.value.get(record.id) ?? [];
  const members = open.members.value.size;
  const presence = chat.presence(peer);
  const about =
    record.kind === "direct"
      ? [presenceWords(presence), presence?.text].filter(Boolean).join(" · ")
      : [members > 0 && `${members} ${members === 1 ? "member" : "members"}`, record.description]
          .filter(Boolean)
          .join(" · ");
  const words = typingWords(typing.map((user) => chat.people.name(user)));
  return (
    <span class={words ? "head-sub is-typing" : "head-sub"} role="status" aria-live="polite">
      {words ? `${words}…` : about}
    </span>
  );
}
