import { assert } from "../../base/assert.ts";
import { decodeChange } from "../../cms/change-codec.ts";
import { decodeNodeTelling, encodeNodeTelling, type NodeTelling } from "../../cms/node-report.ts";
import { decodeSettled, type SettledStream } from "../../cms/settled.ts";
import type { Change, NodeAddress } from "../../cms/views.ts";
import { type NodeId, regionViewKey, type RegionViewId } from "../../base/ids.ts";
import { ENVELOPE_BYTES, envelopeBytes, PREFACE, TICKET_BYTES } from "../../wire/native/envelope.ts";
import { decodeNative, encodeNative, type NativeMessage } from "../../wire/native/messages.ts";
import { decodeNodeNews, decodeNodeReport, encodeNodeReport, type NodeNews } from "../../wire/native/node-frames.ts";
import { TypeBit } from "../../wire/spread/codes.ts";
import { encodeFrame } from "../../wire/spread/frame.ts";
import type { StreamEnd } from "../stream.ts";

/** What a session uses of its machine. */
export type SessionMachine = {
  readonly user: string;
  readonly address: NodeAddress;
  /** Connects to a daemon, the next one each time; `undefined` if it does not answer. */
  dial(): StreamEnd | undefined;
  /** Calls back in the machine's loop after so many ms. */
  after(ms: number, action: (now: number) => void): void;
};

/** What a session tells its machine. */
export interface SessionListener {
  registered(node: NodeId, now: number): void;
  change(change: Change, now: number): void;
  suspended(isSuspended: boolean): void;
  /** The life is over; this is known to have been accepted of it. */
  expelled(settled: readonly SettledStream[]): void;
}

const RETRY_MS = 30;
const NEW_CLIENT = new Uint8Array(TICKET_BYTES);

/**
 * A node's session of the native protocol (docs/protocols/native-session.md) over simulated connections: what a client does for its
 * node, and nothing else. It goes to another daemon when it loses one, with its place, and repeats what was not acknowledged.
 */
export class NodeSession {
  readonly #machine: SessionMachine;
  readonly #listener: SessionListener;
  readonly #groups = new Set<string>();
  #stream: StreamEnd | undefined;
  #isWelcome = false;
  #ticket = NEW_CLIENT;
  #lastDelivered = 0;
  /** Sent, and not known to be ordered. */
  #sent: { readonly number: number; readonly frame: Uint8Array }[] = [];
  #number = 0;
  #arrived: Uint8Array = new Uint8Array(0);
  #node: NodeId | undefined;
  #seq = 0;
  #isSuspended = false;
  #isOver = false;
  /** Reported, and not acknowledged. */
  #n = 0;
  readonly #sealed = new Map<string, NodeTelling["sealed"][number]>();
  readonly #retired = new Map<string, RegionViewId>();
  readonly #settled = new Map<string, SettledStream>();

  constructor(machine: SessionMachine, listener: SessionListener) {
    this.#machine = machine;
    this.#listener = listener;
  }

  /** Connects, and connects again whenever that is necessary. In the machine's loop. */
  connect(): void {
    if (this.#isOver) return;
    const stream = this.#machine.dial();
    if (stream === undefined) {
      this.#machine.after(RETRY_MS, () => this.connect());
      return;
    }
    this.#stream = stream;
    this.#arrived = new Uint8Array(0);
    stream.user = {
      data: (bytes, now) => {
        if (this.#stream === stream) this.#read(bytes, now);
      },
      drained: () => {},
      closed: () => {
        if (this.#stream === stream) this.hangUp();
      },
    };
    stream.write(joined(PREFACE, this.#hello()));
  }

  /** Leaves the daemon as if it had failed, and goes to the next one after so long. */
  hangUp(forMs = RETRY_MS): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    this.#isWelcome = false;
    stream.end();
    this.#machine.after(forMs, () => this.connect());
  }

  /** Reads nothing until `resume`. */
  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  join(group: string): void {
    this.#groups.add(group);
    if (this.#isWelcome) this.#join(group, false);
  }

  leave(group: string): void {
    this.#groups.delete(group);
    if (this.#isWelcome) this.#say(encodeFrame(TypeBit.leave, "", [group], 0, new Uint8Array(0)));
  }

  report({ n, sealed, retired, inquired, settled }: Partial<NodeTelling>): void {
    this.#n = Math.max(this.#n, n ?? 0);
    for (const view of sealed ?? []) this.#sealed.set(regionViewKey(view.id), view);
    for (const id of retired ?? []) this.#retired.set(regionViewKey(id), id);
    for (const stream of settled ?? []) this.#settled.set(`${regionViewKey(stream.id)} ${stream.sender}`, stream);
    if (this.#isWelcome) this.#report(inquired ?? []);
  }

  #hello(): Uint8Array {
    return encodeNative({
      kind: "hello",
      version: 1,
      membership: false,
      priority: 0,
      user: this.#machine.user,
      ticket: this.#ticket,
      lastDelivered: this.#lastDelivered,
      method: "NULL",
      credentials: new Uint8Array(0),
    });
  }

  #read(bytes: Uint8Array, now: number): void {
    this.#arrived = joined(this.#arrived, bytes);
    const first = this.#arrived[0];
    if (first !== undefined && first >= 0x80) return this.hangUp();
    while (this.#arrived.length >= ENVELOPE_BYTES && !this.#isOver) {
      const end = envelopeBytes(this.#arrived, 0);
      if (this.#arrived.length < end) return;
      const envelope = this.#arrived.slice(0, end);
      this.#arrived = this.#arrived.slice(end);
      const message = decodeNative(envelope);
      assert(message !== undefined, "a daemon speaks the protocol");
      this.#take(message, now);
    }
  }

  #take(message: NativeMessage, now: number): void {
    const { kind } = message;
    if (kind === "welcome") this.#welcomed(message);
    // Its former session has to end first, or the daemon is about to stop.
    else if (kind === "refused") this.hangUp();
    else if (kind === "delivered") this.#sent = this.#sent.filter(({ number }) => number !== message.number);
    else if (kind === "configuration" || kind === "deliver") {
      this.#lastDelivered = message.deliveryNumber;
      if (kind === "deliver") this.#deliver(message.frame, now);
      this.#write(encodeNative({ kind: "ack", deliveryNumber: message.deliveryNumber }));
    }
  }

  #welcomed({ resumption, ticket, lastOrdered }: NativeMessage & { readonly kind: "welcome" }): void {
    this.#ticket = ticket.slice();
    this.#isWelcome = true;
    const isNew = resumption === "new" || resumption === "restarted";
    if (isNew) this.#lastDelivered = 0;
    const again = isNew ? [] : this.#sent.filter(({ number }) => number > lastOrdered);
    this.#sent = [];
    for (const { number, frame } of again) this.#write(encodeNative({ kind: "send", number, frame }));
    this.#sent.push(...again);
    if (resumption === "resumed") return;
    const groups = [...this.#groups];
    // It takes its place along with joins.
    if (groups.length === 0 && this.#node !== undefined) return this.#end([]);
    for (const group of groups) this.#join(group, group !== groups.at(-1));
    this.#report([]);
  }

  #deliver(frame: Uint8Array, now: number): void {
    const news = decodeNodeNews(frame, 0);
    if (news !== undefined) return this.#hear(news, now);
    const acknowledged = decodeNodeReport("acknowledged", frame, 0);
    const telling = acknowledged && decodeNodeTelling(acknowledged);
    for (const { id } of telling?.sealed ?? []) this.#sealed.delete(regionViewKey(id));
    for (const id of telling?.retired ?? []) this.#retired.delete(regionViewKey(id));
    for (const { id, sender } of telling?.settled ?? []) this.#settled.delete(`${regionViewKey(id)} ${sender}`);
  }

  #hear({ node, suspended, expelled, change }: NodeNews, now: number): void {
    if (suspended !== this.#isSuspended) {
      this.#isSuspended = suspended;
      this.#listener.suspended(suspended);
    }
    if (expelled) return this.#end(decodeSettled(change) ?? []);
    if (node !== 0 && this.#node === undefined) {
      this.#node = node;
      this.#listener.registered(node, now);
    }
    assert(node === 0 || node === this.#node, "a session is one node");
    if (change.length === 0) return;
    const decoded = decodeChange(change);
    assert(decoded !== undefined, "a daemon tells changes");
    if (decoded.seq <= this.#seq) return;
    assert(decoded.seq === this.#seq + 1, "changes come without gaps");
    this.#seq = decoded.seq;
    this.#listener.change(decoded, now);
  }

  #end(settled: readonly SettledStream[]): void {
    this.#isOver = true;
    this.#listener.expelled(settled);
  }

  #join(group: string, more: boolean): void {
    const { host, controlPort: control, repairPort: repair, dataPort: data } = this.#machine.address;
    const place = this.#node === undefined ? undefined : { node: this.#node, seq: this.#seq };
    const request = { quality: "scalable", node: { host, control, repair, data, place, more } };
    this.#say(encodeFrame(TypeBit.join, "", [group], 0, new TextEncoder().encode(JSON.stringify(request))));
  }

  #report(inquired: readonly NodeId[]): void {
    const open = this.#sealed.size + this.#retired.size + this.#settled.size;
    if (this.#n === 0 && open + inquired.length === 0) return;
    const telling = {
      n: this.#n,
      sealed: [...this.#sealed.values()],
      retired: [...this.#retired.values()],
      inquired,
      settled: [...this.#settled.values()],
    };
    this.#say(encodeNodeReport("report", encodeNodeTelling(telling)));
  }

  #say(frame: Uint8Array): void {
    const number = ++this.#number;
    this.#sent.push({ number, frame });
    this.#write(encodeNative({ kind: "send", number, frame }));
  }

  #write(bytes: Uint8Array): void {
    this.#stream?.write(bytes);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
