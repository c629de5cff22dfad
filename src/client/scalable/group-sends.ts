import type { GroupNumber } from "../../base/ids.ts";
import { PlatoGroup } from "../../plato/plato-group.ts";
import { TimelyNode } from "../../ricochet/timely-node.ts";
import { GroupError } from "../errors.ts";
import { type Payload, piecesOf, type Receipt } from "../send.ts";
import type { ScalableSendOptions } from "./group.ts";
import type { Membership } from "./membership.ts";
import type { RunningNode } from "./node-world.ts";
import type { NodeSettings } from "./options.ts";
import { type Destination, expelledError, leftError, SendWindow } from "./send-window.ts";

/** How long leaving, or closing, waits for what was sent to be everywhere. */
const DRAIN_MS = 5_000;
/** And so long after the last message to a timely group, as members ask for what they lack in that time, or never. */
const LINGER_MS = 500;

export type ScalableLimits = { readonly unacceptedMax: number; readonly unacceptedBytesMax: number };

/** What sends ask of their connection. */
export interface GroupSendsHost {
  payloadBytesMax(): number;
  now(): number;
  /** Calls back at a time, once; returns what cancels it. */
  alarm(at: number, callback: () => void): () => void;
}

/** What goes out to the scalable and timely groups of a connection: in three lines, since each kind waits for something else. */
export class GroupSends {
  readonly #settings: NodeSettings;
  readonly #host: GroupSendsHost;
  /** To scalable groups: until what is not known to be everywhere is less. */
  readonly #scalable: SendWindow;
  /** To timely groups: for nothing but the network. */
  readonly #timely: SendWindow;
  /** To totally ordered ones: for the network, and each for what is under way there. */
  readonly #ordered: SendWindow;
  /** When the last message was sent to a timely group; milliseconds on the connection's clock. */
  #timelyAt = Number.NEGATIVE_INFINITY;

  constructor(settings: NodeSettings, limits: ScalableLimits, host: GroupSendsHost) {
    this.#settings = settings;
    this.#host = host;
    this.#scalable = new SendWindow({ ...limits, windowBytesMax: settings.windowBytesMax });
    this.#timely = new SendWindow({ ...limits, windowBytesMax: 0 });
    this.#ordered = new SendWindow({ ...limits, windowBytesMax: 0 });
  }

  /** As the group's `send` has it. Throws what is wrong with the arguments. */
  send(membership: Membership, payload: Payload, { signal }: ScalableSendOptions): Promise<Receipt> {
    const bytes = joinedPieces(piecesOf(payload));
    // Leaving waits for what was sent before, and for nothing else.
    if (membership.isParting || membership.isLeaving) throw leftError(membership);
    this.#checkSize(membership, bytes);
    if (membership.quality === "timely") this.#timelyAt = membership.sentAt = this.#host.now();
    return this.#lineOf(membership).send(membership, bytes, signal);
  }

  /** There is a node. */
  begin(running: RunningNode): void {
    this.#scalable.begin((group, payload, number) => running.send(group, payload, number));
    this.#timely.begin((group, payload) => running.sendTimely(group, payload));
    const isHeldBack = (group: GroupNumber): boolean => running.isHeldBack(group);
    this.#ordered.begin((group, payload) => running.sendTimely(group, payload) || isHeldBack(group), isHeldBack);
  }

  /** The node takes messages again. */
  writable(): void {
    for (const line of this.#lines) line.writable();
  }

  /** All members that have not failed have the message with this number. */
  stable(number: number): void {
    this.#scalable.stable(number);
  }

  /** The node is in this group now, or the group is being left, or over: what waits for that goes on. */
  changed(membership: Membership): void {
    const line = this.#lineOf(membership);
    line.changed(membership);
    line.pump();
  }

  /** The node was declared failed. Returns how many messages to each group are not known to be everywhere. */
  expel(): ReadonlyMap<Destination, number> {
    this.#timely.expel(expelledError());
    this.#ordered.expel(expelledError());
    return this.#scalable.expel(expelledError());
  }

  /** Nothing is sent any more. */
  end(error: GroupError): void {
    for (const line of this.#lines) line.end(error);
  }

  /** Resolves when what was sent is everywhere, or that takes too long. */
  async drain(): Promise<void> {
    await Promise.all(this.#lines.map((line) => this.#idle(line)));
    await this.#linger(this.#timelyAt);
  }

  /** The same of one group. */
  async drainGroup(membership: Membership): Promise<void> {
    await this.#idle(this.#lineOf(membership), membership);
    await this.#linger(membership.sentAt);
  }

  get #lines(): readonly SendWindow[] {
    return [this.#scalable, this.#timely, this.#ordered];
  }

  #lineOf({ quality, order }: Membership): SendWindow {
    if (quality === "scalable") return this.#scalable;
    return order === undefined ? this.#timely : this.#ordered;
  }

  #checkSize({ name, quality, repairs, order }: Membership, { length }: Uint8Array): void {
    const siteMax = this.#host.payloadBytesMax();
    const packetMax = TimelyNode.payloadBytesMax(this.#settings.datagramBytes, repairs.every);
    const timelyMax = order === undefined ? packetMax : PlatoGroup.payloadBytesMax(packetMax);
    const max = quality === "timely" ? timelyMax : siteMax;
    if (length <= Math.min(max, siteMax)) return;
    const what =
      max < siteMax ? `${name} is timely, and a packet takes at most ${max}` : `this site takes at most ${siteMax}`;
    throw new GroupError("TOO_LARGE", `a message of ${length} bytes: ${what}; split it`);
  }

  #idle(line: SendWindow, to?: Membership): Promise<void> {
    return line.idle(to, (callback) => this.#host.alarm(this.#host.now() + DRAIN_MS, callback));
  }

  /** Whoever has just sent to a timely group stays for those who have to ask for it. */
  async #linger(sentAt: number): Promise<void> {
    const until = sentAt + LINGER_MS;
    if (until > this.#host.now()) await new Promise<void>((resolve) => this.#host.alarm(until, resolve));
  }
}

function joinedPieces(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
