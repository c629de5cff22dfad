import { type NodeId, type RegionViewId, regionViewKey } from "../../base/ids.ts";
import type { Node } from "../../qsm/node.ts";
import type { RegionMember } from "../../qsm/region.ts";
import type { RegionToken } from "../../wire/region/token.ts";
import type { Happening } from "./node-process.ts";

/** Looks into a node after it has handled something, and tells what has changed there. */
export class NodeProbe {
  readonly #node: Node;
  readonly #me: NodeId;
  readonly #tell: (event: Happening) => void;
  /** By stream of this node as a sender, and as a member: what was told last. */
  readonly #stable = new Map<string, number>();
  readonly #clean = new Map<string, Map<NodeId, number>>();
  /** By region view and sender. */
  readonly #seen = new Map<string, Map<NodeId, number>>();
  readonly #rounds = new Map<string, { failure: number; round: number }>();
  #members = new Map<string, RegionViewId>();

  constructor(node: Node, me: NodeId, tell: (event: Happening) => void) {
    this.#node = node;
    this.#me = me;
    this.#tell = tell;
  }

  look(): void {
    for (const { id, stable } of this.#node.senders) {
      const key = regionViewKey(id);
      if (stable <= (this.#stable.get(key) ?? 0)) continue;
      this.#stable.set(key, stable);
      this.#tell({ kind: "acknowledged", node: this.#me, id, seq: stable });
    }
    const members = new Map<string, RegionViewId>();
    for (const { id, streams, ring } of this.#node.regions) {
      const key = regionViewKey(id);
      members.set(key, id);
      this.#lookAtRound(key, id, ring);
      let clean = this.#clean.get(key);
      if (clean === undefined) this.#clean.set(key, (clean = new Map()));
      let seen = this.#seen.get(key);
      if (seen === undefined) this.#seen.set(key, (seen = new Map()));
      for (const stream of streams.values()) {
        seen.set(stream.sender, stream.maxSeen);
        if (stream.clean <= (clean.get(stream.sender) ?? 0)) continue;
        clean.set(stream.sender, stream.clean);
        this.#tell({ kind: "cleaned", node: this.#me, id, sender: stream.sender, seq: stream.clean });
      }
    }
    for (const [key, id] of this.#members) {
      if (members.has(key)) continue;
      this.#clean.delete(key);
      this.#seen.delete(key);
      this.#rounds.delete(key);
      this.#tell({ kind: "retired", node: this.#me, id });
    }
    this.#members = members;
  }

  /** A token has come: if it was neither too old nor too new, it has been handled. */
  visited(token: RegionToken): void {
    this.#tell({ kind: "heard", node: this.#me, token });
    const member = this.#member(token);
    if (member === undefined || member.ring.failure !== token.failure || member.ring.round !== token.round) return;
    const { view, streams } = member;
    this.#tell({ kind: "visited", node: this.#me, token, view, streams });
  }

  /** What this node had seen of the senders on a token when it was looked at last: before this turn. */
  seen({ id, records }: RegionToken): ReadonlyMap<NodeId, number> {
    const seen = this.#seen.get(regionViewKey(id));
    return new Map(records.map(({ sender }) => [sender, seen?.get(sender) ?? 0]));
  }

  #lookAtRound(key: string, id: RegionViewId, { failure, round }: RegionMember["ring"]): void {
    let known = this.#rounds.get(key);
    if (known === undefined) this.#rounds.set(key, (known = { failure: 0, round: 0 }));
    if (known.failure === failure && known.round === round) return;
    Object.assign(known, { failure, round });
    this.#tell({ kind: "round", node: this.#me, id, failure, round });
  }

  #member({ id }: RegionToken): RegionMember | undefined {
    const key = regionViewKey(id);
    for (const member of this.#node.regions) if (regionViewKey(member.id) === key) return member;
    return undefined;
  }
}
