import { type Machine, NEVER } from "../machine/machine.ts";
import type { NativeConfiguration, NativeGap } from "../wire/native/messages.ts";
import { Code } from "../wire/spread/codes.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import type { ClientConfig } from "./config.ts";
import type { EngineHost } from "./engine-host.ts";
import { closedError, GroupError, refusalText } from "./errors.ts";
import { Farewell, killOf } from "./farewell.ts";
import type { Greeting, Link, LinkHost } from "./link.ts";
import { NativeLink } from "./native-link.ts";
import { nobody, type Outgoing, OutgoingWindow } from "./outgoing.ts";
import { SpreadLink } from "./spread-link.ts";

type Phase =
  | { readonly name: "idle" | "ended" }
  /** Opening a stream, or greeting over it. */
  | { readonly name: "dialling"; readonly link: Link; readonly giveUpAt: number; opened: boolean; answered: boolean }
  | { readonly name: "up"; readonly link: Link }
  | { readonly name: "waiting"; readonly until: number };

/** What has been consumed is acknowledged after this share of the daemon's window, or after this time. */
const ACKNOWLEDGE_SHARE = 1 / 4;
const ACKNOWLEDGE_MS = 100;
/** Sent and not accepted for this time: a daemon does not read us because we, or one who waits like us, do not consume. */
const UNACCEPTED_MS = 1_000;

/**
 * A client's session with whichever daemon is there: dials, greets, numbers what is sent and keeps it until it has been
 * ordered, drops deliveries that come twice, and comes back after a loss. Fed with bytes and times; never does I/O.
 */
export class Engine implements Machine {
  readonly #config: ClientConfig;
  readonly #host: EngineHost;
  readonly #window = new OutgoingWindow();
  readonly #addresses: Address[];
  /** The protocol that each address has shown to speak. */
  readonly #protocols = new Map<string, "native" | "spread">();
  #phase: Phase = { name: "idle" };
  /** From `close` on. */
  #farewell: Farewell | undefined;
  /** Good-bye has been said over the present stream: the daemon reads nothing behind it. */
  #isMute = false;
  /** Whether the daemon of the last session answers a good-bye. */
  #answersKill = false;
  #address = 0;
  #privateGroup = "";
  #ticket: Uint8Array | undefined;
  /** Greatest delivery number that has come in this session. */
  #lastDelivery = 0;
  #acknowledged = 0;
  #acknowledgeAt = NEVER;
  /** Bytes of deliveries that came, and of events that were consumed, since the last acknowledgement. */
  #receivedBytes = 0;
  #acknowledgeBytes = NEVER;
  #consumedBytes = 0;
  /** When a daemon has accepted something, or something began to wait for it. */
  #acceptedAt = 0;
  /** The number of the next message to write. */
  #toSend = 1;
  #writable = true;
  #attempts = 0;
  #lostAt = 0;
  #heardAt = 0;
  #pingedAt = NEVER;
  #wasUp = false;
  #moveOn = false;
  #refusal: GroupError | undefined;
  /** Daemons that have refused the session for good since it was lost. */
  readonly #refusing = new Set<string>();
  #unconfirmed: number | undefined;
  #now = 0;

  /** `addresses`: at least one; tried in this order. */
  constructor(config: ClientConfig, addresses: readonly Address[], host: EngineHost) {
    this.#config = config;
    this.#addresses = [...addresses];
    this.#host = host;
  }

  get isEnded(): boolean {
    return this.#phase.name === "ended";
  }

  get isUp(): boolean {
    return this.#phase.name === "up";
  }

  /**
   * How many messages are not known to have been ordered; `undefined` where the daemon does not tell what becomes of those that are under way
   * when good-bye is said.
   */
  get unconfirmed(): number | undefined {
    return this.#unconfirmed;
  }

  /** Whether there is no stream, not even one that is being opened, but will be. */
  get isWaiting(): boolean {
    return this.#phase.name === "waiting";
  }

  get protocol(): "native" | "spread" | undefined {
    return this.#phase.name === "up" ? this.#phase.link.protocol : undefined;
  }

  get deadline(): number {
    return Math.min(this.#phaseDeadline, this.#farewell === undefined || this.isEnded ? NEVER : this.#farewell.until);
  }

  get #phaseDeadline(): number {
    const phase = this.#phase;
    switch (phase.name) {
      case "dialling":
        return phase.giveUpAt;
      case "waiting":
        return phase.until;
      case "up":
        return Math.min(this.#acknowledgeAt, this.#silenceDeadline(), this.#unacceptedDeadline());
      case "idle":
      case "ended":
        return NEVER;
    }
  }

  /** Dials the first address. */
  start(now: number): void {
    this.#now = now;
    this.#dial();
  }

  tick(now: number): void {
    this.#now = now;
    const phase = this.#phase;
    if (this.#farewell !== undefined && now >= this.#farewell.until) return this.#giveUp();
    switch (phase.name) {
      case "dialling":
        if (now < phase.giveUpAt) return;
        this.#host.destroy();
        return this.#lost(`no answer within ${this.#config.handshakeMs} ms`);
      case "waiting":
        return now < phase.until ? undefined : this.#dial();
      case "up":
        if (now >= this.#acknowledgeAt || now >= this.#unacceptedDeadline()) this.#acknowledge();
        return this.#listen(phase.link);
      case "idle":
      case "ended":
        return;
    }
  }

  /** The stream is open. */
  opened(now: number): void {
    this.#now = now;
    if (this.#phase.name !== "dialling") return;
    this.#phase.opened = true;
    this.#phase.link.open();
  }

  /** Bytes of the daemon, given away. */
  receive(bytes: Uint8Array, now: number): void {
    this.#now = now;
    this.#heardAt = now;
    this.#pingedAt = NEVER;
    const phase = this.#phase;
    if (phase.name === "dialling") phase.answered = true;
    if (phase.name === "dialling" || phase.name === "up") phase.link.receive(bytes);
    if (this.#receivedBytes >= this.#acknowledgeBytes) this.#acknowledge();
  }

  /** The stream takes more bytes. */
  drained(now: number): void {
    this.#now = now;
    this.#writable = true;
    this.pump();
  }

  /** The stream is gone. */
  closed(reason: string | undefined, now: number): void {
    this.#now = now;
    const phase = this.#phase;
    if (phase.name === "dialling") {
      // A daemon that does not know the native protocol may just hang up on its first bytes.
      if (phase.opened && !phase.answered && phase.link.protocol === "native" && this.#tryOther(phase.link)) return;
      return this.#lost(reason ?? "the daemon hung up during the handshake");
    }
    if (phase.name === "up") this.#lost(reason ?? "the daemon closed the connection");
  }

  /** Reading was stopped on purpose: silence means nothing until something is heard again. */
  resumedReading(now: number): void {
    this.#heardAt = now;
    this.#pingedAt = NEVER;
  }

  /**
   * Numbers a message and queues it; `pump` writes it. An error tells why it cannot be taken. The bytes must not be
   * changed before it was delivered. `bounded`: refuse it when too much is queued; false for what protocols send.
   */
  submit(outgoing: Outgoing, bounded: boolean): GroupError | undefined {
    if (this.#phase.name === "ended" || this.#farewell !== undefined) return closedError();
    const { unacceptedBytes, unacceptedCount } = this.#window;
    if (bounded && !this.hasRoomFor(outgoing.payloadBytes)) {
      return new GroupError(
        "BUSY",
        `${unacceptedCount} messages of ${unacceptedBytes} bytes have not been accepted yet: await send() now and then`,
      );
    }
    if (unacceptedCount === 0) this.#acceptedAt = this.#now;
    this.#window.add(outgoing);
    return undefined;
  }

  /** Takes a message back that was submitted and is not accepted: unless it is written already, it is not sent. */
  withdraw(outgoing: Outgoing): void {
    if (!outgoing.isAccepted) this.#window.withdraw(outgoing);
  }

  /** Whether a message of so many bytes would not be refused because too much waits to be accepted. */
  hasRoomFor(payloadBytes: number): boolean {
    const { unacceptedBytesMax, unacceptedMax } = this.#config;
    const { unacceptedBytes, unacceptedCount } = this.#window;
    if (unacceptedCount >= unacceptedMax) return false;
    return unacceptedBytes === 0 || unacceptedBytes + payloadBytes <= unacceptedBytesMax;
  }

  /** Whether half of what may wait to be accepted is free, or more. */
  get isHalfEmpty(): boolean {
    const { unacceptedBytes, unacceptedCount } = this.#window;
    return unacceptedCount * 2 <= this.#config.unacceptedMax && unacceptedBytes * 2 <= this.#config.unacceptedBytesMax;
  }

  /** Writes what is queued, as far as the stream takes it. */
  pump(): void {
    const phase = this.#phase;
    if (phase.name !== "up" || this.#isMute) return;
    const { link } = phase;
    while (this.#writable && this.#toSend < this.#window.next) {
      this.#writable = this.#sendNext(link);
    }
    this.#writable = link.flush() && this.#writable;
  }

  /** Tells the daemon what the client's node counts; it is no loss if nobody hears it. */
  report(statistics: Uint8Array): void {
    if (this.#phase.name === "up") this.#phase.link.report(statistics);
  }

  /** Whether a message is not known to have been ordered, and may be yet. */
  get isUnsettled(): boolean {
    for (const outgoing of this.#window.outstanding()) if (outgoing.isMessage && !outgoing.isVoid) return true;
    return false;
  }

  /** All that is not known to have been ordered. */
  outstanding(): Generator<Outgoing> {
    return this.#window.outstanding();
  }

  /**
   * The program has consumed an event of about so many bytes. Whether `acknowledgeConsumed` is to be called: it is not for nearly
   * all events, which then cost neither a look at the clock nor one at the alarm.
   */
  consumed(bytes: number): boolean {
    this.#consumedBytes += bytes;
    return this.#acknowledgeAt === NEVER || this.#consumedBytes >= this.#acknowledgeBytes;
  }

  /** Acknowledges what was consumed, if it is much, or else soon. */
  acknowledgeConsumed(now: number): void {
    if (this.#consumedBytes >= this.#acknowledgeBytes) {
      this.#now = now;
      this.#acknowledge();
    } else if (this.#acknowledgeAt === NEVER) {
      this.#acknowledgeAt = now + ACKNOWLEDGE_MS;
    }
  }

  /** The program begins to wait for a delivery: what has come is acknowledged, so that more comes. */
  awaited(now: number): void {
    this.#now = now;
    this.#acknowledge();
  }

  /**
   * Says good-bye: a KILL goes behind everything that was sent, and the daemon tells what becomes of that, and closes when it has been
   * ordered. If the daemon is lost before, what it did not confirm is sent to the next one. `patient` is false if what was sent is not being
   * accepted: then what was not written is taken back, and nobody is waited for.
   */
  close(patient: boolean, now: number): void {
    this.#now = now;
    const phase = this.#phase;
    if (phase.name === "ended" || this.#farewell !== undefined) return;
    if (phase.name !== "up") {
      if (phase.name === "dialling") this.#host.destroy();
      return this.#end(undefined);
    }
    if (!patient) this.#takeBack(phase.link);
    this.#farewell = new Farewell(this.#addKill(), now);
    this.#sayGoodBye(phase.link);
    // If this side ended first, so would the daemon's: at once, before the end is known there.
    if (patient) return;
    this.#host.end();
    this.#end(undefined);
  }

  /** Waits no longer for the answer to a good-bye that has been said, or is to be said again; does nothing where there is none. */
  giveUp(now: number): void {
    this.#now = now;
    if (this.#farewell !== undefined && !this.isEnded) this.#giveUp();
  }

  /**
   * Ends at once, with a reason. With a good-bye, for which nobody waits: a daemon that gets none waits for its client to come back, which
   * stays a member of its groups until then.
   */
  abort(error: GroupError, withGoodBye: boolean): void {
    const phase = this.#phase;
    if (phase.name === "ended") return;
    if (phase.name === "up" && withGoodBye && !this.#isMute) {
      this.#takeBack(phase.link);
      this.#addKill();
      this.#sayGoodBye(phase.link);
      this.#host.end();
    } else if (phase.name !== "idle" && phase.name !== "waiting") this.#host.destroy();
    this.#end(error);
  }

  #addKill(): Outgoing {
    const kill = killOf(this.#privateGroup);
    this.#window.add(kill);
    return kill;
  }

  /** Writes all that is queued, with the KILL behind it, whatever the stream buffers: nothing can be added behind that. */
  #sayGoodBye(link: Link): void {
    while (this.#toSend < this.#window.next) this.#sendNext(link);
    link.flush();
    this.#isMute = true;
  }

  /** Says it again in another session: the former KILL may be ordered yet, and a number that was used ends nothing. */
  #sayGoodByeAgain(farewell: Farewell, link: Link): void {
    farewell.kill.isVoid = true;
    farewell.kill = this.#addKill();
    this.#sayGoodBye(link);
  }

  #giveUp(): void {
    if (this.#phase.name === "up" || this.#phase.name === "dialling") this.#host.destroy();
    this.#end(undefined);
  }

  /** Nothing more is written of what waits: to a native daemon its numbers go to nobody. */
  #takeBack(link: Link): void {
    const error = new GroupError("CLOSED", "the connection was closed before a daemon accepted the message");
    for (const outgoing of this.#window.outstanding()) {
      if (outgoing.isAccepted) continue;
      if (outgoing.number >= this.#toSend) outgoing.isVoid = true;
      outgoing.finished(error);
    }
    if (link.protocol === "spread") this.#toSend = this.#window.next;
  }

  /** Numbers grow by one: where something was delivered before others that are sent again, nothing takes its place. */
  #nextToSend(): Outgoing {
    const number = this.#toSend++;
    return this.#window.at(number) ?? nobody(number);
  }

  /** Writes the next message; false: the stream takes no more. */
  #sendNext(link: Link): boolean {
    const outgoing = this.#nextToSend();
    if (link.protocol === "spread" && outgoing.isVoid) {
      // Numbers are nothing to a stock daemon.
      this.#window.finish(outgoing.number);
      return true;
    }
    const takesMore = link.send(outgoing, this.#privateGroup);
    if (link.protocol === "spread") this.#sentToSpread(outgoing);
    return takesMore;
  }

  /** A stock daemon reports nothing and resumes nothing: what the socket took is what it accepted. */
  #sentToSpread(outgoing: Outgoing): void {
    this.#window.release(outgoing.number);
    this.#host.sentWithoutReport(outgoing);
  }

  #dial(): void {
    const address = this.#addresses[this.#address] as Address;
    const native = this.#protocolOf(address) === "native";
    const link: Link = native
      ? new NativeLink(
          this.#linkHost(() => link),
          this.#config,
          this.#ticket,
          this.#consumedUpTo(),
        )
      : new SpreadLink(
          this.#linkHost(() => link),
          this.#config,
        );
    this.#phase = {
      name: "dialling",
      link,
      giveUpAt: this.#now + this.#config.handshakeMs,
      opened: false,
      answered: false,
    };
    this.#writable = true;
    this.#isMute = false;
    this.#host.open(address);
  }

  #protocolOf(address: Address): "native" | "spread" {
    if (this.#config.protocol !== "auto") return this.#config.protocol;
    // Once a session with numbers exists, only the protocol that can resume it will do.
    if (this.#ticket) return "native";
    return this.#protocols.get(formatAddress(address)) ?? "native";
  }

  /** Redials the same daemon with the Spread protocol, if that is allowed. */
  #tryOther(link: Link): boolean {
    if (this.#config.protocol !== "auto" || this.#ticket || link.protocol === "spread") return false;
    this.#protocols.set(formatAddress(this.#addresses[this.#address] as Address), "spread");
    this.#dial();
    return true;
  }

  /** Calls of a link that is not the current one any more lead nowhere. */
  #linkHost(self: () => Link): LinkHost {
    const current = (): boolean => {
      const phase = this.#phase;
      return (phase.name === "dialling" || phase.name === "up") && phase.link === self();
    };
    return {
      write: (bytes) => current() && !this.#isMute && this.#host.write(bytes),
      greeted: (greeting) => current() && this.#onGreeted(self(), greeting),
      frame: (bytes, at, length, delivery, own, primary) => {
        if (current()) this.#onFrame(bytes, at, length, delivery, own, primary);
      },
      acceptedUpTo: (number) => {
        if (!current()) return;
        this.#acceptedAt = this.#now;
        this.#window.acceptUpTo(Math.min(number, this.#toSend - 1));
      },
      delivered: (number) => current() && number < this.#toSend && this.#window.finish(number),
      gap: (gap) => current() && this.#onGap(gap),
      configuration: (configuration) => current() && this.#onConfiguration(configuration),
      groupRefused: (number, group, text) => {
        if (!current()) return;
        const isMessage = this.#window.at(number)?.kind === "data";
        if (isMessage)
          this.#window.refuse(number, new GroupError("GROUP_REFUSED", `${group} takes no message: ${text}`));
        else this.#host.groupRefused(number, group, text);
        this.#window.finish(number);
      },
      goAway: () => current() && this.#onGoAway(),
      refused: (code, text) => current() && this.#onRefused(code, text),
      foreign: () => {
        if (!current()) return;
        this.#host.destroy();
        if (!this.#tryOther(self())) this.#lost("the daemon does not speak the native protocol");
      },
      broken: (what) => {
        if (!current()) return;
        this.#host.destroy();
        this.#lost(`the daemon does not keep to the ${self().protocol} protocol: ${what}`);
      },
    };
  }

  #onGreeted(link: Link, greeting: Greeting): void {
    const first = !this.#wasUp;
    const address = this.#addresses[this.#address] as Address;
    this.#phase = { name: "up", link };
    this.#wasUp = true;
    this.#attempts = 0;
    this.#moveOn = false;
    this.#refusal = undefined;
    this.#refusing.clear();
    this.#privateGroup = greeting.privateGroup;
    this.#ticket = greeting.ticket;
    this.#answersKill = greeting.answersKill;
    this.#heardAt = this.#now;
    this.#pingedAt = NEVER;
    const { resumption } = greeting;
    if (resumption === "new" || resumption === "restarted") {
      this.#lastDelivery = 0;
      this.#acknowledged = 0;
    }
    this.#receivedBytes = 0;
    this.#consumedBytes = 0;
    this.#acceptedAt = this.#now;
    this.#acknowledgeBytes = greeting.windowBytes > 0 ? greeting.windowBytes * ACKNOWLEDGE_SHARE : NEVER;
    for (const daemon of greeting.daemons) this.#learn(daemon);
    this.#window.finishUpTo(greeting.lastOrdered);
    this.#toSend = this.#window.first;
    this.#host.up({
      address: formatAddress(address),
      protocol: link.protocol,
      privateGroup: greeting.privateGroup,
      payloadBytesMax: greeting.payloadBytesMax,
      daemons: greeting.daemons,
      first,
      resumption,
      primary: greeting.primary,
    });
    if (this.#farewell === undefined) this.pump();
    else this.#sayGoodByeAgain(this.#farewell, link);
  }

  #onFrame(
    bytes: Uint8Array,
    at: number,
    length: number,
    delivery: number,
    own: number,
    primary: boolean | undefined,
  ): void {
    if (delivery > 0) {
      this.#onDelivery(length);
      // Sent again because it had not been acknowledged.
      if (delivery <= this.#lastDelivery) return;
      this.#lastDelivery = delivery;
    }
    this.#host.frame(bytes, at, length, delivery, own, primary);
    if (own > 0 && own < this.#toSend) this.#window.finish(own);
  }

  /** Whatever has no event is consumed at once: somebody has to look. */
  #onDelivery(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#acknowledgeAt === NEVER) this.#acknowledgeAt = this.#now + ACKNOWLEDGE_MS;
  }

  #onGap(gap: NativeGap): void {
    this.#onDelivery(0);
    // Repeated, or of what had come and was not acknowledged.
    if (gap.last <= this.#lastDelivery) return;
    const had = Math.max(0, this.#lastDelivery - gap.first + 1);
    this.#lastDelivery = gap.last;
    if (gap.reason !== "window" || had === 0) return this.#host.gap(gap);
    this.#host.gap({ ...gap, first: gap.first + had, count: Math.max(0, gap.count - had) });
  }

  #onConfiguration(configuration: NativeConfiguration): void {
    this.#onDelivery(0);
    if (configuration.deliveryNumber <= this.#lastDelivery) return;
    this.#lastDelivery = configuration.deliveryNumber;
    this.#host.configuration(configuration);
  }

  #onGoAway(): void {
    // Who is leaving anyway waits for the daemon to close.
    if (this.#farewell !== undefined) return;
    if (this.#addresses.length < 2 || this.#config.reconnect === undefined) return;
    this.#moveOn = true;
    this.#host.destroy();
    this.#lost("the daemon is about to stop");
  }

  #onRefused(code: number, text: string): void {
    const address = formatAddress(this.#addresses[this.#address] as Address);
    const isComingBack = this.#wasUp && this.#phase.name === "dialling";
    this.#host.destroy();
    this.#refusal = new GroupError("REFUSED", `${address}: ${text || refusalText(code)}`);
    // Our own former session may still hold the name, and daemons that are full may not be so later.
    const passing = code === Code.rejectNotUnique || code === Code.rejectQuota;
    if (this.#wasUp && !passing) {
      // The others have not said so, even if they cannot be reached now.
      this.#refusing.add(address);
      if (!isComingBack || this.#refusing.size >= this.#addresses.length) return this.#end(this.#refusal);
      this.#moveOn = true;
    }
    this.#lost(this.#refusal.message);
  }

  /** No stream any more. A client that has said good-bye comes back to say it again only for what is not known to have been ordered. */
  #lost(reason: string): void {
    if (this.#farewell !== undefined) {
      if (!this.#answersKill || this.#farewell.kill.isFinished || !this.isUnsettled) return this.#end(undefined);
      this.#farewell.lost(reason, this.#now);
    }
    const address = formatAddress(this.#addresses[this.#address] as Address);
    if (!this.#wasUp) {
      this.#address++;
      if (this.#address < this.#addresses.length) return this.#dial();
      const message = `no session with a daemon at ${this.#addresses.map(formatAddress).join(", ")}: ${reason}. Is one running there?`;
      return this.#end(this.#refusal ?? new GroupError("UNREACHABLE", message));
    }
    const { reconnect } = this.#config;
    if (this.#phase.name === "up") {
      this.#lostAt = this.#now;
      if (reconnect && this.#ticket) this.#host.down(reason);
    }
    if (!reconnect || !this.#ticket) {
      return this.#end(
        new GroupError("DISCONNECTED", `the connection to ${address} is lost: ${reason}. Connect again`),
      );
    }
    if (this.#now - this.#lostAt >= reconnect.giveUpMs) {
      const message = `no daemon could be reached for ${reconnect.giveUpMs} ms, last ${address}: ${reason}`;
      return this.#end(this.#refusal ?? new GroupError("DISCONNECTED", message));
    }
    // The daemon that has our session comes first, and once again; after that the others in turn.
    if (this.#moveOn || this.#attempts >= 2) this.#address = (this.#address + 1) % this.#addresses.length;
    this.#moveOn = false;
    const delay = Math.min(reconnect.delayMaxMs, reconnect.delayMs * 2 ** Math.min(this.#attempts, 20));
    this.#attempts++;
    this.#phase = { name: "waiting", until: this.#now + delay * (0.5 + this.#host.random() / 2) };
  }

  #learn(daemon: string): void {
    let address: Address;
    try {
      address = parseAddress(daemon);
    } catch {
      return;
    }
    const key = formatAddress(address);
    if (!this.#addresses.some((known) => formatAddress(known) === key)) this.#addresses.push(address);
  }

  #end(error: GroupError | undefined): void {
    this.#phase = { name: "ended" };
    const isTold = this.#answersKill || this.#farewell === undefined;
    this.#unconfirmed = isTold ? this.#window.messageCount : undefined;
    this.#window.fail(error ?? (isTold ? this.#farewell?.unconfirmed() : undefined) ?? closedError());
    // Who has asked for the end is not told of it as a failure.
    this.#host.ended(this.#farewell === undefined ? error : undefined);
  }

  /** Tells the daemon up to where everything is consumed, if that is news. */
  #acknowledge(): void {
    this.#acknowledgeAt = NEVER;
    this.#consumedBytes = 0;
    const upTo = this.#consumedUpTo();
    if (this.#phase.name !== "up" || upTo <= this.#acknowledged) return;
    this.#acknowledged = upTo;
    if (upTo === this.#lastDelivery) this.#receivedBytes = 0;
    this.#phase.link.acknowledge(upTo);
  }

  /** As long as the program waits for what may be behind what it has not consumed, everything counts as consumed. */
  #consumedUpTo(): number {
    if (this.#host.awaitsDelivery() || this.#isUnaccepted()) return this.#lastDelivery;
    return Math.max(this.#acknowledged, Math.min(this.#host.consumedUpTo(), this.#lastDelivery));
  }

  #isUnaccepted(): boolean {
    return this.#window.unacceptedCount > 0 && this.#now >= this.#acceptedAt + UNACCEPTED_MS;
  }

  #unacceptedDeadline(): number {
    if (this.#window.unacceptedCount === 0 || this.#acknowledged >= this.#lastDelivery) return NEVER;
    return this.#acceptedAt + UNACCEPTED_MS;
  }

  #silenceDeadline(): number {
    if (!this.#host.isReading()) return NEVER;
    return this.#pingedAt === NEVER
      ? this.#heardAt + this.#config.silenceMs
      : this.#pingedAt + 2 * this.#config.silenceMs;
  }

  /** Finds out whether a silent daemon is still there. */
  #listen(link: Link): void {
    if (!this.#host.isReading()) return;
    if (this.#pingedAt === NEVER) {
      if (this.#now < this.#heardAt + this.#config.silenceMs) return;
      if (link.ping()) this.#pingedAt = this.#now;
      else this.#heardAt = this.#now;
    } else if (this.#now >= this.#pingedAt + 2 * this.#config.silenceMs) {
      this.#host.destroy();
      this.#lost(`nothing heard for ${3 * this.#config.silenceMs} ms`);
    }
  }
}
