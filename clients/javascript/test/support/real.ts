/** The cluster that `STARLING_CLUSTER` names: the `cluster.json` that `cargo xtask cluster` writes. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

import { WebSocket as WsWebSocket } from "ws";

import type { WebSocketConstructor } from "../../src/index.js";

export interface RealCluster {
  /** Where clients connect. */
  front: string;
  nodes: { id: string; url: string; pid: number | null }[];
  token_secret: string;
}

/** Node has one of its own from version 22 on. */
export const WebSocket: WebSocketConstructor = globalThis.WebSocket ?? WsWebSocket;

export function realCluster(): RealCluster {
  const { STARLING_CLUSTER } = process.env;
  assert.ok(STARLING_CLUSTER, "name a cluster in STARLING_CLUSTER: target/cluster/cluster.json, say");
  return JSON.parse(readFileSync(STARLING_CLUSTER, "utf8")) as RealCluster;
}

export function socketUrl(url: string): string {
  return `${url.replace(/^http/, "ws").replace(/\/$/, "")}/ws`;
}

/** A token that the cluster's nodes believe. */
export function mint({ token_secret }: RealCluster, user: string, seconds = 3_600): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1_000);
  const claims = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, iat: now, exp: now + seconds })}`;
  return `${claims}.${createHmac("sha256", token_secret).update(claims).digest("base64url")}`;
}
