import type { GroupNumber, NodeId } from "../../base/ids.ts";
import type { NodeGroupEvent } from "../events.ts";
import type { Membership } from "./membership.ts";
import type { NodeApplication } from "./node-world.ts";

/** What arrivals ask of the connection's groups. */
export interface ArrivalsHost {
  /** The membership that a node's group is; none that is over, or being left. */
  membership(group: GroupNumber): Membership | undefined;
  nameOf(node: NodeId): string;
  tell(membership: Membership, event: NodeGroupEvent): void;
}

/** What a node delivers, as events of the groups. `me` is the node; `isFifo`: it delivers what each sender sends in order. */
export function arrivals(
  me: NodeId,
  isFifo: boolean,
  host: ArrivalsHost,
): Pick<NodeApplication, "deliver" | "lost" | "timely" | "ordered"> {
  /** Of which messages are delivered to the program. */
  const receiving = (group: GroupNumber): Membership | undefined => {
    const membership = host.membership(group);
    return membership?.isSendOnly === true ? undefined : membership;
  };
  const lost = (group: GroupNumber, sender: NodeId, packets: number): void => {
    const membership = receiving(group);
    membership?.inbox.lost({ kind: "lost", group: membership.name, sender: host.nameOf(sender), packets });
  };
  const tellOrder = (kind: "commit" | "rollback", group: GroupNumber, position: number): void => {
    const membership = receiving(group);
    if (membership !== undefined) host.tell(membership, { kind, group: membership.name, position });
  };
  return {
    deliver: (group, sender, payload) => {
      const membership = receiving(group);
      membership?.inbox.message(membership.message(host.nameOf(sender), payload, sender === me, isFifo));
    },
    lost: (groups, sender, packets) => {
      for (const group of groups) lost(group, sender, packets);
    },
    timely: {
      deliver: ({ group, sender }, payload, how) => {
        const membership = receiving(group);
        membership?.inbox.message(membership.packet(host.nameOf(sender), payload, how));
      },
      lost: ({ group, sender }, _now, packets) => lost(group, sender, packets),
    },
    ordered: {
      deliver: (group, message) => {
        const membership = receiving(group);
        const { sender } = message;
        membership?.inbox.message(membership.ordered(host.nameOf(sender), message, sender === me));
      },
      commit: (group, position) => tellOrder("commit", group, position),
      rollback: (group, position) => tellOrder("rollback", group, position),
    },
  };
}
