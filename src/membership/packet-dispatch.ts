import { type ConfigurationId, type DaemonId, sameConfiguration } from "../base/ids.ts";
import type { Configuration } from "../ring/configuration.ts";
import type { Ring } from "../ring/ring.ts";
import type { Alive, Join, Refer } from "../wire/announce.ts";
import type { FormHeld } from "../wire/form-held.ts";
import type { Form1, Form2 } from "../wire/form.ts";
import { Kind, type Prefix } from "../wire/prefix.ts";
import type { RingControl } from "../wire/ring-control.ts";
import type { RingRest } from "../wire/ring-rest.ts";
import type { Token } from "../wire/ring-token.ts";
import type { EvsConfig } from "./config.ts";
import type { DataPath } from "./data-path.ts";
import type { EvsEvent } from "./events.ts";
import type { IntakeOutbox } from "./intake.ts";
import type { Membership } from "./membership.ts";
import { areDistinct, isPlausibleForm1 } from "./plausible.ts";
import type { WideArea } from "./wide-area.ts";

/** Whom packets are for, as things stand at the daemon at that moment. */
export interface DispatchHost {
  ring(): Ring | undefined;
  /** The one installed last. */
  configuration(): Configuration;
  wideArea(): WideArea | undefined;
  membership(): Membership;
  dataPath(): DataPath;
  /** A packet of a ring that is not this daemon's was dropped. */
  stale(): void;
  event(event: EvsEvent, now: number): void;
}

/** Which part of a daemon takes a packet that has come, and whether it can be right as far as the others tell. */
export class PacketDispatch implements IntakeOutbox {
  readonly #config: EvsConfig;
  readonly #host: DispatchHost;

  constructor(config: EvsConfig, host: DispatchHost) {
    this.#config = config;
    this.#host = host;
  }

  own(prefix: Prefix, bytes: Uint8Array): void {
    this.#host.dataPath().own(prefix, bytes);
  }

  data(prefix: Prefix, bytes: Uint8Array, now: number): boolean {
    return this.#host.dataPath().data(prefix, bytes, now);
  }

  earlierData(prefix: Prefix, bytes: Uint8Array): boolean {
    return this.#host.dataPath().earlier(prefix, bytes);
  }

  token(from: DaemonId, token: Token, now: number): boolean {
    const ring = this.#ringOf(token.configuration);
    if (ring === undefined) return true;
    // For another member, and here because of the data it came with.
    if (from !== ring.predecessor) return true;
    if (!ring.admits(token)) return false;
    if (token.hop > ring.hop) this.#host.membership().onFirstToken();
    ring.receiveToken(token, now);
    return true;
  }

  control(kind: number, from: DaemonId, control: RingControl, now: number): boolean {
    const ring = this.#ringOf(control.configuration);
    if (ring === undefined) return true;
    if (!ring.configuration.isMember(from)) return false;
    if (kind === Kind.ringHurry) ring.receiveHurry(now);
    else if (kind === Kind.ringHeld) ring.receiveHeld(control.hop);
    else this.#host.membership().onLeave(from, now);
    return true;
  }

  rest(from: DaemonId, rest: RingRest, now: number): boolean {
    const ring = this.#ringOf(rest.configuration);
    // What was on its way while the token left again is no fault of anybody's.
    if (ring === undefined || ring.hop > rest.hop || ring.configuration.local.high > rest.seq) return true;
    return ring.receiveRest(from, rest, now);
  }

  hop(prefix: Prefix, bytes: Uint8Array, now: number): boolean {
    this.#host.wideArea()?.receive(prefix, bytes, now);
    return true;
  }

  alive(from: DaemonId, alive: Alive, now: number): void {
    this.#host.membership().onAlive(from, alive, now);
  }

  join(from: DaemonId, join: Join, now: number): void {
    this.#host.membership().onJoin(from, join, now);
  }

  refer(refer: Refer, now: number): void {
    this.#host.membership().onRefer(refer, now);
  }

  form1(from: DaemonId, form: Form1, now: number): boolean {
    const { me, layout } = this.#config;
    if (!isPlausibleForm1(form, me, this.#host.configuration(), layout)) return false;
    this.#host.membership().onForm1(from, form, now);
    return true;
  }

  form2(from: DaemonId, form: Form2, now: number): boolean {
    const { layout } = this.#config;
    if (!areDistinct(form.members) || !form.members.every((daemon) => layout.has(daemon))) return false;
    this.#host.membership().onForm2(from, form, now);
    return true;
  }

  formHeld(from: DaemonId, held: FormHeld): void {
    this.#host.membership().onFormHeld(from, held);
  }

  event(event: EvsEvent, now: number): void {
    this.#host.event(event, now);
  }

  #ringOf(id: ConfigurationId): Ring | undefined {
    const ring = this.#host.ring();
    if (ring !== undefined && sameConfiguration(ring.configuration.id, id)) return ring;
    this.#host.stale();
    return undefined;
  }
}
