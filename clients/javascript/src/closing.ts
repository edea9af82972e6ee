/** What the code of a closed connection asks of a client. */

/** The close codes that this library tells apart; the range of any other says what to do. */
export const CLOSE = {
  goodbye: 1000,
  noStatus: 1005,
  broken: 1006,
  unauthenticated: 4200,
  tokenExpired: 4201,
  signedOut: 4204,
} as const;

/** When to connect again. */
export type Reconnect = "now" | "later" | "never";

export function reconnectAfter(code: number): Reconnect {
  if (code >= 4000 && code < 4100) return "now";
  if (code >= 4100 && code < 4200) return "later";
  if (code >= 4200 && code < 4300) return "never";
  switch (code) {
    case 1000:
    case 1001:
    case 1005:
    case 1006:
    case 1012:
      return "now";
    case 1002:
    case 1003:
    case 1007:
    case 1008:
    case 1009:
    case 1010:
      return "never";
    default:
      return "later";
  }
}
