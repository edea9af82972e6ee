/** What can go wrong, apart from what the client mends by itself. */

import type { ErrorCode, ServerError } from "./protocol.js";

/** The server refused the command: it is not carried out, and a send that is refused is never seen. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  /** Stable; branch on this. */
  readonly code: ErrorCode;

  constructor(readonly error: ServerError) {
    super(`refused: ${error.message} (${error.code})`);
    this.code = error.code;
  }
}

/** The deadline passed before a definite answer came. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";

  constructor(
    /** Whether it was ever sent: if so, it may have been carried out, or may be later. */
    readonly sent: boolean,
  ) {
    super("no definite answer before the deadline");
  }
}

/** As many commands wait for their answers as the client keeps. */
export class BusyError extends Error {
  override readonly name = "BusyError";

  constructor() {
    super("too many commands wait for their answers");
  }
}

export type EndReason =
  /** The application closed the client. What was unanswered may or may not be carried out. */
  | "closed"
  /** The server does not take the token, and there is no other one to try. */
  | "unauthenticated"
  /** The user has signed out, here or everywhere. */
  | "signed_out"
  /** The server closed with another code that means "never". */
  | "refused"
  /** The server does not speak the protocol as this library knows it. */
  | "protocol"
  /** What is stored here belongs to another user. */
  | "other_user"
  /** The store failed. */
  | "store";

/** The client has ended, and why. */
export class EndedError extends Error {
  override readonly name = "EndedError";

  constructor(
    readonly reason: EndReason,
    message: string,
    /** The close code, where the server closed. */
    readonly closeCode?: number,
  ) {
    super(message);
  }
}
