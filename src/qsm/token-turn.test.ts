import { expect, test } from "vitest";
import { firstChange, NodeNet } from "../../test/qsm/node-net.ts";
import { NO_CHANGE } from "../cms/no-change.ts";
import { kindOf, NodeKind } from "../wire/region/head.ts";
import { decodeLinkData } from "../wire/region/link.ts";
import { decodeRegionMessage } from "../wire/region/message.ts";
import type { RegionToken } from "../wire/region/token.ts";

const VIEW = { region: 100, view: 1 };

function tokenIn(datagram: Uint8Array): RegionToken | undefined {
  const data = kindOf(datagram) === NodeKind.linkData ? decodeLinkData(datagram) : undefined;
  const message = data && decodeRegionMessage(data.bytes);
  return message?.kind === "token" ? message : undefined;
}

/**
 * Three members, of whom the last sends two messages. What the second one should get of that is kept back: the token of the first round, which knows
 * of one packet, and the second packet. Returned with what leaves the second member from then on.
 */
function beforeTheTurn() {
  const net = new NodeNet(1, { tokenRate: 20, packing: false });
  const members = [1, 2, 3].map((id) => net.add(id).info);
  for (const { id } of members) net.apply(id, firstChange({ id: VIEW, groups: [1], address: 0, members }));
  const kept: { token?: Uint8Array; packet?: Uint8Array } = {};
  net.send(3, 1, "first");
  net.loses = (_from, to, channel, bytes) => {
    const isToken = channel === "control" && tokenIn(bytes) !== undefined;
    if (to === 2 && isToken) kept.token ??= bytes;
    return to === 2 && isToken;
  };
  net.run(100);
  net.loses = (_from, to, channel, bytes) => {
    if (to === 2 && channel === "data") kept.packet ??= bytes;
    return to === 2;
  };
  net.send(3, 1, "second");
  net.run(1);
  const left: RegionToken[] = [];
  net.loses = (from, _to, channel, bytes) => {
    const token = from === 2 && channel === "control" ? tokenIn(bytes) : undefined;
    if (token !== undefined) left.push(token);
    return true;
  };
  return { net, node: net.get(2).node, token: kept.token as Uint8Array, packet: kept.packet as Uint8Array, left };
}

test("a token says of the member that it leaves what holds at the end of the turn, not what held when it was handled", () => {
  const { net, node, token, packet, left } = beforeTheTurn();
  node.receive("control", token, net.now);
  node.receive("data", packet, net.now);
  node.flush(net.now);
  expect(left.map(({ records }) => records.map(({ sender, maximumSeen }) => [sender, maximumSeen]))).toEqual([
    [[3, 2]],
  ]);
});

test("a token of before a failure does not leave a member that has been told of the failure in the same turn", () => {
  const { net, node, token, left } = beforeTheTurn();
  node.receive("control", token, net.now);
  node.apply({ ...NO_CHANGE, seq: 2, n: 2, failed: [1], viewsFailed: [{ id: VIEW, nodes: [1] }] }, net.now);
  node.flush(net.now);
  expect(left.map(({ failure }) => failure)).not.toContain(0);
  expect(left.length).toBeGreaterThan(0);
});
