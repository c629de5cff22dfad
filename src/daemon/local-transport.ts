import { formatAddress } from "../client/address.ts";
import type { ByteStream, StreamListener, Transport } from "../client/byte-stream.ts";
import { nodeTransport } from "../client/transport.ts";

/** A daemon that clients in its own thread can connect to. */
export interface LocalDaemon {
  /** `undefined` when it takes nobody any more. */
  openLocal(listener: StreamListener): ByteStream | undefined;
}

/**
 * What a client in a daemon's thread connects with: memory where it dials that daemon (`address`, as `port@host`) and it runs, sockets for
 * others, and for whoever is there when it has ended.
 */
export function localTransport(daemon: LocalDaemon, address: string): Transport {
  return {
    ...nodeTransport,
    open: (dialled, listener) => {
      const local = formatAddress(dialled) === address ? daemon.openLocal(listener) : undefined;
      return local ?? nodeTransport.open(dialled, listener);
    },
  };
}
