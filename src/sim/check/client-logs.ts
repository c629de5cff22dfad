import type { ConnectionEvent, Disconnected, Message } from "../../client/events.ts";
import { type Service, serviceRank } from "../../ordering/service.ts";
import type { Violation } from "./checker.ts";

/** A message that a client sent, and what it was told of it. */
export type SentMessage = {
  /** Different for every message of a run; `session/number`, with numbers that grow. */
  readonly key: string;
  readonly groups: readonly string[];
  readonly service: Service;
  /** Its session had joined the first of the groups. */
  readonly asMember: boolean;
  outcome: "pending" | "accepted" | "delivered" | "failed";
  /** Another session had to send it again: if no daemon there had heard of it, it is in two places of the order. */
  wasResent: boolean;
};

/** What one session of a client saw, in order. */
export type SessionLog = {
  readonly name: string;
  /** `reconnected` only where the session is not the one before: it is a new member then, and knows nothing of the old one. */
  readonly events: Exclude<ConnectionEvent, Disconnected>[];
  readonly sent: SentMessage[];
  /** The connection has ended: what is still missing will not come. */
  hasEnded: boolean;
  /** Its machine was killed: nothing more is known of it. */
  wasKilled: boolean;
};

const FIFO = serviceRank("fifo");
const AGREED = serviceRank("agreed");

/** The key of a message of the workload: what its payload says. */
export function keyOf(payload: Uint8Array): string {
  const end = payload.indexOf(0);
  return new TextDecoder().decode(end < 0 ? payload : payload.subarray(0, end));
}

/**
 * What clients may rely on, from what they saw and nothing else: nothing twice (K4), the order of each sender (K14), one
 * order of all agreed messages (K10), views that are the same everywhere (K27), messages only while a member (K29), the
 * same messages for those who come together from view to view (K28), and an own message that counts as delivered (K6).
 */
export function checkClientLogs(logs: readonly SessionLog[], at: number): Violation[] {
  const violations: Violation[] = [];
  const report = (property: string, what: string): void => {
    violations.push({ property, what, at });
  };
  const views = new Map<string, { readonly members: string; readonly name: string }>();
  const passages = new Map<string, { readonly messages: ReadonlySet<string>; readonly name: string }>();
  for (const log of logs) {
    checkMessages(log, report);
    checkViews(log, views, report);
    checkPassages(log, passages, report);
    checkOwn(log, report);
  }
  checkOrder(logs, report);
  return violations;
}

/**
 * A message as one member sent it. A sender that comes to a daemon which never heard of the one before is another member,
 * and sends again what it does not know to be ordered: no memory spans both sides of a split.
 */
function identityOf({ payload, sender }: Message): string {
  return `${keyOf(payload)} of ${sender}`;
}

type Report = (property: string, what: string) => void;

function checkMessages(log: SessionLog, report: Report): void {
  const seen = new Set<string>();
  const last = new Map<string, number>();
  const memberOf = new Set<string>();
  for (const event of log.events) {
    if (event.kind === "view") memberOf.add(event.group);
    else if (event.kind === "left") memberOf.delete(event.group);
    else if (event.kind === "reconnected") {
      seen.clear();
      last.clear();
    } else if (event.kind === "message") {
      const key = identityOf(event);
      if (seen.has(key)) report("K4", `${log.name} gets ${key} twice`);
      seen.add(key);
      if (!event.groups.some((group) => memberOf.has(group))) {
        report("K29", `${log.name} gets ${key} to ${event.groups.join(", ")}, and is in ${[...memberOf].join(", ")}`);
      }
      if (serviceRank(event.service) < FIFO) continue;
      const [name = "", number = ""] = keyOf(event.payload).split("/");
      const session = `${name} at ${event.sender}`;
      const before = last.get(session) ?? -1;
      if (before > Number(number)) report("K14", `${log.name} gets ${key} after ${before}`);
      last.set(session, Number(number));
    }
  }
}

function checkViews(
  { name, events }: SessionLog,
  views: Map<string, { readonly members: string; readonly name: string }>,
  report: Report,
): void {
  for (const event of events) {
    if (event.kind !== "view") continue;
    const { group, id, index, ownSet } = event;
    const view = `${group} ${id.leader}.${id.time}/${id.index}`;
    const members = event.members.join();
    const other = views.get(view);
    if (other === undefined) views.set(view, { members, name });
    else if (other.members !== members) {
      report("K27", `${view} has {${members}} at ${name} and {${other.members}} at ${other.name}`);
    }
    const self = event.members[index];
    if (self === undefined || !ownSet.includes(self)) report("K27", `${name} is not in its own set of ${view}`);
  }
}

/** From one view of a group to the next: who comes along in one set has seen the same agreed and safe messages. */
function checkPassages(
  { name, events }: SessionLog,
  passages: Map<string, { readonly messages: ReadonlySet<string>; readonly name: string }>,
  report: Report,
): void {
  const current = new Map<string, { readonly view: string; readonly messages: Set<string> }>();
  for (const event of events) {
    if (event.kind === "message") {
      if (serviceRank(event.service) < AGREED) continue;
      for (const group of event.groups) current.get(group)?.messages.add(keyOf(event.payload));
    } else if (event.kind === "gap" || event.kind === "left") {
      current.delete(event.group);
    } else if (event.kind === "view") {
      const { group, id, ownSet } = event;
      const view = `${id.leader}.${id.time}/${id.index}`;
      const before = current.get(group);
      current.set(group, { view, messages: new Set() });
      if (before === undefined) continue;
      const passage = `${group} ${before.view} to ${view} of {${[...ownSet].sort().join()}}`;
      const other = passages.get(passage);
      if (other === undefined) passages.set(passage, { messages: before.messages, name });
      else compare(passage, { messages: before.messages, name }, other, report);
    }
  }
}

type Arrival = { readonly messages: ReadonlySet<string>; readonly name: string };

function compare(passage: string, mine: Arrival, theirs: Arrival, report: Report): void {
  for (const [has, lacks] of [
    [mine, theirs],
    [theirs, mine],
  ] as const) {
    for (const key of has.messages) {
      if (lacks.messages.has(key)) continue;
      report("K28", `in ${passage} ${has.name} gets ${key}, ${lacks.name} does not`);
      return;
    }
  }
}

/** What counts as delivered its sender got, if it was a member of the group from the first view to the end, without a gap. */
function checkOwn({ name, events, sent, hasEnded, wasKilled }: SessionLog, report: Report): void {
  if (wasKilled) return;
  const broken = new Set(events.flatMap((event) => (event.kind === "gap" || event.kind === "left" ? event.group : [])));
  const own = new Set(events.flatMap((event) => (event.kind === "message" && event.own ? keyOf(event.payload) : [])));
  for (const { key, groups, asMember, outcome, service } of sent) {
    if (outcome === "pending") report("receipt", `${name} never hears of ${key}`);
    if (outcome !== "delivered" || hasEnded || own.has(key)) continue;
    const [group = ""] = groups;
    // Unreliable ones may get lost in a change of configuration even on the way to oneself.
    if (!asMember || service === "unreliable" || broken.has(group)) continue;
    report("K6", `${key} to ${group} counts as delivered, and ${name} did not get it itself`);
  }
}

/** All sessions got the agreed and safe messages that they have in common, and that have one place, in one order. */
function checkOrder(logs: readonly SessionLog[], report: Report): void {
  const resent = new Set(logs.flatMap(({ sent }) => sent.flatMap(({ key, wasResent }) => (wasResent ? key : []))));
  const orders = logs.map(({ name, events }) => {
    const keys = events.flatMap((event) =>
      event.kind === "message" && serviceRank(event.service) >= AGREED && !resent.has(keyOf(event.payload))
        ? identityOf(event)
        : [],
    );
    return { name, keys, positions: new Map(keys.map((key, i) => [key, i])) };
  });
  for (const [i, mine] of orders.entries()) {
    for (const theirs of orders.slice(i + 1)) {
      let last = -1;
      let lastKey = "";
      for (const key of mine.keys) {
        const position = theirs.positions.get(key);
        if (position === undefined) continue;
        if (position < last) {
          report("K10", `${mine.name} gets ${lastKey} before ${key}, ${theirs.name} the other way round`);
          break;
        }
        last = position;
        lastKey = key;
      }
    }
  }
}
