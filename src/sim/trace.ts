import { assert } from "../base/assert.ts";
import type { DaemonId } from "../base/ids.ts";
import type { Service } from "../ordering/service.ts";
import { TraceHash } from "./trace-hash.ts";

/** One incarnation of a daemon: numbered from 1 over the whole simulation, never used again. */
export type ProcessNumber = number;

/** A message of the workload, as `messageNumber` makes it of its sender's incarnation and a counter there. */
export type MessageNumber = number;

/**
 * Messages of one process are numbered below this. Up to process 511 all numbers then fit into 31 bits: the engine keeps
 * larger ones as objects, and every checker looks up messages all the time.
 */
const COUNTERS = 2 ** 22;

/** The number of the `counter`-th message (from 1, below 2²²) that a process submits. */
export function messageNumber(process: ProcessNumber, counter: number): MessageNumber {
  assert(counter < COUNTERS, "a process submits fewer than 2²² messages");
  return process * COUNTERS + counter;
}

/** The process that submitted a message. */
export function senderOf(message: MessageNumber): ProcessNumber {
  return Math.floor(message / COUNTERS);
}

/** A message's place among those that its process submitted. */
export function counterOf(message: MessageNumber): number {
  return message % COUNTERS;
}

/** As people read it: `process.counter`. */
export function messageName(message: MessageNumber): string {
  return `${senderOf(message)}.${counterOf(message)}`;
}

/** A configuration as a process installs it. */
export type TraceConfiguration = {
  readonly kind: "regular" | "transitional";
  /** Equal exactly for equal ids. */
  readonly key: string;
  readonly leader: DaemonId;
  readonly time: number;
  readonly members: readonly DaemonId[];
};

/**
 * What happened, as the predicates of protocols.md K see it. `at` is simulated time in ms; the order of the trace is
 * the order in which things happened, at one process and over all. The configuration of a `send` or `deliver` is the
 * one that its process installed last.
 */
export type TraceEvent =
  | {
      readonly kind: "start";
      readonly at: number;
      readonly process: ProcessNumber;
      readonly daemon: DaemonId;
      /** Of the daemon, if there are several. */
      readonly site?: number;
    }
  | { readonly kind: "crash"; readonly at: number; readonly process: ProcessNumber }
  | {
      readonly kind: "install";
      readonly at: number;
      readonly process: ProcessNumber;
      readonly configuration: TraceConfiguration;
    }
  /** The last fragment of the message was assigned to the order. */
  | {
      readonly kind: "send";
      readonly at: number;
      readonly process: ProcessNumber;
      readonly message: MessageNumber;
      readonly service: Service;
      readonly session: number;
      /** How many messages the process had delivered when this one was submitted: its causal past. */
      readonly seen: number;
      /** Whose daemons have to have it, if not all. */
      readonly sites?: readonly number[];
    }
  | { readonly kind: "deliver"; readonly at: number; readonly process: ProcessNumber; readonly message: MessageNumber }
  /** Which daemons the network lets talk from now on. */
  | { readonly kind: "split"; readonly at: number; readonly parts: readonly (readonly DaemonId[])[] }
  | { readonly kind: "heal"; readonly at: number }
  /** No faults from now on. Each part has to become one configuration within `boundMs` and stay it. */
  | {
      readonly kind: "quiet";
      readonly at: number;
      readonly parts: readonly (readonly DaemonId[])[];
      readonly boundMs: number;
    }
  /** The end of the run: nothing was sent any more long enough for everything to be delivered. */
  | { readonly kind: "end"; readonly at: number }
  | GroupTraceEvent;

/** The members that a group has at one daemon. */
export type KnownPart = {
  readonly group: string;
  readonly daemon: DaemonId;
  /** The key of the configuration that changed this part last. */
  readonly configuration: string;
  readonly members: readonly string[];
};

/** What happened to process groups (protocols.md K.3). Members are named by their private groups. */
export type GroupTraceEvent =
  | {
      readonly kind: "groups";
      readonly at: number;
      readonly process: ProcessNumber;
      /** Position in the ordered stream of the regular configuration. */
      readonly position: number;
      /** Of all groups with their ids and members. */
      readonly hash: string;
      /** The daemons that the process believes to share its state. */
      readonly synchronised: readonly DaemonId[];
    }
  | {
      readonly kind: "exchange";
      readonly at: number;
      readonly process: ProcessNumber;
      readonly phase: "begin" | "end";
    }
  /**
   * What a daemon knows of groups where it begins to gather what others know, and where it settles: when all members of
   * the configuration know the same, at its start or after an exchange.
   */
  | {
      readonly kind: "knowledge";
      readonly at: number;
      readonly process: ProcessNumber;
      readonly phase: "gathers" | "settles";
      /** The daemons that it takes to know exactly the same. */
      readonly set: readonly DaemonId[];
      readonly parts: readonly KnownPart[];
    }
  /** A client's request to join or leave was handed to its daemon. */
  | {
      readonly kind: "ask";
      readonly at: number;
      readonly process: ProcessNumber;
      readonly member: string;
      readonly group: string;
      readonly what: "join" | "leave";
    }
  | {
      readonly kind: "view";
      readonly at: number;
      readonly process: ProcessNumber;
      /** Who is told. */
      readonly member: string;
      readonly group: string;
      readonly cause: "join" | "leave" | "disconnect" | "network";
      readonly id: string;
      readonly members: readonly string[];
      /** Disjoint sets of members that came through the change together; with `network` only. */
      readonly sets?: readonly (readonly string[])[] | undefined;
    }
  | {
      readonly kind: "left" | "signal";
      readonly at: number;
      readonly process: ProcessNumber;
      readonly member: string;
      readonly group: string;
    }
  | {
      readonly kind: "groupDeliver";
      readonly at: number;
      readonly process: ProcessNumber;
      readonly member: string;
      readonly group: string;
      readonly message: MessageNumber;
    };

/** What all events have, and what most have. */
type Fields = Pick<TraceEvent, "kind" | "at"> & { readonly process?: ProcessNumber; readonly message?: MessageNumber };

/**
 * Tells its observers what happens in a run, and sums it up in a hash that two runs share only if they did the same. It
 * keeps no event: a run has far more than anybody looks back at.
 */
export class Trace {
  readonly #counts = new Map<TraceEvent["kind"], { events: number }>();
  readonly #observers: ((event: TraceEvent) => void)[] = [];
  readonly #hash = new TraceHash();

  append(event: TraceEvent): void {
    const { kind, at, process, message } = event as Fields;
    const count = this.#counts.get(kind);
    if (count === undefined) this.#counts.set(kind, { events: 1 });
    else count.events++;
    const hash = this.#hash;
    hash.mix(kind.length);
    hash.mix(at);
    if (process !== undefined) hash.mix(process);
    if (message !== undefined) hash.mix(message);
    if (event.kind === "install") hash.mixText(event.configuration.key);
    else if (event.kind === "groups") hash.mixText(event.hash);
    else if (event.kind === "view") hash.mixText(event.id);
    for (const observe of this.#observers) observe(event);
  }

  /** Calls `observe` with every event appended from now on. */
  observe(observe: (event: TraceEvent) => void): void {
    this.#observers.push(observe);
  }

  /** How many events of the kind there were. */
  count(kind: TraceEvent["kind"]): number {
    return this.#counts.get(kind)?.events ?? 0;
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    return this.#hash.hex;
  }
}
