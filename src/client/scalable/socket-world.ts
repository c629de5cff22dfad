import { networkInterfaces } from "node:os";
import { chooseDatagrams, wantedDatagrams } from "../../host/datagrams.ts";
import type { NativeUdp } from "../../host/native-udp.ts";
import { NodeHost } from "../../host/node-host.ts";
import { NodeReporter } from "../../host/node-reporter.ts";
import { NodeSockets } from "../../host/node-sockets.ts";
import type { Change } from "../../cms/views.ts";
import type { SitePool } from "../../wire/native/node-facts.ts";
import { parseAddress } from "../address.ts";
import type { Dissemination, NodeSeat, NodeWorld, SeatRequest } from "./node-world.ts";

/** Nodes on UDP sockets. */
export const socketWorld: NodeWorld = {
  async seat(request) {
    const host = hostOf(request, ownAddresses());
    const { port } = request;
    const ports = port === undefined ? {} : { controlPort: port, repairPort: port + 1, dataPort: port + 2 };
    const native = await offloading(host);
    return new SocketSeat(
      await NodeSockets.open({ host, native, ...ports }).catch((error: unknown) => explain(error, host, port)),
    );
  },
};

class SocketSeat implements NodeSeat {
  readonly #sockets: NodeSockets;
  #host: NodeHost | undefined;
  #reporter: NodeReporter | undefined;

  constructor(sockets: NodeSockets) {
    this.#sockets = sockets;
  }

  get address() {
    return this.#sockets.address;
  }

  begin(...[setup, dissemination, application]: Parameters<NodeSeat["begin"]>) {
    this.disseminate(dissemination);
    const host = new NodeHost(setup.node, this.#sockets, application, { timely: setup.timely, classes: setup.classes });
    const reporter = new NodeReporter(
      () => host.statistics(),
      (statistics) => application.report(statistics),
    );
    this.#host = host;
    this.#reporter = reporter;
    return {
      node: host.node,
      send: host.send.bind(host),
      sendTimely: host.sendTimely.bind(host),
      isHeldBack: host.isHeldBack.bind(host),
      setTimely: host.setTimely.bind(host),
      setOrdered: host.setOrdered.bind(host),
      timelyStatistics: host.timely.statisticsOf.bind(host.timely),
      apply: (change: Change) => host.apply(change, (error) => application.fault(error)),
      hold: (isHeld: boolean) => host.node.hold(isHeld),
      statistics: () => host.statistics(),
      reportAgain: () => reporter.again(),
    };
  }

  disseminate({ pool, usesMulticast }: Dissemination): void {
    if (pool !== undefined) this.#sockets.joinPool({ ...pool, base: dotted(pool.base) });
    this.#sockets.usesMulticast = usesMulticast;
  }

  async close(): Promise<void> {
    this.#reporter?.stop();
    await (this.#host ?? this.#sockets).close();
  }
}

/** The calls of the offloaded path of datagrams; `undefined`: the portable one. Throws what AMALGAM_DATAGRAMS asks for in vain. */
async function offloading(host: string): Promise<NativeUdp | undefined> {
  const wanted = wantedDatagrams(process.env["AMALGAM_DATAGRAMS"]);
  const { native, because } = await chooseDatagrams(wanted, [host]);
  if (wanted !== "offload" || native !== undefined) return native;
  const message = `AMALGAM_DATAGRAMS is offload, which is not possible here: ${because}`;
  throw Object.assign(new Error(message), { code: "DATAGRAMS" });
}

/** The address at which others are to reach this host. Throws an error that says what to do if it cannot be told. */
export function hostOf({ host, daemons, local }: SeatRequest, own: ReadonlySet<string>): string {
  if (host !== undefined) return host;
  for (const daemon of daemons) {
    const known = hostIn(daemon);
    if (known !== undefined && own.has(known)) return known;
  }
  if (local !== undefined) return local.replace(/^::ffff:(?=\d+\.)/, "");
  throw new RangeError(
    "it is not known at which address other nodes reach this host: say it, as { node: { host } } of connect",
  );
}

function hostIn(daemon: string): string | undefined {
  try {
    const address = parseAddress(daemon);
    return address.kind === "tcp" ? address.host : undefined;
  } catch {
    return undefined;
  }
}

function ownAddresses(): ReadonlySet<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)));
}

function dotted(address: SitePool["base"]): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

function explain(error: unknown, host: string, port: number | undefined): never {
  const { code } = error as NodeJS.ErrnoException;
  const ports = port === undefined ? "" : `, ports ${port} to ${port + 2}`;
  if (code === "EADDRNOTAVAIL") throw new RangeError(`node.host: ${host} is no address of this host`, { cause: error });
  const text = error instanceof Error ? error.message : String(error);
  throw new Error(`a node cannot be made at ${host}${ports}: ${text}`, { cause: error });
}
