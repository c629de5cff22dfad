import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import type { DaemonId } from "../base/ids.ts";
import type { Channel, Network } from "../machine/network.ts";
import { Kind, packetBytes } from "../wire/prefix.ts";
import { DatagramSender, type Destination, type Segmentation, type SendCounters } from "./datagram-sender.ts";
import type { DatagramChoice } from "./datagrams.ts";

/** A daemon as the network sees it. Tokens go to `port + 1`. */
export type UdpPeer = {
  readonly id: DaemonId;
  readonly segment: number;
  readonly address: string;
  readonly port: number;
};

export type UdpOptions = {
  readonly self: UdpPeer;
  /** All other daemons; `setOthers` changes them. */
  readonly others: readonly UdpPeer[];
  readonly family: "ipv4" | "ipv6";
  /** Where to listen for datagrams to this daemon alone; by default its own address. */
  readonly bindAddress?: string;
  /** The own segment's group address and port, if it has one. Tokens and membership use `port + 1`. */
  readonly multicast?: { readonly address: string; readonly port: number };
  readonly receiveBufferBytes: number;
  /** The path of data between this process and the kernel; tokens take the portable one. */
  readonly datagrams: DatagramChoice;
  /** With the offloaded path: what the ring pads its packets to. */
  readonly segmentBytes: number;
};

export const udpDefaults = {
  receiveBufferBytes: 4 * 1024 * 1024,
  datagrams: { path: "portable", because: "nothing else was asked for", native: undefined },
  segmentBytes: 1400,
} as const;

export type UdpCounters = SendCounters & {
  packetsReceived: number;
  bytesReceived: number;
  /** Reads that brought more than one packet. */
  batchesReceived: number;
};

/** `continues`: the bytes came with those before, in one read. */
export type UdpReceive = (
  channel: Channel,
  bytes: Uint8Array,
  fromAddress: string,
  viaMulticast: boolean,
  continues: boolean,
) => void;

/** Addresses are numbers already: without this, every send would wait for the resolver's next tick. */
const numericLookup = (
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void => callback(null, address, address.includes(":") ? 6 : 4);

/**
 * The datagrams of one daemon: a socket for data and one for tokens and membership (protocols.md J7), and two more at
 * the segment's group where multicast is possible. `multicast` goes to the group while `useMulticast` is set, and
 * otherwise to each daemon. Received bytes belong to the receiver. No send ever throws: failures are counted, the
 * protocol treats them as loss. With the offloaded path data leaves at `flush`, and before any token; a token of the ring leaves in the
 * last datagram of data that has room for it, and who else gets that has to pass over it.
 */
export class UdpNetwork implements Network {
  /** Whether `multicast` uses the group address. Has no effect without one. */
  useMulticast = false;
  readonly counters: UdpCounters = {
    packetsReceived: 0,
    bytesReceived: 0,
    batchesReceived: 0,
    packetsSent: 0,
    bytesSent: 0,
    batchesSent: 0,
    sendErrors: 0,
    lastSendError: undefined,
    sendDropped: 0,
  };
  readonly #options: UdpOptions;
  readonly #receive: UdpReceive;
  #others: readonly UdpPeer[] = [];
  #ownSegment: number;
  #peers: ReadonlyMap<DaemonId, Places> = new Map();
  #segments: ReadonlyMap<number, readonly Places[]> = new Map();
  /** Daemons of the own segment: whoever sends to the group reaches them. */
  #near: ReadonlySet<DaemonId> = new Set();
  readonly #group: Places | undefined;
  #sockets: { readonly data: DatagramSender; readonly token: DatagramSender } | undefined;
  #all: Socket[] = [];
  #grantedBytes = 0;
  #offloadFault: string | undefined;
  #multicastFault: string | undefined;
  readonly #multicastSenders: Socket[] = [];

  private constructor(options: UdpOptions, receive: UdpReceive) {
    this.#options = options;
    this.#receive = receive;
    this.#ownSegment = options.self.segment;
    this.setOthers(options.others);
    const { multicast } = options;
    this.#group = multicast === undefined ? undefined : placesOf(multicast.address, multicast.port);
  }

  /** Binds the sockets. Rejects if a port is taken; a group that cannot be joined is only noted (`multicastFault`). */
  static async open(options: UdpOptions, receive: UdpReceive): Promise<UdpNetwork> {
    const network = new UdpNetwork(options, receive);
    try {
      await network.#open();
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  /** Other daemons, or other addresses of them, from now on; `ownSegment`: segments have other numbers. */
  setOthers(others: readonly UdpPeer[], ownSegment = this.#ownSegment): void {
    this.#others = others;
    this.#ownSegment = ownSegment;
    this.#peers = new Map(others.map((peer) => [peer.id, placesOf(peer.address, peer.port)]));
    const segments = new Map<number, Places[]>();
    for (const { id, segment } of others) {
      segments.set(segment, [...(segments.get(segment) ?? []), this.#peers.get(id) as Places]);
    }
    this.#segments = segments;
    this.#near = new Set(others.filter(({ segment }) => segment === ownSegment).map(({ id }) => id));
    if (this.#multicastSenders.length > 0) this.#loopMulticast();
  }

  /** The receive buffer that the kernel granted for data, in bytes of payload as asked for. */
  get receiveBufferBytes(): number {
    return this.#grantedBytes;
  }

  /** Why the group could not be joined, if it could not. */
  get multicastFault(): string | undefined {
    return this.#multicastFault;
  }

  /** Whether there is a group to send to. */
  get canMulticast(): boolean {
    return this.#options.multicast !== undefined && this.#multicastFault === undefined;
  }

  /** The path that data takes now, and why: the kernel may have refused what it took when it was tried. */
  get datagrams(): Pick<DatagramChoice, "path" | "because"> {
    const { path, because } = this.#options.datagrams;
    return this.#offloadFault === undefined ? { path, because } : { path: "portable", because: this.#offloadFault };
  }

  unicast(to: DaemonId, channel: Channel, bytes: Uint8Array): void {
    const places = this.#peers.get(to);
    if (places === undefined) return;
    if (channel === "token" && bytes[3] === Kind.ringToken && this.#sendWithData(to, places, bytes)) return;
    this.#send(places, channel, bytes);
  }

  multicast(segment: number, channel: Channel, bytes: Uint8Array): void {
    if (this.useMulticast && segment === this.#ownSegment && this.canMulticast) {
      this.toGroup(channel, bytes);
    } else {
      this.toEach(segment, channel, bytes);
    }
  }

  /** To the group address, whatever `useMulticast` says. */
  toGroup(channel: Channel, bytes: Uint8Array): void {
    if (this.#group !== undefined) this.#send(this.#group, channel, bytes);
  }

  /** To each daemon of the segment by itself. */
  toEach(segment: number, channel: Channel, bytes: Uint8Array): void {
    for (const places of this.#segments.get(segment) ?? []) this.#send(places, channel, bytes);
  }

  /** To an address that is no daemon's, from the data socket: an answer to a monitor. */
  reply(address: string, port: number, bytes: Uint8Array): void {
    const data = this.#sockets?.data;
    data?.send(bytes, { address, port });
    data?.flush();
  }

  /** Lets the data leave that was sent since the last time. */
  flush(): void {
    this.#sockets?.data.flush();
  }

  async close(): Promise<void> {
    const sockets = this.#all;
    this.#all = [];
    this.#multicastSenders.length = 0;
    this.#sockets = undefined;
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }

  /** Lets the data leave that goes before a token, with it if there is room. */
  #sendWithData(to: DaemonId, places: Places, token: Uint8Array): boolean {
    const data = this.#sockets?.data;
    if (data === undefined) return false;
    const group = this.#near.has(to) ? this.#group : undefined;
    const isJoined = data.join(token, places.data) || (group !== undefined && data.join(token, group.data));
    data.flush();
    return isJoined;
  }

  #send(places: Places, channel: Channel, bytes: Uint8Array): void {
    if (this.#sockets === undefined) return;
    // The token's receiver looks for what was sent before it.
    if (channel === "token") this.#sockets.data.flush();
    this.#sockets[channel].send(bytes, places[channel]);
  }

  async #open(): Promise<void> {
    const { self, multicast, bindAddress = self.address } = this.#options;
    const { native } = this.#options.datagrams;
    const data = await this.#bind("data", self.port, bindAddress, false);
    const token = await this.#bind("token", self.port + 1, bindAddress, false);
    if (multicast !== undefined) {
      try {
        await this.#join("data", multicast.address, multicast.port, data.socket);
        await this.#join("token", multicast.address, multicast.port + 1, token.socket);
      } catch (error) {
        this.#multicastFault = error instanceof Error ? error.message : String(error);
      }
    }
    const { fd } = data;
    let segmentation: Segmentation | undefined;
    if (native !== undefined && fd !== undefined) {
      const { segmentBytes } = this.#options;
      segmentation = {
        segmentBytes,
        set: (bytes) => native.setSegmentBytes(fd, bytes),
        refused: (code) => {
          this.#offloadFault = `the kernel refused a batch: ${code}`;
        },
      };
    }
    this.#sockets = {
      data: new DatagramSender(data.socket, this.counters, segmentation),
      token: new DatagramSender(token.socket, this.counters, undefined),
    };
  }

  async #bind(channel: Channel, port: number, address: string, shared: boolean): Promise<Bound> {
    const { self, family, datagrams } = this.#options;
    const socket = createSocket({
      type: family === "ipv4" ? "udp4" : "udp6",
      reuseAddr: shared,
      lookup: numericLookup,
    });
    this.#all.push(socket);
    const ownPort = self.port + (channel === "token" ? 1 : 0);
    socket.on("message", (buffer: Buffer, from: RemoteInfo) => {
      // Our own multicast comes back to us where several daemons share a host.
      if (shared && from.port === ownPort && from.address === self.address) return;
      // Of one class with the packets made here, as all that reads them is faster then.
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
      this.counters.bytesReceived += bytes.length;
      this.#split(channel, bytes, from.address, shared);
    });
    // Tokens are few and short, and other control may be longer than a segment.
    const native = channel === "data" ? datagrams.native : undefined;
    let fd: number | undefined;
    if (native === undefined) {
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind({ port, address, exclusive: true }, () => {
          socket.off("error", reject);
          resolve();
        });
      });
    } else {
      fd = native.open(family, address, port, shared);
      try {
        native.coalesce(fd);
        socket.bind({ fd, exclusive: true });
      } catch (error) {
        native.close(fd);
        throw error;
      }
    }
    // An error later on (an interface that went away) must not end the daemon.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.counters.sendErrors += 1;
      this.counters.lastSendError = error.code ?? error.message;
    });
    this.#growBuffers(socket, channel);
    return { socket, fd };
  }

  /** The kernel may have joined packets of one sender: their lengths say where they end. */
  #split(channel: Channel, bytes: Uint8Array, from: string, viaMulticast: boolean): void {
    const first = packetBytes(bytes, 0);
    this.counters.packetsReceived += 1;
    // Also what is none of our packets, and what a peer has damaged.
    if (first === 0 || first >= bytes.length) {
      this.#receive(channel, bytes, from, viaMulticast, false);
      return;
    }
    this.counters.batchesReceived += 1;
    for (let at = 0, length = first; at < bytes.length; at += length) {
      length = packetBytes(bytes, at) || bytes.length - at;
      if (at > 0) this.counters.packetsReceived += 1;
      this.#receive(channel, bytes.subarray(at, at + length), from, viaMulticast, at > 0);
    }
  }

  async #join(channel: Channel, group: string, port: number, sender: Socket): Promise<void> {
    const { self, family } = this.#options;
    // Bound to the group's address, it gets nothing but the group's datagrams; others on this host share it.
    const { socket } = await this.#bind(channel, port, group, true);
    socket.addMembership(group, family === "ipv4" ? self.address : undefined);
    if (family === "ipv4") sender.setMulticastInterface(self.address);
    this.#multicastSenders.push(sender);
    this.#loopMulticast();
  }

  /** Daemons of this host hear the group only if it comes back. */
  #loopMulticast(): void {
    const { address } = this.#options.self;
    const shares = this.#others.some((peer) => peer.address === address);
    for (const sender of this.#multicastSenders) sender.setMulticastLoopback(shares);
  }

  #growBuffers(socket: Socket, channel: Channel): void {
    try {
      socket.setRecvBufferSize(this.#options.receiveBufferBytes);
      socket.setSendBufferSize(this.#options.receiveBufferBytes);
    } catch {
      // The kernel's limit applies; what was granted is asked for below.
    }
    // Linux doubles what is asked for, to account for its own book-keeping.
    const granted = process.platform === "linux" ? socket.getRecvBufferSize() / 2 : socket.getRecvBufferSize();
    if (channel === "data") this.#grantedBytes = Math.min(this.#grantedBytes || granted, granted);
  }
}

type Bound = { readonly socket: Socket; readonly fd: number | undefined };

/** Where a daemon, or the group, receives each class of datagrams. */
type Places = Readonly<Record<Channel, Destination>>;

function placesOf(address: string, port: number): Places {
  return { data: { address, port }, token: { address, port: port + 1 } };
}
