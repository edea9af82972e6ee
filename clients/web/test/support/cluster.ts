/** The cluster that `STARLING_CLUSTER` names, in development mode: it tells whoever asks for a code what it is. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

export interface Cluster {
  /** Where clients connect. */
  front: string;
  nodes: { id: string; url: string; pid: number | null }[];
  token_secret: string;
}

export function theCluster(): Cluster {
  const { STARLING_CLUSTER } = process.env;
  assert.ok(STARLING_CLUSTER, "name a cluster in STARLING_CLUSTER: target/cluster/cluster.json, say");
  return JSON.parse(readFileSync(STARLING_CLUSTER, "utf8")) as Cluster;
}

/** A number that nobody has: of a range that is set aside for invented people. */
export function inventedPhone(): string {
  const digits = Math.floor(Math.random() * 1_000_000);
  return `+4917000${String(digits).padStart(6, "0")}`;
}

/** A token that the cluster's nodes believe, as an issuer elsewhere would make it. */
export function mint({ token_secret }: Cluster, user: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1_000);
  const claims = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, iat: now, exp: now + 3_600 })}`;
  return `${claims}.${createHmac("sha256", token_secret).update(claims).digest("base64url")}`;
}
