/** The conversation that is on the page now, for dialogs that are about it. */

import { signal } from "@preact/signals";

import type { OpenConversation } from "./open_conversation.js";

export const openConversation = signal<OpenConversation | undefined>(undefined);
