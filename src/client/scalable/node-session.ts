import { assert } from "../../base/assert.ts";
import type { NodeId, RegionViewId } from "../../base/ids.ts";
import { decodeChange } from "../../cms/change-codec.ts";
import { decodeNodeTelling, encodeNodeTelling, type NodeTelling } from "../../cms/node-report.ts";
import { decodeSettled, type SettledStream } from "../../cms/settled.ts";
import type { Change, NodeAddress } from "../../cms/views.ts";
import { encodeUtf8 } from "../../wire/native/fields.ts";
import { decodeGroupFacts, decodeNodeSite, type GroupFacts, type NodeSite } from "../../wire/native/node-facts.ts";
import { decodeNodeNews, decodeNodeReport, NodeFrame, type NodeNews } from "../../wire/native/node-frames.ts";
import type { Repairs } from "../../wire/timely/repairs.ts";
import { TypeBit } from "../../wire/spread/codes.ts";
import { groupCountOf } from "../../wire/spread/frame.ts";
import { Outgoing } from "../outgoing.ts";
import { Reports } from "./reports.ts";

/** What a node's session with its daemon asks of its connection. */
export interface NodeSessionHost {
  /** To the daemon, behind all that was sent before. */
  submit(outgoing: Outgoing): void;
  /** The daemons have made this connection a node; no change has come yet. */
  registered(node: NodeId, site: NodeSite): void;
  /** The site's nodes send another way from now on. */
  siteChanged(site: NodeSite): void;
  /** The next change: in order, each once. */
  change(change: Change): void;
  /** Whether the daemon can tell of changes at all. */
  suspended(suspended: boolean): void;
  /** The daemons have declared the node failed, or do not know it: it is over. */
  expelled(settled: readonly SettledStream[]): void;
  facts(facts: GroupFacts): void;
}

/** What a join asks for, as far as it asks for anything. */
export type WantedGroup = {
  readonly quality: "scalable" | "timely";
  readonly slow?: "wait" | "drop" | "expel" | undefined;
  /** Of a timely group. */
  readonly repairs?: Repairs | undefined;
  readonly order?: "total" | undefined;
};

/** Requests that are remembered before those that are ordered are forgotten. */
const REQUESTS = 256;

/**
 * A connection's side of what makes it a node (docs/protocols/native-session.md): asks for groups, takes changes in order and each once,
 * keeps reports until they are common knowledge, and takes the node with it to another session, with its place.
 */
export class NodeSession {
  readonly #host: NodeSessionHost;
  readonly #groups = new Map<string, WantedGroup>();
  #address: NodeAddress | undefined;
  #node: NodeId | undefined;
  /** Of the last change that has come. */
  #seq = 0;
  #site: NodeSite | undefined;
  #reports = new Reports();
  /** The daemon has said that this session is the node. */
  #isAttached = false;
  /** The group whose join makes the session the node, until it is. */
  #registrar: string | undefined;
  /** Joins of this connection that are still to be ordered. */
  #requests: Outgoing[] = [];
  #requestsMax = REQUESTS;
  /** The session is, or will be when its requests are ordered, in all groups. */
  #isMember = true;

  constructor(host: NodeSessionHost) {
    this.#host = host;
  }

  get node(): NodeId | undefined {
    return this.#node;
  }

  /** Whether the daemon knows which node this is, and tells it what comes next. */
  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** The node that is to be made is reached here. */
  locate(address: NodeAddress): void {
    this.#address = address;
  }

  /** The node is over: what is joined from now on is joined by a new one, once that can be reached. */
  forsake(): void {
    this.#isAttached = false;
    this.#node = undefined;
    this.#address = undefined;
    this.#seq = 0;
    this.#reports = new Reports();
  }

  join(group: string, wanted: WantedGroup): Outgoing {
    this.#groups.set(group, wanted);
    this.#registrar ??= group;
    return this.#join(group, false);
  }

  leave(group: string): void {
    this.#groups.delete(group);
    this.#request(new Outgoing("leave", TypeBit.leave, [group]));
  }

  /** The join was refused. If it was to make the session the node, another one is. */
  refused(group: string): void {
    this.#groups.delete(group);
    if (this.#registrar !== group) return;
    this.#registrar = undefined;
    if (!this.#isAttached) this.register();
  }

  /**
   * There is another session, or deliveries of this one are lost: what was asked for and is not known to be ordered is asked for anew, with
   * the node's place. `isMember`: the session still is a member of its groups. Nothing happens before there is an address.
   */
  reconnected(isMember: boolean): void {
    this.#isAttached = false;
    const isAllOrdered = this.#requests.every(({ kind, isFinished }) => kind === "leave" || isFinished);
    // Where the session goes on, a leave still has to be ordered; a join would tell a place that is old.
    for (const request of this.#requests) if (!isMember || request.kind === "join") request.isVoid = true;
    this.#requests = this.#requests.filter(({ isVoid, isFinished }) => !isVoid && !isFinished);
    this.#isMember = isMember && this.#isMember && isAllOrdered;
    this.register();
  }

  /** The session is to be the node: one join makes it that, behind those that are missing. Then comes what was not reported for certain. */
  register(): void {
    if (this.#address === undefined) return;
    const groups = [...this.#groups.keys()];
    this.#registrar = groups.pop();
    if (this.#registrar === undefined) return;
    if (!this.#isMember) for (const group of groups) this.#join(group, true);
    this.#isMember = true;
    this.#join(this.#registrar, false);
    const telling = this.#node === undefined ? undefined : this.#reports.outstanding();
    if (telling !== undefined) this.#report(telling);
  }

  /** A frame of the daemon's; false if it is none of a node's. */
  frame(bytes: Uint8Array, at: number): boolean {
    if (groupCountOf(bytes, at) !== 0) return false;
    const news = decodeNodeNews(bytes, at);
    if (news !== undefined) {
      this.#onNews(news);
      return true;
    }
    const acknowledged = decodeNodeReport("acknowledged", bytes, at);
    const telling = acknowledged && decodeNodeTelling(acknowledged);
    if (telling !== undefined) {
      this.#reports.acknowledge(telling);
      return true;
    }
    const facts = decodeGroupFacts(bytes, at);
    if (facts !== undefined) this.#host.facts(facts);
    const site = facts === undefined ? decodeNodeSite(bytes, at) : undefined;
    if (site !== undefined) {
      this.#site = site;
      if (this.#node !== undefined) this.#host.siteChanged(site);
    }
    return facts !== undefined || site !== undefined;
  }

  /** The node has applied changes. */
  installed(n: number, sealed: NodeTelling["sealed"]): void {
    this.#report(this.#reports.installed(n, sealed));
  }

  retired(id: RegionViewId): void {
    this.#report(this.#reports.retired(id));
  }

  inquire(nodes: readonly NodeId[]): void {
    this.#report(this.#reports.inquired(nodes));
  }

  settled(stream: SettledStream): void {
    this.#report(this.#reports.settled(stream));
  }

  #onNews({ node, suspended, expelled, change }: NodeNews): void {
    this.#host.suspended(suspended);
    if (expelled) return this.#onExpelled(node, decodeSettled(change) ?? []);
    if (node === 0) return;
    this.#isAttached = true;
    this.#registrar = undefined;
    if (this.#node === undefined && this.#site !== undefined) {
      this.#node = node;
      this.#host.registered(node, this.#site);
    }
    if (change.length === 0 || this.#node !== node) return;
    const next = decodeChange(change);
    // Told again, or by a daemon that does not keep to the protocol.
    if (next === undefined || next.seq !== this.#seq + 1) return;
    this.#seq = next.seq;
    this.#host.change(next);
  }

  #onExpelled(node: NodeId, settled: readonly SettledStream[]): void {
    if (this.#node === undefined) {
      // A join that was under way when the node was expelled has asked for its place once more, and stood in the way of the next.
      this.#isAttached = false;
      this.register();
    } else if (node === this.#node) {
      this.forsake();
      this.#host.expelled(settled);
    }
  }

  #join(group: string, more: boolean): Outgoing {
    assert(this.#address !== undefined, "a node joins when it can be reached");
    const { host, controlPort, repairPort, dataPort } = this.#address;
    const node = {
      host,
      control: controlPort,
      repair: repairPort,
      data: dataPort,
      ...(this.#node === undefined ? {} : { place: { node: this.#node, seq: this.#seq } }),
      ...(more ? { more } : {}),
    };
    const wanted = this.#groups.get(group);
    assert(wanted !== undefined, "what is joined is wanted");
    const { quality, slow, repairs, order } = wanted;
    const options = { quality, slow, repairs, order, node };
    return this.#request(new Outgoing("join", TypeBit.join, [group], 0, [encodeUtf8(JSON.stringify(options))]));
  }

  #request(request: Outgoing): Outgoing {
    if (this.#requests.length >= this.#requestsMax) {
      this.#requests = this.#requests.filter(({ isFinished }) => !isFinished);
      this.#requestsMax = 2 * this.#requests.length + REQUESTS;
    }
    this.#requests.push(request);
    this.#host.submit(request);
    return request;
  }

  #report(telling: NodeTelling): void {
    const report = new Outgoing("data", TypeBit.agreed, [], NodeFrame.report, [encodeNodeTelling(telling)]);
    this.#host.submit(report);
  }
}
