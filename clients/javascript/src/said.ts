/** What the tabs of one replica say to one another. A message that a tab does not know is of a later version. */

import type { EndReason } from "./errors.js";
import type { Changes } from "./local_log.js";
import type {
  Command,
  ConversationId,
  Presence,
  ReceiptsChange,
  Seq,
  ServerError,
  TypingChange,
} from "./protocol.js";
import type { ReplicaStatus } from "./replica.js";

export type Said = ByAny | ByLeader | ByFollower;

export type ByAny = { say: "changed"; changes: Changes };

export type ByLeader =
  | { say: "leads"; from: string; status: ReplicaStatus }
  | { say: "passing"; passing: Passing }
  /** The question has come; the answer may take its time. */
  | { say: "heard"; to: string }
  | { say: "answer"; to: string; id: number; outcome: Outcome };

export type ByFollower =
  | { say: "hello" }
  | { say: "bye"; from: string }
  | { say: "outbox" }
  | { say: "connect" }
  | { say: "read"; conversation: ConversationId; seq: Seq }
  | { say: "typing"; conversation: ConversationId; typing: boolean }
  | { say: "availability"; from: string; state: Availability }
  | { say: "ask"; from: string; id: number; command: Command };

export type Availability = "online" | "away";

/** Events that are not kept, and go to all tabs as they come. */
export type Passing =
  | { type: "receipts"; event: ReceiptsChange }
  | { type: "typing"; event: TypingChange }
  | { type: "presence"; event: Presence };

/** What became of a command that another tab asked for. */
export type Outcome =
  | { reply: unknown }
  | { refused: ServerError }
  | { ended: { reason: EndReason; message: string } }
  | { failed: string };
