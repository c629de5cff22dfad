import { assert } from "../../base/assert.ts";
import type { DaemonId } from "../../base/ids.ts";
import { type Service, serviceRank } from "../../ordering/service.ts";
import type { MessageNumber, ProcessNumber, TraceConfiguration, TraceEvent } from "../trace.ts";

/** What a process did while a configuration was its last one. */
export type Epoch = {
  readonly configuration: TraceConfiguration;
  /** The regular configuration itself, or the one that this transitional one follows. */
  readonly regular: TraceConfiguration | undefined;
  readonly at: number;
  readonly delivered: MessageNumber[];
  /** How many messages the process had delivered before. */
  readonly before: number;
};

/** The life of one incarnation of a daemon. */
export type Life = {
  readonly process: ProcessNumber;
  readonly daemon: DaemonId;
  readonly site: number | undefined;
  readonly epochs: Epoch[];
  crashedAt: number | undefined;
  deliveries: number;
};

/** What is known of a message since it was sent. */
export type Sent = {
  /** Its place among all messages that were sent: what a checker keeps of each it keeps in an array. */
  readonly index: number;
  /** How often it was sent: more than once is a violation. */
  times: number;
  readonly message: MessageNumber;
  readonly process: ProcessNumber;
  readonly daemon: DaemonId;
  readonly rank: number;
  readonly service: Service;
  readonly session: number;
  readonly seen: number;
  /** The regular configuration that it was sent in. */
  readonly configuration: TraceConfiguration | undefined;
  readonly at: number;
  /** Whose daemons have to have it, if not all. */
  readonly sites: readonly number[] | undefined;
};

/** The trace by process, configuration and message: what the checkers look things up in. */
export class History {
  readonly lives = new Map<ProcessNumber, Life>();
  readonly sent = new Map<MessageNumber, Sent>();
  /** By the key of a regular configuration, the lives that installed it, in the order of installation. */
  readonly installers = new Map<string, Life[]>();
  quiet: (TraceEvent & { readonly kind: "quiet" }) | undefined;
  end: (TraceEvent & { readonly kind: "end" }) | undefined;

  /** Takes the event in. Returns what is known now of the message that it sends or delivers. */
  apply(event: TraceEvent): Sent | undefined {
    if (event.kind === "deliver") {
      this.#deliver(this.life(event.process), event.message);
      return this.sent.get(event.message);
    }
    if (event.kind === "send") return this.#send(event);
    if (event.kind === "start") this.#start(event.process, event.daemon, event.site);
    else if (event.kind === "crash") this.life(event.process).crashedAt = event.at;
    else if (event.kind === "install") this.#install(this.life(event.process), event.configuration, event.at);
    else if (event.kind === "quiet") this.quiet = event;
    else if (event.kind === "end") this.end = event;
    return undefined;
  }

  life(process: ProcessNumber): Life {
    const life = this.lives.get(process);
    assert(life !== undefined, "a trace names a process only after its start");
    return life;
  }

  /** The service's rank of a message, or −1 for one that was never sent. */
  rank(message: MessageNumber): number {
    return this.sent.get(message)?.rank ?? -1;
  }

  /** Whether the process has to have a message: others may, if somebody at their site has joined its group meanwhile (K23). */
  isFor(message: MessageNumber, life: Life): boolean {
    const sites = this.sent.get(message)?.sites;
    return sites === undefined || life.site === undefined || sites.includes(life.site);
  }

  #start(process: ProcessNumber, daemon: DaemonId, site: number | undefined): void {
    this.lives.set(process, { process, daemon, site, epochs: [], crashedAt: undefined, deliveries: 0 });
  }

  #deliver(life: Life, message: MessageNumber): void {
    life.epochs.at(-1)?.delivered.push(message);
    life.deliveries++;
  }

  #install(life: Life, configuration: TraceConfiguration, at: number): void {
    const last = life.epochs.at(-1);
    const isRegular = configuration.kind === "regular";
    const regular = isRegular ? configuration : last?.regular;
    life.epochs.push({ configuration, regular, at, delivered: [], before: life.deliveries });
    if (!isRegular) return;
    const installers = this.installers.get(configuration.key);
    if (installers === undefined) this.installers.set(configuration.key, [life]);
    else installers.push(life);
  }

  #send(event: TraceEvent & { readonly kind: "send" }): Sent {
    const life = this.life(event.process);
    const known = this.sent.get(event.message);
    // A second send of one message is a violation that `noCreation` reports; the first one counts.
    if (known !== undefined) {
      known.times++;
      return known;
    }
    const sent: Sent = {
      index: this.sent.size,
      times: 1,
      message: event.message,
      process: event.process,
      daemon: life.daemon,
      rank: serviceRank(event.service),
      service: event.service,
      session: event.session,
      seen: event.seen,
      configuration: life.epochs.at(-1)?.regular,
      at: event.at,
      sites: event.sites,
    };
    this.sent.set(event.message, sent);
    return sent;
  }
}

/** What a process did between a regular configuration and its next one. */
export type Passage = {
  readonly life: Life;
  readonly regular: Epoch;
  /** The transitional configuration after it, if the process got that far. */
  readonly transitional: Epoch | undefined;
  /** The regular configuration after it, if the process got that far. */
  readonly next: Epoch | undefined;
};

/** The passages of a life, one for each regular configuration that it installed. */
export function passages(life: Life): readonly Passage[] {
  const known = PASSAGES.get(life);
  if (known !== undefined && known.epochs === life.epochs.length) return known.passages;
  const all: Passage[] = [];
  for (let i = 0; i < life.epochs.length; i++) {
    const regular = life.epochs[i] as Epoch;
    if (regular.configuration.kind !== "regular") continue;
    let next: Epoch | undefined;
    let transitional: Epoch | undefined;
    for (let j = i + 1; j < life.epochs.length && next === undefined; j++) {
      const epoch = life.epochs[j] as Epoch;
      if (epoch.configuration.kind === "regular") next = epoch;
      else transitional ??= epoch;
    }
    all.push({ life, regular, transitional, next });
  }
  PASSAGES.set(life, { epochs: life.epochs.length, passages: all });
  return all;
}

/** Every checker asks for them, so they are worked out once for each length of a life. */
const PASSAGES = new WeakMap<Life, { readonly epochs: number; readonly passages: readonly Passage[] }>();

/** A life's passage that begins with the regular configuration, if it installed it. */
export function passageOf(life: Life, key: string): Passage | undefined {
  return passages(life).find((passage) => passage.regular.configuration.key === key);
}
