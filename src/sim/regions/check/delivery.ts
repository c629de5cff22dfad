import type { GroupNumber, NodeId } from "../../../base/ids.ts";
import { messageName } from "../../trace.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import type { MessageLife, NodeLife, RegionsHistory } from "./history.ts";
import { nodeName, viewName } from "./names.ts";

/** What one node has delivered of one sender and group, since it came into the group. */
type Delivered = { readonly since: number; last: number; hasLost: boolean };

/**
 * Exactly once, in order, to whom it was sent (K42 and region-views.md, "What a group member is promised"): a message belongs to the views
 * in which its first packet was sent. Who is in one of them and has not left the group since delivers it once, after everything that
 * the sender sent to the group before. Only of a sender that has failed may something be missing, and who misses it is told `LOST`
 * before it delivers what comes later.
 */
export const delivery: RegionCheckerFactory = (history, report) => {
  const states = new Map<string, Delivered>();

  const stateOf = (node: NodeLife, sender: NodeId, group: GroupNumber): Delivered => {
    const key = `${node.node} ${sender} ${group}`;
    const since = node.groups.get(group) ?? 0;
    let state = states.get(key);
    if (state === undefined || state.since !== since) {
      state = { since, last: -1, hasLost: false };
      states.set(key, state);
    }
    return state;
  };

  const nameOf = ({ message, sender }: MessageLife): string =>
    `${messageName(message)} of ${nodeName(history, sender)}`;

  const onDeliver = (node: NodeLife, message: MessageLife, at: number): void => {
    const what = `${nodeName(history, node.node)} delivers ${nameOf(message)}`;
    const { pin, sender, group } = message;
    const view = history.regionOf(message, node.node);
    if (pin === undefined) return report(`${what}, which nobody has sent`, at);
    if (view === undefined) return report(`${what}, which was not sent to it`, at);
    if (!node.groups.has(group)) return report(`${what}, to a group that it is not in`, at);
    if (!history.isFor(message, node)) return report(`${what} of ${viewName(view.id)}, from before it came`, at);
    const state = stateOf(node, sender, group);
    if (message.place <= state.last) return report(`${what} again, or after a later one`, at);
    for (const missed of skipped(history, message, node, state)) {
      const without = `${what} and has not delivered ${messageName(missed.message)}`;
      if (history.nodes.get(sender)?.hasFailed !== true) report(`${without}, though its sender lives`, at);
      else if (!state.hasLost) report(`${without}, and was not told that it is lost`, at);
    }
    state.last = message.place;
    state.hasLost = false;
  };

  const onLost = (node: NodeLife, sender: NodeId, groups: readonly GroupNumber[], at: number): void => {
    if (history.nodes.get(sender)?.hasFailed !== true) {
      report(`${nodeName(history, node.node)} is told of losses of ${nodeName(history, sender)}, which lives`, at);
    }
    for (const group of groups) stateOf(node, sender, group).hasLost = true;
  };

  const finish = (at: number): void => {
    for (const message of history.messages.values()) {
      if (history.nodes.get(message.sender)?.hasFailed === true) continue;
      for (const { members } of message.pin?.regions ?? []) {
        for (const { id } of members) {
          const node = history.nodes.get(id);
          if (node === undefined || !history.concerns(message, node)) continue;
          if (stateOf(node, message.sender, message.group).last >= message.place) continue;
          report(`${nodeName(history, id)} never delivers ${nameOf(message)}`, at);
        }
      }
    }
  };

  return {
    observe(event) {
      if (event.kind === "over") finish(event.at);
      if (event.kind !== "deliver" && event.kind !== "lost") return;
      const node = history.nodes.get(event.node);
      if (node === undefined) return;
      if (event.kind === "lost") return onLost(node, event.sender, event.groups, event.at);
      const message = event.message === undefined ? undefined : history.messages.get(event.message);
      if (message === undefined || message.group !== event.group || message.sender !== event.sender) {
        report(`${nodeName(history, event.node)} delivers something that nobody has sent like this`, event.at);
      } else onDeliver(node, message, event.at);
    },
  };
};

/** What the sender sent before the message to the same group, and to this node, since what that delivered last. */
function* skipped(
  history: RegionsHistory,
  message: MessageLife,
  node: NodeLife,
  { last }: Delivered,
): Generator<MessageLife> {
  const order = history.order(message.sender, message.group);
  for (let place = last + 1; place < message.place; place++) {
    const before = order[place];
    if (before !== undefined && history.isFor(before, node)) yield before;
  }
}
