import type { Socket } from "node:dgram";
import { expect, test } from "vitest";
import { BatchSender } from "./batch-sender.ts";

type Call = { readonly cutAt: number; readonly port: number; readonly lengths: number[]; done(error?: Error): void };

/** A socket whose kernel takes what it is given when `take` is called. */
class Kernel {
  readonly calls: Call[] = [];
  readonly told: (readonly [packets: number, code: string | undefined])[] = [];
  readonly sender: BatchSender;
  cutAt = 0;
  taken = 0;
  /** Takes everything at once. */
  isOpen = true;

  constructor(setFails = false) {
    const socket = {
      getSendQueueCount: () => this.calls.length - this.taken,
      send: (bytes: Uint8Array | Uint8Array[], port: number, _address: string, done: (error: Error | null) => void) => {
        const lengths = (Array.isArray(bytes) ? bytes : [bytes]).map(({ length }) => length);
        const { cutAt } = this;
        this.calls.push({ cutAt, port, lengths, done: (error) => done(error ?? null) });
        if (this.isOpen) this.take();
      },
    };
    this.sender = new BatchSender(socket as unknown as Socket, {
      setSegmentBytes: (bytes) => {
        expect(socket.getSendQueueCount()).toBe(0);
        if (setFails) throw Object.assign(new Error("no"), { code: "ENOPROTOOPT" });
        this.cutAt = bytes;
      },
      sent: (packets, error) => this.told.push([packets, (error as NodeJS.ErrnoException | undefined)?.code]),
    });
  }

  take(code?: string): void {
    const call = this.calls[this.taken++];
    call?.done(code === undefined ? undefined : Object.assign(new Error(code), { code }));
  }

  /** What datagrams the kernel makes of each call. */
  datagrams(): number[][] {
    return this.calls.map(({ cutAt, lengths }) => {
      const total = lengths.reduce((sum, length) => sum + length, 0);
      if (cutAt === 0) return [total];
      return Array.from({ length: Math.ceil(total / cutAt) }, (_, i) => Math.min(cutAt, total - i * cutAt));
    });
  }
}

const A = { address: "10.0.0.1", port: 1 };
const B = { address: "10.0.0.2", port: 2 };

test("equally long packets to one place leave in one call, and a shorter one ends it", () => {
  const kernel = new Kernel();
  for (const length of [100, 100, 60, 100, 200, 200]) kernel.sender.send(new Uint8Array(length), A);
  expect(kernel.calls).toEqual([]);
  kernel.sender.flush();
  expect(kernel.calls.map(({ lengths }) => lengths)).toEqual([[100, 100, 60], [100], [200, 200]]);
});

test("every datagram is as long as its packet, whatever follows it", () => {
  const kernel = new Kernel();
  const lengths = [100, 100, 60, 300, 300, 50, 400];
  for (const length of lengths) kernel.sender.send(new Uint8Array(length), A);
  kernel.sender.flush();
  expect(kernel.datagrams().flat()).toEqual(lengths);
});

test("packets that lie one behind the other in memory are one piece", () => {
  const kernel = new Kernel();
  const bytes = new Uint8Array(300);
  for (const at of [0, 100, 200]) kernel.sender.send(bytes.subarray(at, at + 100), A);
  kernel.sender.send(new Uint8Array(100), B);
  kernel.sender.flush();
  expect(kernel.calls.map(({ port, lengths }) => [port, lengths])).toEqual([
    [1, [300]],
    [2, [100]],
  ]);
  expect(kernel.cutAt).toBe(100);
});

test("no call carries more than the kernel and shapers let through", () => {
  const kernel = new Kernel();
  for (let i = 0; i < 100; i++) kernel.sender.send(new Uint8Array(1_400), A);
  for (let i = 0; i < 100; i++) kernel.sender.send(new Uint8Array(10), B);
  kernel.sender.flush();
  for (const made of kernel.datagrams()) {
    expect(made.length).toBeLessThanOrEqual(32);
    expect(made.reduce((sum, length) => sum + length, 0)).toBeLessThan(32_000);
  }
  expect(kernel.datagrams().flat()).toHaveLength(200);
});

test("a batch of another length waits until the kernel has taken what is before it", () => {
  const kernel = new Kernel();
  kernel.isOpen = false;
  for (const length of [100, 100, 200, 200]) kernel.sender.send(new Uint8Array(length), A);
  kernel.sender.flush();
  expect(kernel.calls).toHaveLength(1);
  expect(kernel.sender.waiting).toBe(4);
  kernel.take();
  expect(kernel.sender.waiting).toBe(2);
  expect(kernel.datagrams()).toEqual([
    [100, 100],
    [200, 200],
  ]);
  kernel.take();
  expect(kernel.sender.waiting).toBe(0);
  expect(kernel.told).toEqual([
    [2, undefined],
    [2, undefined],
  ]);
});

test("after a batch that the kernel does not cut every packet is sent by itself", () => {
  const kernel = new Kernel();
  kernel.isOpen = false;
  for (const length of [100, 100]) kernel.sender.send(new Uint8Array(length), A);
  kernel.sender.flush();
  kernel.take("EINVAL");
  kernel.isOpen = true;
  for (const length of [100, 100, 300]) kernel.sender.send(new Uint8Array(length), A);
  kernel.sender.flush();
  expect(kernel.datagrams().slice(1)).toEqual([[100], [100], [300]]);
  expect(kernel.told[0]).toEqual([2, "EINVAL"]);
});

test("a batch that cannot be cut at all is told as not sent, and not sent as one", () => {
  const kernel = new Kernel(true);
  for (const length of [100, 100]) kernel.sender.send(new Uint8Array(length), A);
  kernel.sender.flush();
  kernel.sender.send(new Uint8Array(100), A);
  kernel.sender.flush();
  expect(kernel.told).toEqual([
    [2, "ENOPROTOOPT"],
    [1, undefined],
  ]);
  expect(kernel.datagrams()).toEqual([[100]]);
});
