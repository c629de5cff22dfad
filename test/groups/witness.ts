import { expect } from "vitest";
import { joined } from "../../src/base/joined.ts";
import type { DaemonId } from "../../src/base/ids.ts";
import type { Notice, SessionNumber } from "../../src/groups/outbox.ts";
import { TypeBit } from "../../src/wire/spread/codes.ts";
import { readHeader, senderOf, groupOf } from "../../src/wire/spread/frame.ts";
import { decodeMembership } from "../../src/wire/spread/membership.ts";
import { daemonName, type Node, type Observer } from "./perfect-evs.ts";

/** What one client saw of one group since it joined. */
type GroupLog = { viewId: string; agreed: string[] };

type Client = {
  readonly user: string;
  readonly name: string;
  readonly node: Node;
  readonly groups: Map<string, GroupLog>;
  /** Numbered messages it received, by token and number. */
  readonly received: Set<string>;
  joins: number;
  leaves: number;
  ended: boolean;
};

/** Checks K26–K31 while a history runs; every method throws on a violation. */
export class Witness implements Observer {
  readonly clients = new Map<string, Client>();
  /** Hash of the directory by position in the order of a configuration. */
  readonly #hashes = new Map<string, string>();
  /** Members of every view ever shown, by group and id: no id is used twice (section 0 item 12). */
  readonly #views = new Map<string, string>();
  /** What the members of one virtual-synchrony set delivered before the view, by view and set. */
  readonly #delivered = new Map<string, string>();
  notices = 0;
  deliveries = 0;
  compared = 0;

  outbox(node: Node): ReturnType<Observer["outbox"]> {
    return {
      deliver: (sessions, head, tail) => {
        const frame = joined(head, tail);
        expect(new Set(sessions).size).toBe(sessions.length);
        for (const session of sessions) this.#delivery(this.client(node, session), frame);
      },
      notify: (session, notice) => this.#notice(this.client(node, session), notice),
      ordered: () => {},
      refused: () => {},
      nodeJoins: () => {},
      optionsFixed: () => {},
      scalableChanged: () => {},
      clientEnded: () => {},
      toldDaemon: () => {},
      configured: (primary, daemons) => {
        expect(primary).toBe(node.groups.primary);
        expect(daemons).toBe(node.groups.synchronised.length);
      },
      ended: (session) => {
        const client = this.client(node, session);
        expect(client.ended).toBe(false);
        client.ended = true;
        this.clients.delete(key(node, session));
      },
    };
  }

  /** K26: whoever is at the same position of the same order, operational or in transition, has the same directory. */
  stepped(node: Node, position: string): void {
    const { state, directory } = node.groups;
    if (state !== "GOP" && state !== "GTRANS") return;
    const hash = directory.hash();
    const at = `${state} ${position} ${node.ahead.size}`;
    const known = this.#hashes.get(at);
    if (known === undefined) this.#hashes.set(at, hash);
    else this.compared++;
    if (known !== undefined && known !== hash)
      throw new Error(`K26: directories differ at ${at}\n${directory.snapshot()}`);
  }

  add(node: Node, session: SessionNumber, user: string): Client {
    const client: Client = {
      user,
      name: `#${user}#${daemonName(node.id)}`,
      node,
      groups: new Map(),
      received: new Set(),
      joins: 0,
      leaves: 0,
      ended: false,
    };
    this.clients.set(key(node, session), client);
    return client;
  }

  client(node: Node, session: SessionNumber): Client {
    const client = this.clients.get(key(node, session));
    if (client === undefined) throw new Error(`daemon ${node.id} names session ${session}, which is not there`);
    return client;
  }

  #delivery(client: Client, frame: Uint8Array): void {
    this.deliveries++;
    // K31: not between a regular configuration and the end of the exchange.
    expect(client.node.blocked).toBe(false);
    const { type, groupCount, dataBytes } = readHeader(frame, 0);
    const text = new TextDecoder().decode(frame.subarray(frame.length - dataBytes));
    const [identity, service] = text.split(" ") as [string, string];
    if (client.received.has(identity)) throw new Error(`${client.name} received ${identity} twice`);
    client.received.add(identity);
    const groups = Array.from({ length: groupCount }, (_, n) => groupOf(frame, 0, n));
    const mine = groups.filter((group) => client.groups.has(group));
    // K29: only between its join notice and its leave notice.
    if (mine.length === 0 && !groups.includes(client.name))
      throw new Error(`K29: ${client.name} is in none of ${groups.join(" ")}`);
    // What its sender does not want back says nothing about who was together with whom.
    if (service === "agreed" && (type & TypeBit.selfDiscard) === 0)
      for (const group of mine) client.groups.get(group)?.agreed.push(`${senderOf(frame, 0)} ${text}`);
  }

  #notice(client: Client, notice: Notice): void {
    this.notices++;
    const says = decodeMembership(notice.frame);
    if (says === undefined) throw new Error("a notice is a membership message");
    const { group } = says;
    expect(group).toBe(notice.group);
    expect(client.node.blocked && says.kind !== "view").toBe(false);
    if (says.kind === "selfLeave") {
      if (!client.groups.delete(group)) throw new Error(`K29: ${client.name} leaves ${group} twice`);
      client.leaves++;
      return;
    }
    const id = `${group} ${says.id.leader}.${says.id.time}/${says.id.index}`;
    const log = client.groups.get(group);
    if (says.kind === "transitional") {
      // The signal names the view that ends.
      expect(`${client.name} ${log?.viewId}`).toBe(`${client.name} ${id}`);
      return;
    }
    const isOwnJoin = log === undefined;
    if (isOwnJoin) client.joins++;
    expect(notice.kind).toBe(says.cause);
    this.#checkView(client, says, id);
    const own = says.sets[says.ownSet] ?? [];
    if (says.cause === "network") {
      expect(own).toContain(client.name);
      // K28: members of one set delivered the same agreed messages in the view before.
      if (!isOwnJoin) this.#same(`${id} set ${own.join(" ")}`, log.agreed.join("\n"));
      else expect(own).toEqual([client.name]);
    } else if (says.cause === "join" && isOwnJoin) expect(own).toEqual([client.name]);
    client.groups.set(group, { viewId: id, agreed: [] });
  }

  /** K27: the members are those of the directory; the sets hold each of them once; the id means the same everywhere. */
  #checkView(client: Client, says: Extract<ReturnType<typeof decodeMembership>, { kind: "view" }>, id: string): void {
    const members = client.node.groups.directory.get(says.group)?.members() ?? [];
    expect(says.members).toEqual(members.map((member) => member.name));
    expect(says.members).toContain(client.name);
    if (says.cause === "network") expect(says.sets.flat().sort()).toEqual([...says.members].sort());
    const shown = says.members.join(" ");
    const known = this.#views.get(id);
    if (known !== undefined && known !== shown) throw new Error(`${id} means both ${known} and ${shown}`);
    this.#views.set(id, shown);
  }

  #same(what: string, delivered: string): void {
    const known = this.#delivered.get(what);
    if (known === undefined) this.#delivered.set(what, delivered);
    else {
      this.compared++;
      if (known !== delivered) throw new Error(`K28: ${what}\n${known}\n--\n${delivered}`);
    }
  }
}

function key(node: { readonly id: DaemonId; readonly incarnation: number }, session: SessionNumber): string {
  return `${node.id}.${node.incarnation} ${session}`;
}
