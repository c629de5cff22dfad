import {
  type Address,
  FAMILY_NAMES,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseAddress,
} from "./address.ts";
import { virtualId } from "./hash.ts";
import type { AddressNode, ConfigFile, DaemonNode, SegmentNode } from "./parser.ts";
import { configError, type Problem, problemAt, type Span } from "./problem.ts";
import {
  type DaemonConfig,
  type InterfaceConfig,
  type LinkConfig,
  type NamedSite,
  type SegmentConfig,
  UNKNOWN_ADDRESS,
} from "./site.ts";
import { Sites } from "./sites.ts";

/**
 * The addresses of a host name, of either family. Empty for one that is unknown, which is an error; `undefined` for one that is not known now
 * and will be looked up again.
 */
export type HostLookup = (name: string) => readonly string[] | undefined;

export type Topology = {
  readonly segments: readonly SegmentConfig[];
  readonly sites: readonly NamedSite[];
  readonly links: readonly LinkConfig[];
  readonly daemons: readonly DaemonConfig[];
  readonly family: "ipv4" | "ipv6";
};

export const DEFAULT_PORT = 4803;

const SEGMENTS_MAX = 20;
const DAEMONS_MAX = 128;
const SEGMENT_ADDRESSES_MAX = 5;
const INTERFACES_MAX = 10;
const NAME_BYTES_MAX = 19;

/** Checks segments and daemons against each other (spread-client-protocol.md 9.4) and completes them. */
export function topologyOf(file: ConfigFile, httpPort: number, lookup: HostLookup, warnings: Problem[]): Topology {
  return new TopologyBuilder(file, httpPort, lookup, warnings).build();
}

class TopologyBuilder {
  readonly #file: ConfigFile;
  readonly #httpPort: number;
  readonly #lookup: HostLookup;
  readonly #warnings: Problem[];
  #family: "ipv4" | "ipv6" | undefined;
  /** What fixed the family, for messages. */
  #familyBecause = "";
  readonly #daemons: DaemonConfig[] = [];

  constructor(file: ConfigFile, httpPort: number, lookup: HostLookup, warnings: Problem[]) {
    this.#file = file;
    this.#httpPort = httpPort;
    this.#lookup = lookup;
    this.#warnings = warnings;
    const version = file.settings.get("ActiveIPVersion");
    if (version !== undefined) {
      this.#family = version.value === "IPv6" ? "ipv6" : "ipv4";
      this.#familyBecause = `ActiveIPVersion is ${FAMILY_NAMES[this.#family]}`;
    }
  }

  build(): Topology {
    const nodes = this.#file.segments;
    if (nodes.length === 0) {
      const remedy = "The smallest file is: Spread_Segment 127.0.0.255:4803 { localhost 127.0.0.1 }";
      throw this.#error(this.#file.end, "the file has no Spread_Segment", remedy);
    }
    const extra = nodes[SEGMENTS_MAX];
    if (extra !== undefined) throw this.#error(extra.at, `there are more than ${SEGMENTS_MAX} segments`);
    const sites = new Sites(this.#file);
    const segments = nodes.map((node, index) => this.#segment(node, index));
    if (this.#daemons.length === 0 && nodes[0] !== undefined) {
      throw this.#error(nodes[0].at, "no segment has a daemon", "Name one between the braces, such as: node1 10.0.0.1");
    }
    const daemons = this.#daemons;
    return { segments, ...sites.with(daemons), daemons, family: this.#family ?? "ipv4" };
  }

  #segment(node: SegmentNode, index: number): SegmentConfig {
    const [first, ...more] = node.addresses as [AddressNode, ...AddressNode[]];
    const excess = node.addresses[SEGMENT_ADDRESSES_MAX];
    if (excess !== undefined) throw this.#error(excess.at, `a segment has at most ${SEGMENT_ADDRESSES_MAX} addresses`);
    const port = first.port === undefined || first.port === 0 ? DEFAULT_PORT : first.port;
    if (port > 65_534 && isMulticast(first.address)) {
      throw this.#error(first.at, `port ${port} leaves none for the token`, "The group uses its port and the next one");
    }
    const site = node.site ?? 0;
    const daemons = node.daemons.map((daemon) => this.#daemon(daemon, index, site, port, first.address.family));
    for (const address of more) {
      if (address.port === undefined) continue;
      throw this.#error(address.at, "only the first address of a segment has a port", "It holds for the others too");
    }
    for (const address of node.addresses) this.#checkSegmentAddress(address, daemons);
    const unused = more[0];
    if (unused !== undefined) this.#warn(unused.at, "only the first address of a segment is used", "Take it out");
    return {
      site,
      address: first.address.text,
      multicast: isMulticast(first.address),
      moreAddresses: more.map((address) => address.address.text),
      port,
      daemons,
    };
  }

  #checkSegmentAddress({ at, address }: AddressNode, daemons: readonly DaemonConfig[]): void {
    this.#checkFamily(at, address);
    if (isUnspecified(address)) throw this.#error(at, "a segment cannot have the unspecified address");
    const local = daemons.every((daemon) => {
      const own = parseAddress(daemon.address);
      return own !== undefined && isLoopback(own);
    });
    const wrong = address.family === "ipv6" ? !isMulticast(address) : isLoopback(address);
    if (wrong && !local) {
      const multicast = address.family === "ipv6" ? "ff02::4803" : "239.192.48.3";
      const remedy = `Use a multicast address such as ${multicast}, or Dissemination = unicast`;
      this.#warn(at, `daemons of other hosts cannot be reached by ${address.text}`, remedy);
    }
  }

  #daemon(
    node: DaemonNode,
    segment: number,
    site: number,
    segmentPort: number,
    family: Address["family"],
  ): DaemonConfig {
    if (this.#daemons.length === DAEMONS_MAX) throw this.#error(node.at, `there are more than ${DAEMONS_MAX} daemons`);
    const { address, at, host, isKnown } = this.#daemonAddress(node, family);
    this.#checkFamily(at, address);
    if (isKnown && (isUnspecified(address) || isMulticast(address))) {
      const what = isMulticast(address) ? "a multicast address" : "the unspecified address";
      throw this.#error(at, `a daemon cannot have ${what}`, "Give the address by which the others reach it");
    }
    if (isKnown && isLinkLocal(address)) {
      const remedy = "Give it a global or unique local one (fd…): the zone behind the % is another one on each host";
      throw this.#error(at, "a daemon cannot have a link-local address", remedy);
    }
    const name = this.#name(node, address);
    const given = node.address?.port ?? node.host?.port;
    const port = given === undefined || given === 0 ? segmentPort : given;
    if (port > 65_534)
      throw this.#error(at, `port ${port} leaves none for the token`, "A daemon uses its port and the next one");
    if (isKnown) this.#checkClash(node, name, address, port);

    const id = node.virtualId?.value ?? virtualId(name);
    const twin = this.#daemons.find((daemon) => daemon.id === id);
    if (twin !== undefined) {
      const span = node.virtualId?.at ?? node.at;
      const remedy = "Set another one: name address VirtualID = number";
      throw this.#error(span, `${name} and ${twin.name} have the same virtual id ${id}`, remedy);
    }
    const neighbours = isKnown ? this.#daemons.filter((daemon) => this.#isSameHost(daemon.address, address)).length : 0;
    if (this.#httpPort > 0 && this.#httpPort + neighbours > 65_535) {
      const message = `HttpPort leaves no port for ${name}: daemons of one host count up from ${this.#httpPort}`;
      throw this.#error(at, message, `At most ${65_535 - neighbours} here`);
    }
    const daemon: DaemonConfig = {
      name,
      id,
      segment,
      site,
      index: this.#daemons.length,
      address: address.text,
      host,
      port,
      httpPort: this.#httpPort === 0 ? undefined : this.#httpPort + neighbours,
      interfaces: isKnown ? this.#interfaces(node, name, address) : [],
    };
    this.#daemons.push(daemon);
    return daemon;
  }

  /** Whether the address is that of a daemon's host, as far as a file tells: each loopback address is this host's. */
  #isSameHost(other: string, address: Address): boolean {
    if (other === address.text) return true;
    const parsed = parseAddress(other);
    return parsed !== undefined && isLoopback(parsed) && isLoopback(address);
  }

  #daemonAddress(
    node: DaemonNode,
    segmentFamily: Address["family"],
  ): { address: Address; at: Span; host: string | undefined; isKnown: boolean } {
    if (node.address !== undefined) {
      return { address: node.address.address, at: node.address.at, host: undefined, isKnown: true };
    }
    const { at } = node.host ?? node.name ?? node;
    const name = hostOf(node) ?? "";
    const answer = this.#lookup(name);
    if (answer === undefined) {
      const remedy = "It is looked up again while the daemon runs; until then nothing is sent there";
      this.#warn(at, `the name ${JSON.stringify(name)} leads nowhere now`, remedy);
      const address = parseAddress(UNKNOWN_ADDRESS[this.#family ?? segmentFamily]) as Address;
      return { address, at, host: name, isKnown: false };
    }
    const found = answer.map(parseAddress).filter((address) => address !== undefined);
    const address = found.find((candidate) => candidate.family === (this.#family ?? candidate.family));
    if (address === undefined) {
      const kind = this.#family === undefined ? "" : `${FAMILY_NAMES[this.#family]} `;
      const instead = node.host === undefined ? `; or the name of its host: ${name} Host = node1.example.org` : "";
      const remedy = `Write the address behind the name: ${node.name?.text || "name"} 10.0.0.1${instead}`;
      throw this.#error(at, `no ${kind}address is known for the name ${JSON.stringify(name)}`, remedy);
    }
    return { address, at, host: name, isKnown: true };
  }

  #name(node: DaemonNode, address: Address): string {
    const at = node.name?.at ?? node.at;
    const full = node.name?.text ?? address.text;
    if (full === "") throw this.#error(at, "a daemon's name cannot be empty");
    // What stands in every private group must be printable there (spread-client-protocol.md 2.4).
    const odd = /[^$-~]/u.exec(full)?.[0];
    if (odd !== undefined) {
      const remedy =
        "Names are made of the ASCII characters from $ to ~: letters, digits, - . _ and others, no blanks and no #";
      throw this.#error(at, `the name ${JSON.stringify(full)} contains ${JSON.stringify(odd)}`, remedy);
    }
    const name = full.slice(0, NAME_BYTES_MAX);
    if (name !== full) this.#warn(at, `names end after ${NAME_BYTES_MAX} characters: this daemon is called ${name}`);
    const twin = this.#daemons.find((daemon) => daemon.name === name);
    if (twin !== undefined)
      throw this.#error(at, `two daemons are called ${name}`, "Names tell daemons apart; change one");
    return name;
  }

  #checkClash(node: DaemonNode, name: string, address: Address, port: number): void {
    for (const other of this.#daemons) {
      if (other.address !== address.text || Math.abs(other.port - port) > 1) continue;
      const at = node.address?.at ?? node.host?.at ?? node.at;
      if (other.port === port) {
        const remedy = `On one address each needs a port of its own: ${name} ${shownWithPort(address, port + 2)}`;
        throw this.#error(at, `${name} and ${other.name} have the same address and port`, remedy);
      }
      const remedy = "A daemon uses its port and the next one: leave at least one port between them";
      throw this.#error(at, `the ports of ${name} and ${other.name} overlap`, remedy);
    }
  }

  #interfaces(node: DaemonNode, name: string, own: Address): InterfaceConfig[] {
    if (node.interfaces === undefined) {
      const anywhere = own.family === "ipv6" ? "::" : "0.0.0.0";
      // A loopback daemon is meant for this host only: its clients' port is not opened to others.
      const clients = isLoopback(own) ? own.text : anywhere;
      return [
        { address: own.text, zone: own.zone, client: clients === own.text, daemon: true, monitor: true },
        ...(clients === own.text
          ? []
          : [{ address: clients, zone: undefined, client: true, daemon: false, monitor: false }]),
      ];
    }
    const excess = node.interfaces[INTERFACES_MAX];
    if (excess !== undefined) throw this.#error(excess.at, `a daemon has at most ${INTERFACES_MAX} interfaces`);
    const interfaces = node.interfaces.map(({ at, address, port, client, daemon, monitor }) => {
      this.#checkFamily(at, address);
      if (port !== undefined) {
        throw this.#error(
          at,
          "an interface has no port of its own",
          `Give ${name} itself a port: ${shownWithPort(own, port)}`,
        );
      }
      return { address: address.text, zone: address.zone, client, daemon, monitor };
    });
    const usable = node.interfaces.some(
      ({ address, daemon }) => daemon && (address.text === own.text || isUnspecified(address)),
    );
    if (!usable) {
      const remedy = `Add D ${own.text} to the list`;
      throw this.#error(node.at, `no interface of ${name} is for other daemons at its address ${own.text}`, remedy);
    }
    return interfaces;
  }

  #checkFamily(at: Span, address: Address): void {
    if (this.#family === undefined) {
      this.#family = address.family;
      this.#familyBecause = `the first daemon has an ${FAMILY_NAMES[address.family]} address`;
    }
    if (address.family === this.#family) return;
    const message = `${address.text} is an ${FAMILY_NAMES[address.family]} address, but ${this.#familyBecause}`;
    throw this.#error(at, message, "All daemons and segments of a site use one family");
  }

  #error(at: Span, message: string, remedy?: string): Error {
    return configError(this.#file.source, at, message, remedy);
  }

  #warn(at: Span, message: string, remedy?: string): void {
    this.#warnings.push(problemAt("warning", this.#file.source, at, message, remedy));
  }
}

/** The name that a daemon's address is looked up by, if the file has no address. */
export function hostOf({ address, host, name }: DaemonNode): string | undefined {
  return address === undefined ? (host?.name ?? name?.text) : undefined;
}

function shownWithPort(address: Address, port: number): string {
  return address.family === "ipv6" ? `[${address.text}]:${port}` : `${address.text}:${port}`;
}
