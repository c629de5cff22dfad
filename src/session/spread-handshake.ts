import { Code } from "../wire/spread/codes.ts";
import {
  CHOICE_BYTES,
  CREDENTIALS_BYTES,
  decodeChoice,
  decodeCredentials,
  decodeHello,
  encodeMethodList,
  hasAuthentication,
  type Hello,
} from "../wire/spread/handshake.ts";
import type { Method } from "./options.ts";

/** What a handshake asks of the session layer. */
export interface HandshakeHost {
  /** Takes the name for the client, or rejects it and returns `false`. */
  reserve(user: string): boolean;
  /** Sends bytes that are never merged with others. */
  reply(bytes: Uint8Array): void;
  /** Sends the code and closes. */
  reject(code: number, why: string): void;
  /** Whether the IP method lets the peer in. */
  admitsPeer(): boolean;
  verify(user: string, password: string): void;
  accept(hello: Hello): void;
}

/**
 * A Spread client's way into a session (spread-client-protocol section 2): hello, choice of methods, what the methods want,
 * verdict. Bytes may come one by one or all at once.
 */
export class SpreadHandshake {
  readonly #host: HandshakeHost;
  readonly #allowed: readonly Method[];
  readonly #required: readonly Method[];
  #state: "hello" | "choice" | "methods" | "verifying" | "done" = "hello";
  #hello: Hello | undefined;
  #methods: Method[] = [];
  #passed = true;

  constructor(host: HandshakeHost, allowed: readonly Method[], required: readonly Method[]) {
    this.#host = host;
    this.#allowed = allowed;
    this.#required = required;
  }

  /** Whether the client is asked for its choice: what it sent instead was not one, if nothing more comes. */
  get awaitsChoice(): boolean {
    return this.#state === "choice";
  }

  /** Looks at all bytes that are in and returns how many it has used; 0: it waits for more, or for a verdict. */
  step(bytes: Uint8Array): number {
    switch (this.#state) {
      case "hello":
        return this.#onHello(bytes);
      case "choice":
        return this.#onChoice(bytes);
      case "methods":
        return this.#onCredentials(bytes);
      case "verifying":
      case "done":
        return 0;
    }
  }

  /** The verdict on a password. */
  verified(good: boolean): void {
    if (this.#state !== "verifying") return;
    this.#passed &&= good;
    this.#host.reply(Uint8Array.of(good ? 1 : 0));
    this.#runMethods();
  }

  #onHello(bytes: Uint8Array): number {
    const progress = decodeHello(bytes);
    if (progress.kind === "more") return 0;
    if (progress.kind === "oldVersion") return this.#fail(Code.rejectVersion, "client version before 3.1");
    if (progress.kind === "illegalName") return this.#fail(Code.rejectIllegalName, "name longer than 10 bytes");
    const { hello } = progress;
    if (!this.#host.reserve(hello.user)) {
      this.#state = "done";
      return 0;
    }
    this.#hello = hello;
    if (!hasAuthentication(hello.version)) this.#judgeOldClient();
    else {
      this.#state = "choice";
      this.#host.reply(encodeMethodList(this.#allowed));
      if (this.#allowed.length === 0) this.#fail(Code.rejectAuth, "no authentication method is enabled");
    }
    return progress.bytes;
  }

  /** Before 3.16 clients have no say: IP decides where it is enabled, else NULL has to be. */
  #judgeOldClient(): void {
    if (this.#required.includes("PWORD")) this.#passed = false;
    else if (this.#allowed.includes("IP") || this.#required.includes("IP")) this.#passed = this.#host.admitsPeer();
    else this.#passed = this.#allowed.includes("NULL");
    this.#decide();
  }

  #onChoice(bytes: Uint8Array): number {
    if (bytes.length < CHOICE_BYTES) return 0;
    const chosen = decodeChoice(bytes);
    const known = this.#allowed.filter((method) => chosen.includes(method));
    if (chosen.length === 0 || !chosen.every((name) => known.some((method) => method === name))) {
      this.#fail(Code.rejectAuth, `methods "${chosen.join(" ")}" are not all enabled`);
      return CHOICE_BYTES;
    }
    const inOrder = chosen.flatMap((name) => known.filter((method) => method === name));
    this.#methods = [...inOrder, ...this.#required.filter((method) => !inOrder.includes(method))];
    this.#runMethods();
    return CHOICE_BYTES;
  }

  /** Runs methods up to one that wants bytes of the client; all run, though one has failed. */
  #runMethods(): void {
    while (this.#methods.length > 0) {
      const method = this.#methods.shift() as Method;
      if (method === "IP") this.#passed = this.#host.admitsPeer() && this.#passed;
      if (method === "PWORD") {
        this.#state = "methods";
        return;
      }
    }
    this.#decide();
  }

  #onCredentials(bytes: Uint8Array): number {
    if (bytes.length < CREDENTIALS_BYTES) return 0;
    const { user, password } = decodeCredentials(bytes);
    this.#state = "verifying";
    this.#host.verify(user, password);
    return CREDENTIALS_BYTES;
  }

  #decide(): void {
    if (!this.#passed) this.#fail(Code.rejectAuth, "authentication failed");
    else {
      this.#state = "done";
      this.#host.accept(this.#hello as Hello);
    }
  }

  #fail(code: number, why: string): number {
    this.#state = "done";
    this.#host.reject(code, why);
    return 0;
  }
}
