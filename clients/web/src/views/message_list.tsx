/**
 * The messages: a bounded part of the log is on the page at a time, and more is read as somebody scrolls.
 *
 * Constraint: whatever is put above or below, what somebody reads stays where it is; who is at the end stays at the end.
 */

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { ConversationRecord } from "starling-client";

import type { OpenConversation } from "../open_conversation.js";
import { type Row, rowsOf } from "../rows.js";
import { day, notice, YOU } from "../words.js";
import { useChat } from "./context.js";
import { Icon } from "./icon.js";
import { Message, Unsent } from "./message.js";

/** Nearer to an end than this, more is read. */
const NEAR_PX = 900;
/** So near to the end counts as there. */
const END_PX = 24;
const FLASH_MS = 1_600;

/** Where somebody is: at the end, or so far above a row. */
type Place = "end" | { key: string; top: number };

export function MessageList({ open, record }: { open: OpenConversation; record: ConversationRecord }) {
  const chat = useChat();
  const { timeline } = open;
  const box = useRef<HTMLDivElement>(null);
  const place = useRef<Place>("end");
  const done = useRef(timeline.target.peek());
  const isAtEnd = useSignal(true);
  const active = useSignal<string | undefined>(undefined);

  const shown = timeline.shown.value;
  const people = chat.people.all;
  const unsent = open.unsent.value;
  const rows = useMemo(
    () =>
      rowsOf({
        entries: shown?.entries ?? [],
        unsent: shown?.newer ? [] : unsent,
        me: chat.me,
        unreadAfter: open.unreadAfter,
        noticeOf: (entry) => notice(entry, (user) => (user === chat.me ? YOU : chat.people.name(user))),
      }),
    [shown, unsent, people],
  );

  const rowElements = () => [...(box.current?.querySelectorAll<HTMLElement>("[data-key]") ?? [])];

  /** Takes down where somebody is, and what he sees of it. */
  const look = () => {
    const list = box.current;
    if (!list) return;
    const fromEnd = list.scrollHeight - list.clientHeight - list.scrollTop;
    isAtEnd.value = fromEnd <= END_PX;
    timeline.isFollowed = isAtEnd.value;
    const elements = rowElements();
    const first = elements[firstBelow(elements, list.scrollTop)];
    if (isAtEnd.value && !shown?.newer) place.current = "end";
    else if (first)
      place.current = { key: first.dataset["key"] ?? "", top: first.offsetTop - list.scrollTop };
    markRead(elements, list);
  };

  /** Everything up to the last row that is wholly in sight has been read. */
  const markRead = (elements: HTMLElement[], list: HTMLElement) => {
    if (document.visibilityState !== "visible" || !shown) return;
    const end = list.scrollTop + list.clientHeight + END_PX;
    const last = elements.findLast(
      (element) => element.offsetTop + element.offsetHeight <= end && element.dataset["seq"],
    );
    const isAll = isAtEnd.value && !shown.newer;
    const seq = isAll ? shown.entries.at(-1)?.seq : Number(last?.dataset["seq"] ?? 0);
    if (seq && seq > record.read) void chat.replica.read(open.id, seq);
  };

  const readMore = () => {
    const list = box.current;
    if (!list) return;
    if (list.scrollTop < NEAR_PX) void timeline.loadOlder();
    if (list.scrollHeight - list.clientHeight - list.scrollTop < NEAR_PX) void timeline.loadNewer();
  };

  const flash = (element: HTMLElement) => {
    element.classList.add("is-flashed");
    setTimeout(() => element.classList.remove("is-flashed"), FLASH_MS);
    element.focus({ preventScroll: true });
  };

  /** Puts the list back to where somebody was, or to where he wants to go. */
  const settle = () => {
    const list = box.current;
    if (!list || !shown) return;
    const target = timeline.target.peek();
    const { current } = place;
    const wanted = target?.seq;
    // What is asked for may not be on the page yet.
    const isShown =
      wanted === "end" ||
      (wanted !== undefined &&
        (shown.entries[0]?.seq ?? 0) <= wanted &&
        wanted <= (shown.entries.at(-1)?.seq ?? 0));
    if (target && target !== done.current && isShown) {
      done.current = target;
      const element = rowElements().find(
        ({ dataset }) => wanted !== "end" && Number(dataset["seq"]) >= Number(wanted),
      );
      if (element) list.scrollTop = element.offsetTop - list.clientHeight / 3;
      else list.scrollTop = list.scrollHeight;
      if (element && target.flash) flash(element);
    } else if (current === "end") {
      list.scrollTop = list.scrollHeight;
    } else {
      const element = rowElements().find(({ dataset }) => dataset["key"] === current.key);
      if (element) list.scrollTop = element.offsetTop - current.top;
    }
    look();
  };

  const settleLater = useRef(settle);
  settleLater.current = settle;
  useLayoutEffect(settle);
  useSignalEffect(() => {
    // The target may change while nothing else does.
    if (timeline.target.value !== undefined) queueMicrotask(() => settleLater.current());
  });
  useEffect(readMore, [shown, chat.status.value.phase]);
  useEffect(() => {
    const list = box.current;
    const again = () => settleLater.current();
    const observer = new ResizeObserver(again);
    if (list) observer.observe(list);
    document.addEventListener("visibilitychange", again);
    return () => {
      observer.disconnect();
      document.removeEventListener("visibilitychange", again);
    };
  }, []);

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const elements = rowElements().filter(({ tabIndex }) => tabIndex === -1);
    const at = elements.findIndex((element) => element.contains(document.activeElement));
    const next = at === -1 ? elements.at(-1) : elements[at + step];
    if (!next) return;
    event.preventDefault();
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };

  const isOffline = useComputed(() => !["ready", "live"].includes(chat.status.value.phase));
  const hasBegin = shown && !shown.older;
  return (
    <div class="list-frame">
      <div
        ref={box}
        class="messages"
        role="log"
        aria-label={`Messages in ${chat.title(record)}`}
        aria-busy={timeline.loading.value !== undefined}
        tabIndex={0}
        onScroll={() => {
          look();
          readMore();
        }}
        onKeyDown={onKeyDown}
      >
        <div class="messages-head">
          {!shown && <p class="muted">Opening…</p>}
          {shown?.older && (
            <p class="muted">
              {isOffline.value
                ? "Older messages are not on this device, and there is no network."
                : "Reading older messages…"}
            </p>
          )}
          {hasBegin && rows.length === 0 && <p class="muted">Nothing has been said yet.</p>}
        </div>
        {rows.map((row) => (
          <RowView key={row.key} row={row} open={open} record={record} active={active} />
        ))}
      </div>
      {(!isAtEnd.value || shown?.newer) && (
        <button
          type="button"
          class="to-end"
          aria-label={
            record.unread > 0 ? `To the newest messages, ${record.unread} unread` : "To the newest messages"
          }
          onClick={() => void timeline.goToEnd()}
        >
          <Icon name="down" />
          {record.unread > 0 && <span class="badge">{record.unread}</span>}
        </button>
      )}
    </div>
  );
}

function RowView({
  row,
  open,
  record,
  active,
}: {
  row: Row;
  open: OpenConversation;
  record: ConversationRecord;
  active: { value: string | undefined };
}) {
  switch (row.type) {
    case "day":
      return (
        <div class="day" data-key={row.key} role="separator">
          <span>{day(row.at)}</span>
        </div>
      );
    case "unread":
      return (
        <div class="unread-line" data-key={row.key} role="separator">
          <span>New</span>
        </div>
      );
    case "notice":
      return (
        <p class="notice" data-key={row.key} data-seq={row.seq}>
          {row.text}
        </p>
      );
    case "message":
      return (
        <Message
          row={row}
          open={open}
          record={record}
          isActive={active.value === row.key}
          activate={(isActive) => {
            if (isActive) active.value = row.key;
            else if (active.value === row.key) active.value = undefined;
          }}
        />
      );
    case "unsent":
      return <Unsent row={row} open={open} />;
  }
}

/** The first of the elements whose lower edge is below this. */
function firstBelow(elements: HTMLElement[], y: number): number {
  let low = 0;
  let high = elements.length - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const element = elements[middle] as HTMLElement;
    if (element.offsetTop + element.offsetHeight > y) high = middle;
    else low = middle + 1;
  }
  return low;
}
