import { configurationKey, type DaemonId } from "../base/ids.ts";
import { joined } from "../base/joined.ts";
import { Slab } from "../base/slab.ts";
import { Groups } from "../groups/groups.ts";
import { NameCache } from "../groups/name-cache.ts";
import type { Notice, SessionNumber } from "../groups/outbox.ts";
import { Content } from "../ordering/content.ts";
import { ANNOUNCEMENT, EVERYBODY } from "../ordering/interest.ts";
import { type Service, serviceRank } from "../ordering/service.ts";
import { type Delivery, payloadOf } from "../ordering/upcall.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import { dataBytesOf, encodeFrame, HEADER_BYTES, typeOf } from "../wire/spread/frame.ts";
import { decodeMembership, type MembershipMessage, type ViewId } from "../wire/spread/membership.ts";
import { GROUP_NAME_MAX, NAME_BYTES } from "../wire/spread/names.ts";
import type { EvsProcess } from "./evs-process.ts";
import type { GroupTraceEvent, MessageNumber, Trace } from "./trace.ts";

/** Clients of each daemon. */
export const GROUP_CLIENTS = 3;
const GROUPS = ["red", "green", "blue"] as const;
const AGREED = serviceRank("agreed");
const REQUESTS = TypeBit.join | TypeBit.leave | TypeBit.kill;

/** The groups layer on a daemon's core, with a few clients that join, leave and send; all of it goes to the trace. */
export class GroupDaemon {
  readonly #process: EvsProcess;
  readonly #trace: Trace;
  readonly #time: () => number;
  readonly #groups: Groups;
  readonly #name: string;
  /** Groups that each client has asked to be in. */
  readonly #wanted: Set<string>[] = Array.from({ length: GROUP_CLIENTS }, () => new Set());
  readonly #generations: number[] = Array.from({ length: GROUP_CLIENTS }, () => 0);
  /** The clients' private groups. */
  readonly #members: string[];
  readonly #names = new NameCache(256);
  readonly #readName = (bytes: Uint8Array, at: number): string => this.#names.name(bytes, at, GROUP_NAME_MAX);
  /** For messages on their way into packets. */
  readonly #slab = new Slab();
  /** What was handed over last, what it says, and the id of its view: all members of a group are handed the same. */
  #notice: Notice | undefined;
  #says: MembershipMessage | undefined;
  #id = "";
  #position = 0;
  #isRegular = false;
  #sent = 0;

  /** `positionOf` is the order of the configured daemons. */
  constructor(
    process: EvsProcess,
    self: DaemonId,
    positionOf: (daemon: DaemonId) => number,
    trace: Trace,
    time: () => number,
  ) {
    this.#process = process;
    this.#trace = trace;
    this.#time = time;
    this.#name = `d${self}`;
    const daemonNamed = (name: string): DaemonId => Number(name.slice(1));
    this.#groups = new Groups(
      { me: self, daemonName: this.#name, positionOf, nameOf: (daemon) => `d${daemon}`, daemonNamed },
      {
        multicast: (service, content, payload) => process.send(service, 0, payload, content),
        deliver: (sessions, frame, tail) => this.#deliver(sessions, joined(frame, tail)),
        notify: (session, notice) => this.#notify(session, notice),
        ordered: () => undefined,
        refused: () => undefined,
        ended: () => undefined,
        nodeJoins: () => undefined,
        optionsFixed: () => undefined,
        scalableChanged: () => undefined,
        clientEnded: () => undefined,
        toldDaemon: () => undefined,
        configured: () => undefined,
        block: () => this.#exchange(true),
        unblock: () => this.#exchange(false),
        mayJoin: () => process.evs.releaseSessions(),
      },
    );
    this.#members = this.#generations.map((_, client) => this.#member(client));
    for (let client = 0; client < GROUP_CLIENTS; client++) this.#groups.attach(this.#user(client), client + 1);
    const isNear = (daemon: DaemonId): boolean => {
      const { configuration } = process.evs;
      return configuration.siteOf(daemon) === configuration.local.site;
    };
    const isAwaited = (group: string): boolean =>
      process.evs.configuration.interests.has(group, (daemon) => !isNear(daemon));
    process.interest = (payload, content, message) => {
      if (content === Content.interest) return ANNOUNCEMENT;
      return content === Content.frame ? this.#groups.interest(payload, message, { isNear, isAwaited }) : EVERYBODY;
    };
    process.application = {
      message: (delivery) => this.#message(delivery),
      transitional: (configuration) => {
        this.#isRegular = false;
        this.#groups.transitional(configuration);
      },
      regular: (configuration) => {
        this.#isRegular = true;
        this.#position = 0;
        this.#groups.regular(configuration);
        this.#know(this.#groups.state === "GOP" ? "settles" : "gathers");
        this.#compare();
      },
    };
  }

  /** What a client does next: every fourth time it joins or leaves a group, otherwise it sends to one. */
  act(session: number, service: Service, bytes: number): void {
    const client = session % GROUP_CLIENTS;
    if (this.#sent % 23 === 22) this.#replace(client);
    const group = this.#group(bytes);
    if (this.#sent++ % 4 !== 0) {
      // The message says its own number, which its process gives it next.
      const data = dataOf(this.#process.nextMessage, bytes);
      const type = service === "safe" ? TypeBit.safe : TypeBit.agreed;
      const frame = this.#slab.take(HEADER_BYTES + NAME_BYTES + data.length);
      encodeFrame(type, this.#members[client] as string, [group], 0, data, frame);
      this.#process.send(service === "safe" ? "safe" : "agreed", client + 1, frame, Content.frame);
      return;
    }
    const wanted = this.#wanted[client] as Set<string>;
    const what = wanted.delete(group) ? "leave" : "join";
    if (what === "join") wanted.add(group);
    const { at, process, member } = this.#about(client);
    this.#append({ kind: "ask", at, process, member, group, what });
    const type = what === "join" ? TypeBit.join : TypeBit.leave;
    const frame = encodeFrame(type, this.#members[client] as string, [group], 0, new Uint8Array(0));
    this.#process.send("agreed", client + 1, frame, Content.frame);
  }

  /** With several sites half of what happens is in groups that are those of one, which clients of others seldom join. */
  #group(bytes: number): string {
    const turn = this.#sent + bytes;
    const { local, streams, hasOneSite } = this.#process.evs.configuration;
    if (hasOneSite || turn % 6 < 3) return GROUPS[turn % GROUPS.length] as string;
    const site = turn % 6 === 5 ? (streams[bytes % streams.length]?.site ?? 0) : local.site;
    return `of ${site}`;
  }

  /** A client disconnects, and another one comes. */
  #replace(client: number): void {
    this.#groups.detach(this.#user(client));
    const frame = encodeFrame(TypeBit.kill, this.#members[client] as string, [], 0, new Uint8Array(0));
    this.#process.send("agreed", client + 1, frame, Content.frame);
    this.#generations[client] = (this.#generations[client] as number) + 1;
    this.#members[client] = this.#member(client);
    this.#wanted[client]?.clear();
    this.#groups.attach(this.#user(client), client + 1);
  }

  #message(delivery: Delivery): void {
    this.#groups.message(delivery);
    // Only what all daemons get is counted: what clients send may not be for this site.
    const isSend = delivery.content === Content.frame && (typeOf(payloadOf(delivery), 0) & REQUESTS) === 0;
    if (isSend || serviceRank(delivery.service) < AGREED) return;
    this.#position++;
    this.#compare();
  }

  /** Writes down what this daemon knows of groups, at points where others can be asked for the same. */
  #compare(): void {
    if (!this.#isRegular || this.#groups.state !== "GOP") return;
    this.#append({
      kind: "groups",
      at: this.#time(),
      process: this.#process.number,
      position: this.#position,
      hash: this.#groups.directory.hash(),
      synchronised: this.#groups.synchronised,
    });
  }

  #deliver(sessions: readonly SessionNumber[], frame: Uint8Array): void {
    const message = messageOf(frame, frame.length - dataBytesOf(frame, 0));
    const group = this.#names.name(frame, HEADER_BYTES, NAME_BYTES);
    const at = this.#time();
    const process = this.#process.number;
    for (const session of sessions) {
      this.#append({ kind: "groupDeliver", at, process, member: this.#members[session - 1] as string, group, message });
    }
  }

  #notify(session: SessionNumber, notice: Notice): void {
    if (notice !== this.#notice) {
      this.#notice = notice;
      this.#says = decodeMembership(notice.frame, this.#readName);
      if (this.#says?.kind === "view") this.#id = viewIdText(this.#says.id);
    }
    const says = this.#says;
    const { group } = notice;
    const { at, process, member } = this.#about(session - 1);
    if (says?.kind === "view") {
      const id = this.#id;
      const { cause, members } = says;
      const sets = cause === "network" ? says.sets : undefined;
      this.#append({ kind: "view", at, process, member, group, cause, id, members, sets });
    } else {
      this.#append({ kind: says?.kind === "selfLeave" ? "left" : "signal", at, process, member, group });
    }
  }

  #exchange(isOn: boolean): void {
    this.#process.evs.holdSessions(isOn);
    if (!isOn) this.#process.evs.releaseSessions();
    const phase = isOn ? "begin" : "end";
    this.#append({ kind: "exchange", at: this.#time(), process: this.#process.number, phase });
    if (!isOn) this.#know("settles");
  }

  #know(phase: "gathers" | "settles"): void {
    const { directory, synchronised: set } = this.#groups;
    const parts = directory.groups().flatMap((group) =>
      group.parts.map(({ roster, configuration, members }) => ({
        group: group.name,
        daemon: roster.daemon,
        configuration: configuration === undefined ? "none" : configurationKey(configuration),
        members: members.map(({ name }) => name),
      })),
    );
    this.#append({ kind: "knowledge", at: this.#time(), process: this.#process.number, phase, set, parts });
  }

  #about(client: number) {
    return { at: this.#time(), process: this.#process.number, member: this.#members[client] as string };
  }

  /** Clients never come back: names carry the number of the process and of the client's predecessors. */
  #user(client: number): string {
    return `u${this.#process.number}x${client}x${this.#generations[client]}`;
  }

  #member(client: number): string {
    return `#${this.#user(client)}#${this.#name}`;
  }

  #append(event: GroupTraceEvent): void {
    this.#trace.append(event);
  }
}

/** What a message carries is copied into its frame, so all of them take theirs from here. */
let data = new Uint8Array(1_024);

/** The message's number, and zeros; at least 8 bytes. Holds until the next call. */
function dataOf(message: MessageNumber, bytes: number): Uint8Array {
  const length = Math.max(8, bytes);
  if (data.length < length) data = new Uint8Array(2 * length);
  new DataView(data.buffer).setFloat64(0, message);
  return data.subarray(0, length);
}

const numberBytes = new Uint8Array(8);
const number = new DataView(numberBytes.buffer);

/** The number that `dataOf` has written; a view of each frame would be an object for each delivery. */
function messageOf(frame: Uint8Array, at: number): MessageNumber {
  for (let i = 0; i < 8; i++) numberBytes[i] = frame[at + i] as number;
  return number.getFloat64(0);
}

function viewIdText({ leader, time, index }: ViewId): string {
  return `${leader}.${time}/${index}`;
}
