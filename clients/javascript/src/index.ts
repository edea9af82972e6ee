export { Client, type ClientEvents, type ClientOptions, type Phase, type Stats } from "./client.js";
export type { Clock } from "./clock.js";
export type { WebSocketConstructor, WebSocketLike } from "./connection.js";
export { BusyError, DeadlineError, EndedError, type EndReason, RefusedError } from "./errors.js";
export { IndexedDbStore } from "./indexeddb_store.js";
export { MemoryStore } from "./memory_store.js";
export { altered, type MessageStatus, statusOf, targetOf, textOf } from "./messages.js";
export * from "./protocol.js";
export {
  type EntryPage,
  Replica,
  type ReplicaEvents,
  type ReplicaOptions,
  type ReplicaStatus,
} from "./replica.js";
export type {
  ConversationRecord,
  Durability,
  OutboxCommand,
  OutboxItem,
  ReadTables,
  Store,
  Tables,
} from "./store.js";
export type { TokenProvider } from "./token.js";
