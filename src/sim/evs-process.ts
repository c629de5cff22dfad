import { AssertionError, assert } from "../base/assert.ts";
import { configurationKey } from "../base/ids.ts";
import type { Channel } from "../machine/network.ts";
import type { EvsConfig } from "../membership/config.ts";
import { Evs } from "../membership/evs.ts";
import type { EvsOutbox } from "../membership/evs-outbox.ts";
import type { MembershipStateName } from "../membership/events.ts";
import { Layout } from "../membership/layout.ts";
import { type MembershipTimeouts, membershipTimeouts, scaledTimeouts } from "../membership/timeouts.ts";
import { type WideAreaConfig, wideAreaConfig } from "../membership/wide-area-config.ts";
import { EVERYBODY, type Interest, OWN_SITE } from "../ordering/interest.ts";
import type { OutgoingMessage } from "../ordering/message.ts";
import { Content } from "../ordering/content.ts";
import { type Service, serviceOfRank, serviceRank } from "../ordering/service.ts";
import { type Delivery, payloadOf, type Upcalls } from "../ordering/upcall.ts";
import { type RingConfig, ringConfig } from "../ring/config.ts";
import { decodeForm2 } from "../wire/form.ts";
import { Kind, readPrefix, WIRE_VERSION_MAX } from "../wire/prefix.ts";
import { decodeAnnouncement } from "../wire/interest.ts";
import { decodeToken } from "../wire/ring-token.ts";
import type { Inspector } from "./check/inspector.ts";
import { decodePayload, encodePayload, PAYLOAD_BYTES_MIN, payloadHead, wrappedMessage } from "./payload.ts";
import type { ProcessEnvironment, SimProcess } from "./sim-process.ts";
import { Traps } from "./traps.ts";
import { counterOf, type MessageNumber, messageNumber, type ProcessNumber, type Trace } from "./trace.ts";
import type { SiteLayout } from "./world.ts";

/** The settings of the daemons of a simulated site, or of several. */
export type EvsSettings = {
  readonly site: SiteLayout;
  /** The site of each segment; none: all are one. */
  readonly sites: readonly number[] | undefined;
  readonly wideArea: WideAreaConfig;
  readonly timeouts: MembershipTimeouts;
  readonly ring: RingConfig;
};

/** The timeouts of the profile for local networks, ten times faster: as much happens in less simulated time. */
export const FAST_TIMEOUTS: MembershipTimeouts = scaledTimeouts(membershipTimeouts("lan"), 0.1);

/** Between sites a form takes a few trips, and a hop is called lost only after several. */
export const WIDE_TIMEOUTS: MembershipTimeouts = {
  ...FAST_TIMEOUTS,
  formMs: 150,
  formResendMs: 20,
  gatherMs: 50,
  lookupMs: 300,
};
/** Hops for these timeouts. */
export const WIDE_HOPS: Partial<WideAreaConfig> = {
  silenceMs: 150,
  missingMs: 250,
  idleMs: 40,
  helloMs: 10,
  updateMs: 1,
};

export function evsSettings(
  site: SiteLayout,
  ring: Partial<RingConfig> = {},
  sites?: readonly number[],
  wideArea: Partial<WideAreaConfig> = {},
): EvsSettings {
  return {
    site,
    sites,
    wideArea: wideAreaConfig({ ...WIDE_HOPS, ...wideArea }),
    timeouts: sites === undefined ? FAST_TIMEOUTS : WIDE_TIMEOUTS,
    ring: ringConfig({ tokenProbeMs: FAST_TIMEOUTS.tokenProbeMs, ...ring }),
  };
}

/** Marks payloads of an application, as against those that the workload makes up; the application's own number is below. */
const APPLICATION_CONTENT = 0x70;

/** Where a process writes down what happens. */
export type Records = {
  readonly trace: Trace;
  readonly inspector: Inspector;
  /** True time, as against that of the node. */
  readonly time: () => number;
  /** Takes what is of interest in a timeline only. */
  readonly note: (what: string) => void;
};

/** Sessions of the workload from this one on send to all sites alone. */
export const WIDE_SESSION = 100;

/** Whether a message of the workload is for the sender's own site alone, by its process's count: now by turns, now many in a row. */
export function isForOwnSite(counter: number, session: number): boolean {
  if (session >= WIDE_SESSION) return false;
  return (counter & 16) === 0 ? counter % 2 === 0 : (counter & 12) !== 0;
}

/** A daemon's core on a simulated node: sends what a workload says and writes down what happens (`Trace`). */
export class EvsProcess implements SimProcess {
  readonly evs: Evs;
  readonly number: ProcessNumber;
  readonly #environment: ProcessEnvironment;
  readonly #records: Records;
  readonly #trace: Trace;
  readonly #time: () => number;
  /** The last token passed on: its hop and configuration, and how many bytes had been sent before. */
  readonly #passed = { hop: 0, time: 0, bytesSent: 0 };
  /** What holds for the ring of the last token. */
  #limits: RingConfig;
  #isRegular = false;
  #counter = 0;
  #delivered = 0;
  /** Which message an outgoing one is, until it is assigned. */
  readonly #pending = new Map<OutgoingMessage, { readonly message: MessageNumber; readonly seen: number }>();
  /** Of own unreliable messages, which are assigned when they are delivered here: what was seen at submission. */
  readonly #unreliable = new Map<MessageNumber, number>();
  /** Called once when the daemon has left as it was asked to. */
  onLeft: (() => void) | undefined;
  /** What waits for the membership to enter a state. */
  readonly #traps = new Traps();
  /** Is told everything that the daemon tells, with payloads as they were given to `send`. */
  application: Upcalls | undefined;
  /** Of the application, for its payloads. */
  interest: ((payload: Uint8Array, content: number, message: OutgoingMessage) => Interest) | undefined;

  constructor(number: ProcessNumber, settings: EvsSettings, environment: ProcessEnvironment, records: Records) {
    this.number = number;
    this.#limits = settings.ring;
    this.#environment = environment;
    this.#records = records;
    this.#trace = records.trace;
    this.#time = records.time;
    const { sites } = settings;
    const places = settings.site.flatMap((ids, segment) =>
      ids.map((id) => ({ id, segment, site: sites?.[segment] ?? 0 })),
    );
    const config: EvsConfig = {
      me: environment.self,
      layout: new Layout(places),
      timeouts: settings.timeouts,
      ring: settings.ring,
      wideArea: settings.wideArea,
      primary: { name: "majority" },
      confHash: 0x51a1,
      incarnation: environment.bootTimeSeconds,
      clockOriginSeconds: environment.bootTimeSeconds - environment.now / 1000,
      versionMax: WIRE_VERSION_MAX,
    };
    this.evs = new Evs(config, this.#outbox(), environment.now);
  }

  get deadline(): number {
    return this.evs.deadline;
  }

  get preferred(): Channel {
    return this.evs.ring?.prefersToken === false ? "data" : "token";
  }

  tick(now: number): void {
    this.evs.tick(now);
  }

  receive(_channel: Channel, bytes: Uint8Array, now: number): void {
    this.evs.receive(bytes, now);
  }

  /** The number that the next message will have. */
  get nextMessage(): MessageNumber {
    return messageNumber(this.number, this.#counter + 1);
  }

  /** Sends a payload of the workload. */
  submit(service: Service, session: number, bytes: number): void {
    const message = messageNumber(this.number, ++this.#counter);
    this.#submit(message, service, session, Content.frame, [encodePayload(message, bytes)]);
  }

  /** Sends a payload of the application. */
  send(service: Service, session: number, payload: Uint8Array, content = 0): void {
    const message = messageNumber(this.number, ++this.#counter);
    this.#submit(message, service, session, APPLICATION_CONTENT | content, [
      payloadHead(message, payload.length),
      payload,
    ]);
  }

  leave(now: number): void {
    this.evs.leave(now);
  }

  #submit(
    message: MessageNumber,
    service: Service,
    session: number,
    content: number,
    pieces: readonly Uint8Array[],
  ): void {
    const outgoing: OutgoingMessage = {
      session,
      priority: 0,
      service: serviceRank(service),
      content,
      pieces,
    };
    if (service === "unreliable") this.#unreliable.set(message, this.#delivered);
    else this.#pending.set(outgoing, { message, seen: this.#delivered });
    this.evs.send(outgoing);
  }

  #outbox(): EvsOutbox {
    const { network } = this.#environment;
    return {
      unicast: (to, channel, bytes) => {
        if (bytes[3] === Kind.ringToken) this.#onToken(bytes);
        else if (bytes[3] === Kind.form2) this.#onForm2(bytes);
        network.unicast(to, channel, bytes);
      },
      multicast: (segment, channel, bytes) => network.multicast(segment, channel, bytes),
      message: (delivery) => this.#deliver(delivery),
      transitional: (configuration) => {
        this.#install("transitional", configuration.id, configuration.members);
        this.application?.transitional(configuration);
      },
      regular: (configuration) => {
        this.#install("regular", configuration.id, configuration.members);
        this.#records.inspector.joins(this.#environment.self, this.evs.configuration);
        this.application?.regular(configuration);
      },
      event: (event) => {
        if (event.kind === "state") this.#entered(event.from, event.to);
        if (event.kind === "left") this.onLeft?.();
      },
      assigned: (outgoing, { isLocal }) => this.#assigned(outgoing, isLocal),
      interest: (outgoing) => this.#interestIn(outgoing),
      announcement: (content, payload) =>
        content === (APPLICATION_CONTENT | Content.interest)
          ? decodeAnnouncement(payload.subarray(PAYLOAD_BYTES_MIN))
          : undefined,
    };
  }

  /** Calls the action once, when the membership next enters the state; it may not call back into the process. */
  whenEnters(state: MembershipStateName, action: () => void): void {
    this.#traps.set(state, action);
  }

  #entered(from: MembershipStateName, to: MembershipStateName): void {
    this.#records.note(`${from} → ${to}`);
    this.#traps.entered(to);
  }

  #onToken(bytes: Uint8Array): void {
    const { ring, ringStatistics } = this.evs;
    const prefix = readPrefix(bytes);
    if (ring === undefined || typeof prefix === "string") return;
    const token = decodeToken(prefix, bytes);
    assert(token !== undefined, "a daemon can read its own tokens");
    const { time } = token.configuration;
    // Sent again, it is not passed again.
    if (time === this.#passed.time && token.hop <= this.#passed.hop) return;
    // The first token of a configuration finds it recovering: what was sent before belongs to others.
    const newBytes = time === this.#passed.time ? ringStatistics.bytesSent - this.#passed.bytesSent : 0;
    this.#passed.hop = token.hop;
    this.#passed.time = time;
    this.#passed.bytesSent = ringStatistics.bytesSent;
    const { inspector } = this.#records;
    const { configuration, gapMax } = ring;
    if (this.#limits.gapMax !== gapMax) this.#limits = { ...this.#limits, gapMax };
    const limits = this.#limits;
    inspector.passes({ daemon: this.#environment.self, configuration, token, newBytes, limits }, this.#time());
  }

  #onForm2(bytes: Uint8Array): void {
    const prefix = readPrefix(bytes);
    const form = typeof prefix === "string" ? undefined : decodeForm2(prefix, bytes);
    for (const record of form?.records ?? []) {
      this.#records.inspector.promises(this.#environment.self, record, this.#time());
    }
  }

  #install(
    kind: "regular" | "transitional",
    id: { readonly leader: number; readonly time: number },
    members: readonly number[],
  ): void {
    this.#isRegular = kind === "regular";
    const configuration = { kind, key: configurationKey(id), leader: id.leader, time: id.time, members };
    this.#trace.append({ kind: "install", at: this.#time(), process: this.number, configuration });
  }

  /** What the workload sends is for all sites, or for its own alone. */
  #interestIn(message: OutgoingMessage): Interest {
    const { content, pieces } = message;
    const [head, payload] = pieces as [Uint8Array, Uint8Array | undefined];
    if ((content & APPLICATION_CONTENT) !== 0) {
      return this.interest?.(payload ?? head, content & ~APPLICATION_CONTENT, message) ?? EVERYBODY;
    }
    return isForOwnSite(counterOf(wrappedMessage(head) ?? 0), message.session) ? OWN_SITE : EVERYBODY;
  }

  #assigned(outgoing: OutgoingMessage, isLocal: boolean): void {
    const pending = this.#pending.get(outgoing);
    assert(pending !== undefined, "a message is assigned once, and only after it was sent");
    this.#pending.delete(outgoing);
    const service = serviceOfRank(outgoing.service) as Service;
    // While a packet is filled, everything before it is known here.
    const configuration = this.evs.ring?.configuration;
    if (configuration !== undefined) {
      const seq = configuration.local.high + 1;
      const { self } = this.#environment;
      this.#records.inspector.assigned(self, configuration, pending.message, seq, this.#time());
    }
    const isFor = isLocal && configuration !== undefined ? [configuration.local.site] : undefined;
    this.#send(pending.message, service, outgoing.session, pending.seen, isFor);
  }

  #send(message: MessageNumber, service: Service, session: number, seen: number, sites?: readonly number[]): void {
    const send = { kind: "send", at: this.#time(), process: this.number, message, service, session, seen } as const;
    this.#trace.append(sites === undefined ? send : { ...send, sites });
  }

  #deliver(delivery: Delivery): void {
    if (delivery.content === Content.numbers) return;
    const isApplication = (delivery.content & APPLICATION_CONTENT) !== 0;
    const payload = payloadOf(delivery);
    const message = isApplication ? wrappedMessage(payload) : decodePayload(payload);
    if (message === undefined) throw new AssertionError(`what daemon ${delivery.sender} sent arrives damaged`);
    const seen = this.#unreliable.size === 0 ? undefined : this.#unreliable.get(message);
    if (seen !== undefined) {
      this.#unreliable.delete(message);
      this.#send(message, "unreliable", delivery.session, seen);
    }
    const { inspector } = this.#records;
    inspector.delivers(this.#environment.self, this.evs.configuration, message);
    if (this.#isRegular && delivery.service === "safe") {
      inspector.deliversSafe(this.#environment.self, this.evs.configuration, message, this.#time());
    }
    this.#delivered++;
    this.#trace.append({ kind: "deliver", at: this.#time(), process: this.number, message });
    if (!isApplication) return;
    const { sender, session, service } = delivery;
    const content = delivery.content & ~APPLICATION_CONTENT;
    // What came in two parts is passed on in two, as without the simulator's own head.
    const isApart = delivery.head.length >= PAYLOAD_BYTES_MIN;
    const head = (isApart ? delivery.head : payload).subarray(PAYLOAD_BYTES_MIN);
    this.application?.message({ sender, session, service, content, head, tail: isApart ? delivery.tail : undefined });
  }
}
