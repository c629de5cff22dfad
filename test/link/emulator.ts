import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Direction, LinkExit } from "./emulated-link.ts";
import type { WayConditions, WayStatistics } from "./emulated-way.ts";

type Asked =
  | { readonly kind: "open"; readonly link: number; readonly conditions: WayConditions; readonly seed: number }
  | {
      readonly kind: "enter";
      readonly link: number;
      readonly direction: Direction;
      readonly exit: LinkExit;
      readonly port: number;
    }
  | {
      readonly kind: "set";
      readonly link: number;
      readonly conditions: WayConditions;
      readonly directions?: readonly Direction[];
    }
  | { readonly kind: "cut" | "mend"; readonly link: number; readonly directions?: readonly Direction[] }
  | { readonly kind: "statistics"; readonly link: number; readonly direction: Direction }
  | { readonly kind: "close"; readonly link: number };

/** What the emulator's process is told, and what it answers. */
export type Request = Asked & { readonly id: number };
export type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string };

const PROCESS = fileURLToPath(new URL("./emulator-process.ts", import.meta.url));

/** A process with emulated links. Every method rejects if the process has ended. */
export class Emulator {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #asked = 0;
  #links = 0;
  #ended: Error | undefined;

  constructor() {
    this.#child = fork(PROCESS, [], { execArgv: ["--import", "tsx"] });
    this.#child.on("message", ({ id, value, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
    this.#child.on("exit", (code) => {
      this.#ended = new Error(`the link emulator has ended with ${code}`);
      for (const { reject } of this.#waiting.values()) reject(this.#ended);
      this.#waiting.clear();
    });
  }

  /** A new link. */
  async open(conditions: WayConditions, seed = 1): Promise<RemoteLink> {
    const link = ++this.#links;
    await this.ask({ kind: "open", link, conditions, seed });
    return new RemoteLink(this, link);
  }

  ask(asked: Asked): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ ...asked, id });
    });
  }

  /** Ends the process, and with it all links. */
  close(): void {
    this.#child.removeAllListeners("exit");
    this.#ended = new Error("the link emulator was closed");
    if (this.#child.connected) this.#child.disconnect();
  }
}

/** A link of an `Emulator`: as `EmulatedLink`, but each call takes a moment. */
export class RemoteLink {
  readonly #emulator: Emulator;
  readonly #link: number;

  constructor(emulator: Emulator, link: number) {
    this.#emulator = emulator;
    this.#link = link;
  }

  /** The port at 127.0.0.1 that leads to `exit`. */
  async enter(direction: Direction, exit: LinkExit, port = 0): Promise<number> {
    return (await this.#emulator.ask({ kind: "enter", link: this.#link, direction, exit, port })) as number;
  }

  async set(conditions: WayConditions, directions?: readonly Direction[]): Promise<void> {
    await this.#emulator.ask({ kind: "set", link: this.#link, conditions, ...chosen(directions) });
  }

  async cut(directions?: readonly Direction[]): Promise<void> {
    await this.#emulator.ask({ kind: "cut", link: this.#link, ...chosen(directions) });
  }

  async mend(directions?: readonly Direction[]): Promise<void> {
    await this.#emulator.ask({ kind: "mend", link: this.#link, ...chosen(directions) });
  }

  async statistics(direction: Direction): Promise<WayStatistics> {
    return (await this.#emulator.ask({ kind: "statistics", link: this.#link, direction })) as WayStatistics;
  }

  async close(): Promise<void> {
    await this.#emulator.ask({ kind: "close", link: this.#link });
  }
}

function chosen(directions: readonly Direction[] | undefined): { directions?: readonly Direction[] } {
  return directions === undefined ? {} : { directions };
}
