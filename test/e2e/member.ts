import {
  connect,
  type Connection,
  type ConnectionEvent,
  type ConnectOptions,
  type Message,
  type Receipt,
  type SendOptions,
  type View,
} from "../../src/index.ts";
import { until } from "./until.ts";

/** A message that a member delivered, in short. */
export type Delivered = {
  readonly text: string;
  readonly message: Message;
  /** When, by `performance.now()`. */
  readonly at: number;
  /** Between a transitional signal of one of its groups and the next view. */
  readonly transitional: boolean;
};

const decoder = new TextDecoder();

/** A client that reads all it gets and keeps it. */
export class Member {
  readonly name: string;
  readonly connection: Connection;
  readonly events: ConnectionEvent[] = [];
  readonly delivered: Delivered[] = [];
  /** What the connection ended with, if it ended by an error. */
  error: unknown;
  sent = 0;
  readonly #inTransition = new Set<string>();

  private constructor(name: string, connection: Connection) {
    this.name = name;
    this.connection = connection;
    void this.#follow();
  }

  static async connect(
    addresses: string | readonly string[],
    name: string,
    options: ConnectOptions = {},
  ): Promise<Member> {
    return new Member(name, await connect(addresses, { ...options, name }));
  }

  get texts(): string[] {
    return this.delivered.map(({ text }) => text);
  }

  of<K extends ConnectionEvent["kind"]>(kind: K): Extract<ConnectionEvent, { kind: K }>[] {
    return this.events.filter((event): event is Extract<ConnectionEvent, { kind: K }> => event.kind === kind);
  }

  view(group: string): View | undefined {
    return this.of("view").findLast((view) => view.group === group);
  }

  /** Sends `name number service` to a group, without waiting for anything. */
  number(group: string, service: "agreed" | "safe"): Promise<Receipt> {
    this.sent += 1;
    return this.connection.send(group, `${this.name} ${this.sent} ${service}`, { service });
  }

  async send(groups: string | readonly string[], text: string, options?: SendOptions): Promise<void> {
    await this.connection.send(groups, text, options);
  }

  async untilText(text: string): Promise<void> {
    await until(`${this.name} delivers ${text}`, () => this.delivered.some((one) => one.text === text));
  }

  async untilMembers(group: string, members: readonly string[]): Promise<View> {
    const wanted = members.join();
    await until(`${this.name} sees ${wanted} in ${group}`, () => this.view(group)?.members.join() === wanted);
    return this.view(group) as View;
  }

  async #follow(): Promise<void> {
    try {
      for await (const event of this.connection) {
        this.events.push(event);
        if (event.kind === "transitional") this.#inTransition.add(event.group);
        if (event.kind === "view") this.#inTransition.delete(event.group);
        if (event.kind === "message") this.#keep(event);
      }
    } catch (error) {
      this.error = error;
    }
  }

  #keep(message: Message): void {
    const text = message.payload.length > 1_000 ? `${message.payload.length} bytes` : decoder.decode(message.payload);
    const transitional = message.groups.some((group) => this.#inTransition.has(group));
    this.delivered.push({ text, message, at: performance.now(), transitional });
  }
}

/** The longest time in which a member delivered nothing, from `since` to its last delivery, ms. */
export function longestSilenceMs({ delivered }: Member, since: number): number {
  let longest = 0;
  let last = since;
  for (const { at } of delivered) {
    if (at < since) continue;
    longest = Math.max(longest, at - last);
    last = at;
  }
  return longest;
}

/** The texts of one list that are in another one too, in the order of the first. */
export function common(list: readonly string[], other: readonly string[]): string[] {
  const known = new Set(other);
  return list.filter((text) => known.has(text));
}

/** What a member delivered of one sender's `number`ed messages, by number. */
export function numbersOf(texts: readonly string[], sender: string): number[] {
  return texts.filter((text) => text.startsWith(`${sender} `)).map((text) => Number(text.split(" ")[1]));
}

/** 1 … n. */
export function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1);
}
