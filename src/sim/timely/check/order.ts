import type { GroupNumber, NodeId } from "../../../base/ids.ts";
import { platoDefaults } from "../../../plato/config.ts";
import type { MessageId } from "../../../wire/plato/bodies.ts";
import type { TimelyCheckerFactory } from "./checker.ts";
import { SETTLED_AFTER_MS } from "./gaps.ts";
import { groupName, nameOf, type TimelyHistory } from "./history.ts";

/** What a member has been given of a group's messages, from when it joined until it left. */
type Stream = {
  readonly node: NodeId;
  readonly group: GroupNumber;
  /** Counts how often the node had left the group before. */
  readonly left: number;
  readonly committed: { readonly key: string; readonly position: number }[];
  readonly committedKeys: Set<string>;
  shown: { readonly key: string; readonly position: number; readonly isOrdered: boolean }[];
  readonly sent: { readonly key: string; readonly at: number }[];
  readonly committedAt: Map<string, number>;
  committedTo: number;
  /** Its first view. */
  firstView: number;
  /** The view whose beginning it has told of last. */
  view: number;
};

/** Without faults a message is committed everywhere after this, beside the times that orders and acknowledgements wait. */
const CALM_MS = 500;

/**
 * K50: members never disagree on what is committed, and nobody is taken back what is. Each message is delivered in ascending places, once, as it was
 * sent; a rollback takes back what was delivered behind its place, before its order was known, at least one message; in the end all that live have committed
 * the same, from what was sent in their first view on, all of what they sent themselves, nothing waits to be committed, and everybody is silent.
 */
export const order: TimelyCheckerFactory = (history, report) => {
  const streams = new Map<string, Stream>();
  const payloads = new Map<string, Uint8Array>();
  /** In which view its sender was. */
  const sentIn = new Map<string, number>();
  /** By group and view: what its sequencer has told. */
  const told = new Map<string, Map<number, string>>();
  const places = new Map<string, Map<string, number>>();
  const { plato, quietAt } = history.schedule;
  const isStable = (plato.commit ?? platoDefaults.commit) === "stable";
  const calmMs = CALM_MS + 3 * (plato.orderMs ?? platoDefaults.orderMs) + 3 * (plato.ackMs ?? platoDefaults.ackMs);

  function streamOf(node: NodeId, group: GroupNumber): Stream {
    const left = history.membership(node, group)?.left ?? 0;
    const key = `${node} ${group} ${left}`;
    let stream = streams.get(key);
    if (stream === undefined) {
      stream = {
        node,
        group,
        left,
        committed: [],
        committedKeys: new Set(),
        shown: [],
        sent: [],
        committedAt: new Map(),
        committedTo: 0,
        firstView: 0,
        view: 0,
      };
      streams.set(key, stream);
    }
    return stream;
  }

  return {
    observe(event) {
      const { kind, at } = event;
      if (kind === "submit") {
        const stream = streamOf(event.node, event.group);
        stream.sent.push({ key: messageKey(event.id), at });
        sentIn.set(`${event.group} ${messageKey(event.id)}`, stream.view);
        payloads.set(`${event.group} ${messageKey(event.id)}`, event.payload.slice());
      } else if (kind === "said") {
        if (event.body.kind === "state") onView(streamOf(event.node, event.group), event.body.view);
        else if (event.body.kind === "order") onTold(event.node, event.group, event.body, at);
      } else if (kind === "show") onShow(streamOf(event.node, event.group), event.message, at);
      else if (kind === "commit") onCommit(streamOf(event.node, event.group), event.position, at);
      else if (kind === "rollback") onRollback(streamOf(event.node, event.group), event.position, at);
      else if (kind === "over") {
        compareAll(at);
        checkBeginnings(at);
        onEnd(at);
        for (const { node, isAtRest } of event.remains) {
          if (!isAtRest) report(`${nameOf(history, node)} does not come to rest`, at);
        }
      }
    },
  };

  /** A member that hears of a view says at once what it brings. */
  function onView(stream: Stream, view: number): void {
    if (stream.firstView === 0) stream.firstView = view;
    stream.view = view;
  }

  /** A sequencer gives each place of a view to one message, and each message one place. */
  function onTold(
    node: NodeId,
    group: GroupNumber,
    body: { readonly view: number; readonly first: number; readonly entries: readonly MessageId[] },
    at: number,
  ): void {
    const view = `${group} ${body.view}`;
    let known = told.get(view);
    if (known === undefined) told.set(view, (known = new Map()));
    body.entries.forEach((entry, i) => {
      const key = messageKey(entry);
      const before = known.get(body.first + i);
      if (before !== undefined && before !== key) {
        report(`${nameOf(history, node)} gives place ${body.first + i} of ${groupName(history, group)} twice`, at);
      }
      known.set(body.first + i, key);
    });
  }

  function onShow(
    stream: Stream,
    message: MessageId & { readonly payload: Uint8Array; readonly position: number; readonly isOrdered: boolean },
    at: number,
  ): void {
    const key = messageKey(message);
    const where = whereOf(history, stream);
    const last = stream.shown.at(-1)?.position ?? stream.committedTo;
    if (message.position <= last) report(`place ${message.position} is delivered behind ${last} ${where}`, at);
    if (stream.committedKeys.has(key) || stream.shown.some((shown) => shown.key === key)) {
      report(`message ${key} is delivered twice ${where}`, at);
    }
    const sent = payloads.get(`${stream.group} ${key}`);
    if (
      sent === undefined ||
      sent.some((byte, i) => byte !== message.payload[i]) ||
      sent.length !== message.payload.length
    ) {
      report(`message ${key} is not what was sent ${where}`, at);
    }
    const isConservative = history.plans.get(stream.group)?.order === "conservative";
    if (isConservative && !message.isOrdered)
      report(`message ${key} is delivered before its order is known ${where}`, at);
    stream.shown.push({ key, position: message.position, isOrdered: message.isOrdered });
  }

  function onCommit(stream: Stream, position: number, at: number): void {
    const where = whereOf(history, stream);
    const orders = told.get(`${stream.group} ${stream.view}`);
    if (!stream.shown.some((shown) => shown.position === position)) {
      report(`place ${position} is committed ${where} with no message in it`, at);
    }
    if (position <= stream.committedTo)
      report(`place ${position} is committed behind ${stream.committedTo} ${where}`, at);
    while (stream.shown[0] !== undefined && stream.shown[0].position <= position) {
      const one = stream.shown.shift() as { readonly key: string; readonly position: number };
      stream.committed.push(one);
      stream.committedKeys.add(one.key);
      stream.committedAt.set(one.key, at);
      const ordered = orders?.get(one.position);
      if (ordered !== undefined && ordered !== one.key) {
        report(`place ${one.position} is committed with ${one.key} ${where}, its sequencer has told ${ordered}`, at);
      }
      if (isStable) onPlace(stream, one, at);
    }
    stream.committedTo = position;
  }

  /** A message that is committed has one place, wherever it is. */
  function onPlace({ group, node }: Stream, { key, position }: { key: string; position: number }, at: number): void {
    const inGroup = `${group}`;
    let known = places.get(inGroup);
    if (known === undefined) places.set(inGroup, (known = new Map()));
    const before = known.get(key);
    known.set(key, position);
    if (before !== undefined && before !== position) {
      report(
        `message ${key} of ${groupName(history, group)} is in place ${position} at ${nameOf(history, node)}, and in ${before}`,
        at,
      );
    }
  }

  function onRollback(stream: Stream, position: number, at: number): void {
    const where = whereOf(history, stream);
    if (history.plans.get(stream.group)?.order === "conservative" && isStable) {
      report(`something is taken back ${where}, which is conservative`, at);
    }
    if (position < stream.committedTo) report(`what was committed is taken back ${where}`, at);
    const kept = stream.shown.filter((shown) => shown.position <= position);
    if (kept.length === stream.shown.length) report(`nothing is taken back ${where}`, at);
    const known = stream.shown.find((shown) => shown.position > position && shown.isOrdered);
    // Whoever fails: of those who are left the one that has heard most of the order says how it goes on.
    if (known !== undefined) report(`${known.key} is taken back ${where}, though its place was known`, at);
    stream.shown = kept;
  }

  /** Whatever two members have committed, of what was sent when both were members. If commitment is not stable: two that stayed. */
  function compareAll(at: number): void {
    const byGroup = new Map<GroupNumber, Stream[]>();
    for (const stream of streams.values()) {
      if (!isStable && !isPresent(stream)) continue;
      const others = byGroup.get(stream.group);
      for (const other of others ?? []) compare(stream, other, at);
      if (others === undefined) byGroup.set(stream.group, [stream]);
      else others.push(stream);
    }
  }

  function compare(one: Stream, other: Stream, at: number): void {
    const view = Math.max(one.firstView, other.firstView);
    const ofBoth = (stream: Stream) =>
      stream.committed.filter(({ key }) => (sentIn.get(`${stream.group} ${key}`) as number) >= view);
    const [a, b] = [ofBoth(one), ofBoth(other)];
    const places = new Map(b.map(({ key }, i) => [key, i]));
    const common = a.findIndex(({ key }) => places.has(key));
    const first = a[common];
    if (first === undefined) return;
    const from = places.get(first.key) as number;
    const what = `${groupName(history, one.group)}: ${nameOf(history, one.node)} and ${nameOf(history, other.node)}`;
    if (common > 0 && from > 0) report(`${what} disagree before ${first.key}`, at);
    for (let i = 0; common + i < a.length && from + i < b.length; i++) {
      const [mine, theirs] = [a[common + i]?.key, b[from + i]?.key];
      if (mine === theirs) continue;
      report(`${what} have committed ${mine} and ${theirs} in one place`, at);
      return;
    }
  }

  /** Who stays has what anybody who stays has, from the messages on that were sent in its first view; and none of those before. */
  function checkBeginnings(at: number): void {
    const present = [...streams.values()].filter(isPresent);
    for (const { group, committed } of present) {
      for (const { key } of committed) {
        const view = sentIn.get(`${group} ${key}`) as number;
        for (const stream of present) {
          if (stream.group !== group || stream.committedKeys.has(key) === view >= stream.firstView) continue;
          const what = `${key}, sent in view ${view}, is ${view >= stream.firstView ? "not " : ""}committed`;
          report(`${what} ${whereOf(history, stream)}, which came in view ${stream.firstView}`, at);
          return;
        }
      }
    }
  }

  function isPresent({ node, group, left }: Stream): boolean {
    const membership = history.membership(node, group);
    return history.isAlive(node) && membership?.members !== undefined && membership.left === left;
  }

  function onEnd(at: number): void {
    const last = new Map<GroupNumber, string>();
    for (const stream of streams.values()) {
      if (!isPresent(stream)) continue;
      const where = whereOf(history, stream);
      const { shown, sent, committed, committedKeys, committedAt } = stream;
      if (shown.length > 0) report(`${shown.length} messages are not committed ${where}`, at);
      const end = committed.at(-1)?.key;
      const other = last.get(stream.group);
      if (end !== undefined && other !== undefined && end !== other) {
        report(`${end} is the last message ${where}, and ${other} elsewhere`, at);
      }
      if (end !== undefined) last.set(stream.group, end);
      for (const { key, at: sentAt } of sent) {
        const doneAt = committedAt.get(key);
        if (!committedKeys.has(key)) report(`its own ${key} is not committed ${where}`, at);
        else if (sentAt > quietAt + SETTLED_AFTER_MS && doneAt !== undefined && doneAt > sentAt + calmMs) {
          report(`its own ${key} took ${Math.round(doneAt - sentAt)} ms to be committed ${where}, without faults`, at);
        }
      }
    }
  }
};

function messageKey({ sender, seq }: MessageId): string {
  return `${sender}.${seq}`;
}

function whereOf(history: TimelyHistory, { node, group }: Stream): string {
  return `at ${nameOf(history, node)} in ${groupName(history, group)}`;
}
