/** Which token to connect with, and whether there may be another one after it was refused. */

/** Asked for a token at the start, and again whenever the server says that the last one is not valid (any more). */
export type TokenProvider = () => string | Promise<string>;

/** `exhausted`: nothing new, it would be refused again. `failed`: the provider could not tell now. */
export type Choice = { token: string } | "exhausted" | "failed";

export class TokenSource {
  readonly #provider: TokenProvider | undefined;
  #good: string | undefined;
  #refused: string | undefined;

  constructor(token: string | TokenProvider) {
    if (typeof token === "string") this.#good = token;
    else this.#provider = token;
  }

  /** The token in hand was refused. Returns whether there may be another one. */
  refused(): boolean {
    if (!this.#provider) return false;
    this.#refused = this.#good ?? this.#refused;
    this.#good = undefined;
    return true;
  }

  async choose(): Promise<Choice> {
    if (this.#good !== undefined) return { token: this.#good };
    if (!this.#provider) return "exhausted";
    let token: string;
    try {
      token = await this.#provider();
    } catch {
      return "failed";
    }
    if (token === this.#refused) return "exhausted";
    this.#good = token;
    return { token };
  }
}
