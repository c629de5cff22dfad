import { joined } from "../../src/base/joined.ts";
import type { DaemonId } from "../../src/base/ids.ts";
import type { Service } from "../../src/ordering/service.ts";
import { shownRepairs } from "../../src/wire/timely/repairs.ts";
import { TypeBit, typeOfService } from "../../src/wire/spread/codes.ts";
import { encodeFrame } from "../../src/wire/spread/frame.ts";
import { decodeMembership } from "../../src/wire/spread/membership.ts";
import { type Configuration, clientDelivery, daemonName, type Node, PerfectEvs } from "./perfect-evs.ts";

/** Daemons whose clients' deliveries are written down, one line each; sessions are named by their user. */
export class Town {
  readonly lines: string[] = [];
  /** Ends of clients, as each daemon tells them. */
  readonly ends: string[] = [];
  /** What each daemon was told last of its configuration. */
  readonly configured = new Map<DaemonId, { readonly primary: boolean; readonly daemons: number }>();
  readonly evs: PerfectEvs;
  readonly #users = new Map<string, { daemon: DaemonId; session: number }>();

  constructor(...daemons: DaemonId[]) {
    this.evs = new PerfectEvs({
      outbox: (node) => ({
        deliver: (sessions, head, tail) => {
          const frame = joined(head, tail);
          const text = new TextDecoder().decode(frame.subarray(frame.length - 1));
          this.lines.push(`${sessions.map((session) => this.#user(node.id, session)).join(" ")} < ${text}`);
        },
        notify: (session, notice) => {
          const says = decodeMembership(notice.frame);
          const who = this.#user(node.id, session);
          if (says?.kind === "view") {
            const sets = says.sets.map((set) => `{${set.map(short).join(" ")}}`).join(" ");
            const own = says.ownSet >= 0 ? `, own ${says.ownSet}` : "";
            const id = `${says.id.leader}.${says.id.time}/${says.id.index}`;
            this.lines.push(
              `${who} ${notice.group} ${notice.kind} ${id}${notice.primary ? "*" : ""}: ${says.members.map(short).join(" ")} | ${sets}${own}`,
            );
          } else if (says?.kind === "transitional") {
            this.lines.push(`${who} ${notice.group} transitional ${says.id.leader}.${says.id.time}/${says.id.index}`);
          } else this.lines.push(`${who} ${notice.group} ${notice.kind}`);
        },
        ordered: (session, number, duplicate) =>
          this.lines.push(`${this.#user(node.id, session)} ordered ${number}${duplicate ? " again" : ""}`),
        refused: (session, number, group, why) =>
          this.lines.push(`${this.#user(node.id, session)} refused ${number} ${group}: ${why}`),
        configured: (primary, daemons) => {
          this.configured.set(node.id, { primary, daemons });
        },
        ended: (session) => this.lines.push(`${this.#user(node.id, session)} ended`),
        nodeJoins: (session, { address }) => this.lines.push(`${this.#user(node.id, session)} is node ${address.host}`),
        optionsFixed: (session, group, { slow, repairs }) => {
          const facts = [slow, repairs && shownRepairs(repairs)].filter((fact) => fact !== undefined);
          this.lines.push(`${this.#user(node.id, session)} is told that ${group} is ${facts.join(", ")}`);
        },
        scalableChanged: (daemon, user, group, joined) =>
          this.lines.push(`at ${node.id}: ${user}@${daemon} ${joined ? "in" : "out of"} ${group}`),
        clientEnded: (daemon, user) => this.ends.push(`at ${node.id}: ${user}@${daemon}`),
        toldDaemon: (session, frame) =>
          this.lines.push(`${this.#user(node.id, session)} tells its daemon ${frame.length} bytes`),
      }),
      stepped: () => {},
    });
    for (const id of daemons) this.evs.start(id);
  }

  node(id: DaemonId): Node {
    return this.evs.nodes.get(id) as Node;
  }

  client(user: string, daemon: DaemonId): void {
    const session = this.#users.size + 1;
    this.#users.set(user, { daemon, session });
    this.node(daemon).groups.attach(user, session);
  }

  request(
    user: string,
    bit: number,
    groups: readonly string[],
    options: { service?: Service; data?: string; numbered?: { token: Uint8Array; number: number }; bits?: number } = {},
  ): void {
    const { daemon, session } = this.#users.get(user) as { daemon: DaemonId; session: number };
    const { service = "agreed", data = "", bits = 0 } = options;
    const bytes = new TextEncoder().encode(data);
    const frame = encodeFrame(bit | bits, `#${user}#${daemonName(daemon)}`, groups, 0, bytes);
    this.node(daemon).submit(clientDelivery(daemon, session, service, frame, options.numbered));
  }

  join(user: string, group: string): void {
    this.request(user, TypeBit.join, [group]);
  }

  leave(user: string, group: string): void {
    this.request(user, TypeBit.leave, [group]);
  }

  kill(user: string): void {
    this.request(user, TypeBit.kill, []);
  }

  send(user: string, groups: readonly string[], data: string, service: Service = "agreed"): void {
    this.request(user, typeOfService(service), groups, { data, service });
  }

  /** The configuration in force of which the daemon is a member. */
  configuration(daemon: DaemonId): Configuration {
    return this.evs.current.find((configuration) => configuration.members.includes(daemon)) as Configuration;
  }

  /** Lets everything happen that is due; what clients saw of it. */
  seen(): string[] {
    this.evs.settle();
    return this.lines.splice(0);
  }

  #user(daemon: DaemonId, session: number): string {
    for (const [user, at] of this.#users) if (at.daemon === daemon && at.session === session) return user;
    return `?${session}`;
  }
}

const short = (name: string) => name.slice(1, name.indexOf("#", 1));

/** Four daemons in one configuration, with x@1, y@2, z@3 in group g. */
export function town(): Town {
  const town = new Town(1, 2, 3, 4);
  town.evs.merge([1, 2, 3, 4]);
  town.seen();
  for (const [user, daemon] of [
    ["x", 1],
    ["y", 2],
    ["z", 3],
  ] as const) {
    town.client(user, daemon);
    town.join(user, "g");
  }
  town.seen();
  return town;
}
