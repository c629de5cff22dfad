import { describe, expect, test } from "vitest";
import { spreadConfigHash, virtualId } from "./hash.ts";

describe("ids and hashes are those of a Spread 5.0.1 daemon", () => {
  test("virtual ids are hashes of names", () => {
    expect(virtualId("localhost")).toBe(482_711_334);
    expect([virtualId("da"), virtualId("db"), virtualId("dc")]).toEqual([0x86f63e38, 0x42b3b6dc, 0xaec48ff4]);
  });

  test("the configuration hash of one local daemon", () => {
    const daemons = [{ name: "localhost", address: "127.0.0.1", id: 482_711_334 }];
    const segments = [{ port: 4911, addresses: ["127.0.0.255"], daemons }];
    expect(spreadConfigHash({ segments, excludeSegmentAddresses: false, acceleratedExplicitly: false })).toBe(
      930_046_480,
    );
  });
});
