import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import type { DaemonId } from "../base/ids.ts";
import type { Channel, Network } from "../machine/network.ts";

/** A daemon as the network sees it. Tokens go to `port + 1`. */
export type UdpPeer = {
  readonly id: DaemonId;
  readonly segment: number;
  readonly address: string;
  readonly port: number;
};

export type UdpOptions = {
  readonly self: UdpPeer;
  /** All other daemons of the site. */
  readonly others: readonly UdpPeer[];
  readonly family: "ipv4" | "ipv6";
  /** Where to listen for datagrams to this daemon alone; by default its own address. */
  readonly bindAddress?: string;
  /** The own segment's group address and port, if it has one. Tokens and membership use `port + 1`. */
  readonly multicast?: { readonly address: string; readonly port: number };
  readonly receiveBufferBytes: number;
};

export const udpDefaults = { receiveBufferBytes: 4 * 1024 * 1024 } as const;

export type UdpCounters = {
  packetsReceived: number;
  bytesReceived: number;
  packetsSent: number;
  bytesSent: number;
  /** Sends that the kernel refused, and the code of the last one. */
  sendErrors: number;
  lastSendError: string | undefined;
  /** Packets not sent because the kernel took nothing more: the protocol repairs them like any loss. */
  sendDropped: number;
};

export type UdpReceive = (channel: Channel, bytes: Uint8Array, fromAddress: string, viaMulticast: boolean) => void;

/** Bytes that may wait in a socket of ours for room in the kernel. */
const SEND_QUEUE_BYTES_MAX = 2 * 1024 * 1024;
const SENDS_PER_QUEUE_CHECK = 32;

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
 * protocol treats them as loss.
 */
export class UdpNetwork implements Network {
  /** Whether `multicast` uses the group address. Has no effect without one. */
  useMulticast = false;
  readonly counters: UdpCounters = {
    packetsReceived: 0,
    bytesReceived: 0,
    packetsSent: 0,
    bytesSent: 0,
    sendErrors: 0,
    lastSendError: undefined,
    sendDropped: 0,
  };
  readonly #options: UdpOptions;
  readonly #receive: UdpReceive;
  readonly #peers: ReadonlyMap<DaemonId, UdpPeer>;
  readonly #segments: ReadonlyMap<number, readonly UdpPeer[]>;
  #sockets: { readonly data: Sender; readonly token: Sender } | undefined;
  #all: Socket[] = [];
  #grantedBytes = 0;
  #multicastFault: string | undefined;

  private constructor(options: UdpOptions, receive: UdpReceive) {
    this.#options = options;
    this.#receive = receive;
    this.#peers = new Map(options.others.map((peer) => [peer.id, peer]));
    const segments = new Map<number, UdpPeer[]>();
    for (const peer of options.others) segments.set(peer.segment, [...(segments.get(peer.segment) ?? []), peer]);
    this.#segments = segments;
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

  unicast(to: DaemonId, channel: Channel, bytes: Uint8Array): void {
    const peer = this.#peers.get(to);
    if (peer !== undefined) this.#toPeer(peer, channel, bytes);
  }

  multicast(segment: number, channel: Channel, bytes: Uint8Array): void {
    if (this.useMulticast && segment === this.#options.self.segment && this.canMulticast) {
      this.toGroup(channel, bytes);
    } else {
      this.toEach(segment, channel, bytes);
    }
  }

  /** To the group address, whatever `useMulticast` says. */
  toGroup(channel: Channel, bytes: Uint8Array): void {
    const group = this.#options.multicast;
    if (group === undefined) return;
    this.#sockets?.[channel].send(bytes, group.port + (channel === "token" ? 1 : 0), group.address);
  }

  /** To each daemon of the segment by itself. */
  toEach(segment: number, channel: Channel, bytes: Uint8Array): void {
    for (const peer of this.#segments.get(segment) ?? []) this.#toPeer(peer, channel, bytes);
  }

  /** To an address that is no daemon's, from the data socket: an answer to a monitor. */
  reply(address: string, port: number, bytes: Uint8Array): void {
    this.#sockets?.data.send(bytes, port, address);
  }

  async close(): Promise<void> {
    const sockets = this.#all;
    this.#all = [];
    this.#sockets = undefined;
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }

  #toPeer(peer: UdpPeer, channel: Channel, bytes: Uint8Array): void {
    this.#sockets?.[channel].send(bytes, channel === "token" ? peer.port + 1 : peer.port, peer.address);
  }

  async #open(): Promise<void> {
    const { self, multicast, bindAddress = self.address } = this.#options;
    const data = await this.#bind("data", self.port, bindAddress, false);
    const token = await this.#bind("token", self.port + 1, bindAddress, false);
    if (multicast !== undefined) {
      try {
        await this.#join("data", multicast.address, multicast.port, data);
        await this.#join("token", multicast.address, multicast.port + 1, token);
      } catch (error) {
        this.#multicastFault = error instanceof Error ? error.message : String(error);
      }
    }
    this.#sockets = { data: new Sender(data, this.counters), token: new Sender(token, this.counters) };
  }

  async #bind(channel: Channel, port: number, address: string, shared: boolean): Promise<Socket> {
    const socket = createSocket({
      type: this.#options.family === "ipv4" ? "udp4" : "udp6",
      reuseAddr: shared,
      lookup: numericLookup,
    });
    this.#all.push(socket);
    const { self } = this.#options;
    socket.on("message", (bytes: Uint8Array, from: RemoteInfo) => {
      // Our own multicast comes back to us where several daemons share a host.
      if (shared && from.port === self.port + (channel === "token" ? 1 : 0) && from.address === self.address) return;
      this.counters.packetsReceived += 1;
      this.counters.bytesReceived += bytes.length;
      this.#receive(channel, bytes, from.address, shared);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ port, address, exclusive: true }, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    // An error later on (an interface that went away) must not end the daemon.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.counters.sendErrors += 1;
      this.counters.lastSendError = error.code ?? error.message;
    });
    this.#growBuffers(socket, channel);
    return socket;
  }

  async #join(channel: Channel, group: string, port: number, sender: Socket): Promise<void> {
    const { self, others, family } = this.#options;
    // Bound to the group's address, it gets nothing but the group's datagrams; others on this host share it.
    const socket = await this.#bind(channel, port, group, true);
    socket.addMembership(group, family === "ipv4" ? self.address : undefined);
    if (family === "ipv4") sender.setMulticastInterface(self.address);
    sender.setMulticastLoopback(others.some((peer) => peer.address === self.address));
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

/** Sends without ever throwing, and without letting an unbounded queue grow before a kernel that takes nothing. */
class Sender {
  readonly #socket: Socket;
  readonly #counters: UdpCounters;
  #untilCheck = SENDS_PER_QUEUE_CHECK;
  #full = false;
  readonly #sent = (error: Error | null): void => {
    if (error === null) return;
    this.#counters.sendErrors += 1;
    this.#counters.lastSendError = (error as NodeJS.ErrnoException).code ?? error.message;
  };

  constructor(socket: Socket, counters: UdpCounters) {
    this.#socket = socket;
    this.#counters = counters;
  }

  send(bytes: Uint8Array, port: number, address: string): void {
    if (this.#full || --this.#untilCheck === 0) {
      this.#untilCheck = SENDS_PER_QUEUE_CHECK;
      this.#full = this.#socket.getSendQueueSize() > SEND_QUEUE_BYTES_MAX;
      if (this.#full) {
        this.#counters.sendDropped += 1;
        return;
      }
    }
    this.#counters.packetsSent += 1;
    this.#counters.bytesSent += bytes.length;
    try {
      this.#socket.send(bytes, port, address, this.#sent);
    } catch (error) {
      // Only when the socket has been closed meanwhile.
      this.#sent(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
