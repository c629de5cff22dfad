import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import type { NodeAddress } from "../cms/views.ts";
import type { NodeChannel } from "../qsm/outbox.ts";
import { BatchSender } from "./batch-sender.ts";
import type { Destination } from "./datagram-sender.ts";
import type { NativeUdp } from "./native-udp.ts";

/** The multicast addresses of regions: `base` and those that follow it, all with one port. */
export type MulticastPool = {
  /** The first address, IPv4. */
  readonly base: string;
  /** How many there are. The membership service gives out indexes below it. */
  readonly size: number;
  readonly port: number;
  /** How many routers a datagram may pass, and one: 1 stays on the own network. */
  readonly ttl: number;
};

export type NodeSocketsOptions = {
  /** The address at which this host is reached by the others; a number, not a name. Multicast uses its interface. */
  readonly host: string;
  /** 0: the system chooses. */
  readonly controlPort: number;
  readonly repairPort: number;
  readonly dataPort: number;
  /** Without it there is no multicast: who multicasts sends to each member. */
  readonly multicast: MulticastPool | undefined;
  /** Of the kernel, for each socket; it may grant less. */
  readonly receiveBufferBytes: number;
  /** Datagrams that the kernel has refused and that wait for it, at most so many before nothing more is sent (protocols.md A53). */
  readonly outstandingMax: number;
  /** With it data passes to and from the kernel many datagrams at a time (docs/adr/0010-offloaded-datagrams.md). */
  readonly native: NativeUdp | undefined;
};

export const nodeSocketsDefaults: Omit<NodeSocketsOptions, "host"> = {
  controlPort: 0,
  repairPort: 0,
  dataPort: 0,
  multicast: undefined,
  receiveBufferBytes: 4 * 1024 * 1024,
  outstandingMax: 500,
  native: undefined,
};

export type NodeSocketsCounters = {
  packetsReceived: number;
  bytesReceived: number;
  packetsSent: number;
  bytesSent: number;
  /** Sends that the kernel refused for good, and regions that could not be listened to; the code of the last one. */
  errors: number;
  lastError: string | undefined;
  /** Control datagrams that were not sent because too many waited: they are repeated like any that is lost. */
  controlDropped: number;
};

/** Datagrams for a node: one, or several that came one behind the other. The bytes belong to who is given them. */
export type NodeReceive = (channel: NodeChannel, bytes: Uint8Array) => void;

/** What carries the datagrams of a node. `NodeSockets` is the real one. */
export interface NodeNetwork {
  readonly address: NodeAddress;
  readonly canMulticast: boolean;
  /** The smallest receive buffer that the kernel granted, in bytes as asked for. */
  readonly receiveBufferBytes: number;
  /** Datagrams that it could not send, or did not because too many waited. */
  readonly unsent: number;
  /** Datagrams of data and repairs that it takes now. While that is 0 it owes a call of `onRoom`. */
  readonly room: number;
  /** Whether a socket has given all data that it gives at once since the last `flush`: it may hold more. */
  readonly isBehind: boolean;
  /** The end of a turn: what was sent leaves now at the latest. */
  flush(): void;
  /** To be called once, before anything else. */
  start(receive: NodeReceive, onRoom: () => void): void;
  unicast(to: NodeAddress, channel: NodeChannel, bytes: Uint8Array): void;
  multicast(index: number, bytes: Uint8Array): void;
  /** Another node is on this host: multicasts have to come back for it. */
  loopBack(): void;
  /** From the return of this on, datagrams to the region's address are received. */
  listen(index: number): void;
  unlisten(index: number): void;
  close(): Promise<void>;
}

/** As many datagrams as one poll of a socket gives at most (libuv). */
const POLL_MAX = 32;

/** Counts what a socket gives in one turn. */
class PollCount {
  #turn = 0;
  #count = 0;

  /** It gives one more: whether that is as many as it gives at once. */
  isAll(turn: number): boolean {
    if (turn !== this.#turn) this.#count = 0;
    this.#turn = turn;
    this.#count++;
    return this.#count >= POLL_MAX;
  }
}

/** Addresses are numbers already: without this, every send would wait for the resolver's next tick. */
const numericLookup = (
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void => callback(null, address, address.includes(":") ? 6 : 4);

/**
 * The sockets of one node: one for each class of datagrams (protocols.md J7), so that a flood of data cannot push tokens out of the
 * kernel's buffer, and one for each region address that it listens to. No send throws: failures are counted, and the protocol
 * treats them as loss.
 *
 * Send buffers stay as small as the kernel makes them. On a link that is slower than we are, everything waits behind what they hold, tokens
 * too; back-pressure comes the sooner the smaller they are.
 *
 * DSCP: Node has no call for it. Where the network tells classes apart, the packet filter of the host can mark them by their ports: each
 * class has its own.
 */
export class NodeSockets implements NodeNetwork {
  readonly address: NodeAddress;
  readonly counters: NodeSocketsCounters = {
    packetsReceived: 0,
    bytesReceived: 0,
    packetsSent: 0,
    bytesSent: 0,
    errors: 0,
    lastError: undefined,
    controlDropped: 0,
  };
  readonly #options: NodeSocketsOptions;
  readonly #sockets: Readonly<Record<NodeChannel, Socket>>;
  /** Whether to send to the pool, if there is one. */
  usesMulticast = true;
  #pool: MulticastPool | undefined;
  readonly #regions = new Map<number, Socket>();
  readonly #groups = new Map<number, Destination>();
  /** Where nodes receive data. */
  readonly #nodes = new WeakMap<NodeAddress, Destination>();
  /** With the offloaded path. */
  readonly #batches: BatchSender | undefined;
  /** Of this turn, behind its data: who is killed in between has not repaired what it has not sent. */
  #repairs: { readonly to: NodeAddress; readonly bytes: Uint8Array }[] = [];
  #receive: NodeReceive = () => {};
  #onRoom: () => void = () => {};
  #isFull = false;
  /** Counts turns, to count what each socket gives in one. */
  #turn = 0;
  #isBehind = false;
  #isClosed = false;
  readonly #sent = (error: Error | null): void => {
    if (error !== null) this.#fault(error);
    if (!this.#isFull || this.#outstanding > this.#options.outstandingMax / 2) return;
    this.#isFull = false;
    this.#onRoom();
  };

  private constructor(
    options: NodeSocketsOptions,
    sockets: Readonly<Record<NodeChannel, Socket>>,
    dataFd: number | undefined,
  ) {
    this.#options = options;
    this.#sockets = sockets;
    const { native } = options;
    if (native !== undefined && dataFd !== undefined) {
      this.#batches = new BatchSender(sockets.data, {
        setSegmentBytes: (bytes) => native.setSegmentBytes(dataFd, bytes),
        sent: (_packets, error) => this.#sent(error ?? null),
      });
    }
    this.address = {
      host: options.host,
      controlPort: sockets.control.address().port,
      repairPort: sockets.repair.address().port,
      dataPort: sockets.data.address().port,
    };
    for (const channel of ["control", "repair", "data"] as const) {
      const given = new PollCount();
      sockets[channel].on("message", (bytes: Uint8Array) => {
        if (channel === "data") this.#isBehind ||= given.isAll(this.#turn);
        this.#onMessage(channel, bytes);
      });
      this.#setUp(sockets[channel]);
    }
    if (options.multicast !== undefined) this.joinPool(options.multicast);
  }

  /**
   * Regions' addresses are taken from this pool from now on; to be called before the first of them is listened to. Throws a `RangeError` if
   * there are no such addresses.
   */
  joinPool(pool: MulticastPool): void {
    checkPool(pool);
    if (this.#pool !== undefined || this.#isClosed) return;
    this.#pool = pool;
    const { data } = this.#sockets;
    try {
      data.setMulticastInterface(this.#options.host);
      data.setMulticastTTL(pool.ttl);
      data.setMulticastLoopback(false);
    } catch (error) {
      this.#fault(error as Error);
    }
  }

  /** Binds the three sockets. Rejects if a port is taken, or the host is none of this machine's addresses. */
  static async open(options: Partial<NodeSocketsOptions> & { readonly host: string }): Promise<NodeSockets> {
    const complete = { ...nodeSocketsDefaults, ...options };
    checkPool(complete.multicast);
    const opened: Socket[] = [];
    const { host, native } = complete;
    const open = async (port: number): Promise<Socket> => {
      const socket = newSocket(host, false);
      opened.push(socket);
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind({ port, address: host, exclusive: true }, () => {
          socket.off("error", reject);
          resolve();
        });
      });
      return socket;
    };
    try {
      const { controlPort, repairPort, dataPort } = complete;
      const control = await open(controlPort);
      const repair = await open(repairPort);
      if (native === undefined)
        return new NodeSockets(complete, { control, repair, data: await open(dataPort) }, undefined);
      const data = newSocket(host, false);
      opened.push(data);
      const fd = bindNative(native, data, host, dataPort, false);
      return new NodeSockets(complete, { control, repair, data }, fd);
    } catch (error) {
      for (const socket of opened) socket.close();
      throw error;
    }
  }

  get receiveBufferBytes(): number {
    if (this.#isClosed) return 0;
    const sockets = [...Object.values(this.#sockets), ...this.#regions.values()];
    // Linux doubles what is asked for, to account for its own book-keeping.
    const share = process.platform === "linux" ? 0.5 : 1;
    return Math.min(...sockets.map((socket) => socket.getRecvBufferSize() * share));
  }

  get unsent(): number {
    return this.counters.errors + this.counters.controlDropped;
  }

  get canMulticast(): boolean {
    return this.#pool !== undefined && this.usesMulticast;
  }

  get room(): number {
    if (this.#isFull) return 0;
    const room = this.#options.outstandingMax - this.#outstanding;
    this.#isFull = room <= 0;
    return Math.max(0, room);
  }

  get isBehind(): boolean {
    return this.#isBehind;
  }

  start(receive: NodeReceive, onRoom: () => void): void {
    this.#receive = receive;
    this.#onRoom = onRoom;
  }

  unicast(to: NodeAddress, channel: NodeChannel, bytes: Uint8Array): void {
    if (channel === "data") return this.#sendData(bytes, this.#placeOf(to));
    if (channel === "repair") return void this.#repairs.push({ to, bytes });
    if (this.#sockets.control.getSendQueueCount() >= this.#options.outstandingMax) this.counters.controlDropped += 1;
    else this.#send("control", bytes, to.controlPort, to.host);
  }

  multicast(index: number, bytes: Uint8Array): void {
    const pool = this.#pool;
    if (pool !== undefined) this.#sendData(bytes, this.#groupOf(index, pool));
  }

  flush(): void {
    this.#turn++;
    this.#isBehind = false;
    if (!this.#isClosed) this.#batches?.flush();
    const repairs = this.#repairs;
    if (repairs.length === 0) return;
    this.#repairs = [];
    for (const { to, bytes } of repairs) this.#send("repair", bytes, to.repairPort, to.host);
  }

  loopBack(): void {
    if (this.#pool !== undefined && !this.#isClosed) this.#sockets.data.setMulticastLoopback(true);
  }

  listen(index: number): void {
    const pool = this.#pool;
    if (pool === undefined || this.#isClosed || this.#regions.has(index)) return;
    const { host, native } = this.#options;
    const group = this.#groupOf(index, pool).address;
    // Other nodes of this machine may listen to the same region.
    const socket = newSocket(host, true);
    const { dataPort } = this.address;
    const given = new PollCount();
    socket.on("message", (bytes: Uint8Array, from: RemoteInfo) => {
      this.#isBehind ||= given.isAll(this.#turn);
      // Our own multicasts, which come back for the sake of other nodes of this machine.
      if (from.port !== dataPort || from.address !== host) this.#onMessage("data", bytes);
    });
    socket.on("error", this.#fault);
    this.#regions.set(index, socket);
    try {
      // Bound to the group's address, it gets nothing but the group's datagrams. Numeric addresses are bound to at once.
      if (native === undefined) socket.bind({ port: pool.port, address: group, exclusive: true });
      else bindNative(native, socket, group, pool.port, true);
      socket.addMembership(group, host);
      this.#grow(socket);
    } catch (error) {
      this.#fault(error as Error);
    }
  }

  unlisten(index: number): void {
    this.#regions.get(index)?.close();
    this.#regions.delete(index);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const sockets = [...Object.values(this.#sockets), ...this.#regions.values()];
    this.#regions.clear();
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }

  get #outstanding(): number {
    if (this.#isClosed) return 0;
    const data = this.#batches?.waiting ?? this.#sockets.data.getSendQueueCount();
    return data + this.#sockets.repair.getSendQueueCount();
  }

  #groupOf(index: number, pool: MulticastPool): Destination {
    let group = this.#groups.get(index);
    if (group === undefined) this.#groups.set(index, (group = { address: poolAddress(pool, index), port: pool.port }));
    return group;
  }

  #placeOf(to: NodeAddress): Destination {
    let place = this.#nodes.get(to);
    if (place === undefined) this.#nodes.set(to, (place = { address: to.host, port: to.dataPort }));
    return place;
  }

  #sendData(bytes: Uint8Array, to: Destination): void {
    if (this.#batches === undefined) return this.#send("data", bytes, to.port, to.address);
    this.counters.packetsSent += 1;
    this.counters.bytesSent += bytes.length;
    this.#batches.send(bytes, to);
  }

  #send(channel: NodeChannel, bytes: Uint8Array, port: number, host: string): void {
    this.counters.packetsSent += 1;
    this.counters.bytesSent += bytes.length;
    try {
      this.#sockets[channel].send(bytes, port, host, this.#sent);
    } catch (error) {
      // Closed meanwhile, or an address of another family.
      this.#fault(error as Error);
    }
  }

  #onMessage(channel: NodeChannel, bytes: Uint8Array): void {
    this.counters.packetsReceived += 1;
    this.counters.bytesReceived += bytes.length;
    this.#receive(channel, bytes);
  }

  #setUp(socket: Socket): void {
    // An error later on (an interface that went away) must not end the process.
    socket.on("error", this.#fault);
    this.#grow(socket);
  }

  #grow(socket: Socket): void {
    try {
      socket.setRecvBufferSize(this.#options.receiveBufferBytes);
    } catch {
      // The kernel's limit applies; `receiveBufferBytes` tells.
    }
  }

  readonly #fault = (error: NodeJS.ErrnoException): void => {
    this.counters.errors += 1;
    this.counters.lastError = error.code ?? error.message;
  };
}

function newSocket(host: string, reuseAddr: boolean): Socket {
  return createSocket({ type: host.includes(":") ? "udp6" : "udp4", reuseAddr, lookup: numericLookup });
}

/** Binds a socket of Node's to a number, with runs of datagrams received as one; returns its descriptor. Throws what `bind` says. */
function bindNative(native: NativeUdp, socket: Socket, address: string, port: number, shared: boolean): number {
  const fd = native.open(address.includes(":") ? "ipv6" : "ipv4", address, port, shared);
  try {
    native.coalesce(fd);
    socket.bind({ fd, exclusive: true });
  } catch (error) {
    native.close(fd);
    throw error;
  }
  return fd;
}

/** The address of a pool with this index; throws a `RangeError` beyond its end. */
export function poolAddress({ base, size }: MulticastPool, index: number): string {
  if (index < 0 || index >= size) throw new RangeError(`the pool of multicast addresses ends before index ${index}`);
  const number = numberOf(base) + index;
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join(".");
}

function numberOf(address: string): number {
  return address.split(".").reduce((number, byte) => number * 256 + Number(byte), 0);
}

function checkPool(pool: MulticastPool | undefined): void {
  if (pool === undefined) return;
  const { base, size, port } = pool;
  const first = numberOf(base);
  const isIpv4 = /^\d{1,3}(\.\d{1,3}){3}$/.test(base);
  if (!isIpv4 || first < 0xe000_0000 || first + size > 0xf000_0000 || size < 1) {
    throw new RangeError(
      `${size} addresses from ${base} on are no multicast addresses of IPv4 (224.0.0.0 … 239.255.255.255)`,
    );
  }
  if (port < 1 || port > 0xffff) throw new RangeError(`the port of the multicast pool is 1 … 65535, not ${port}`);
}
