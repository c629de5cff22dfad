import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { localConfig, loopbackConfig } from "../daemon/config/index.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import { ChatInputError, parseChatLine } from "./chat-line.ts";
import { judgeDaemon, judgeMtu, judgeMulticast, judgeReceiveBuffer } from "./diagnosis.ts";
import { CliError } from "./exit-codes.ts";
import { hung, shownBytes, shownDuration, table, wrapped } from "./format.ts";
import { framed, messagesOf } from "./framing.ts";
import { summarise } from "./latency.ts";
import { bar } from "./progress.ts";
import { printable } from "./terminal.ts";

describe("chat lines", () => {
  test.each([
    ["", undefined],
    ["hello /you", { kind: "send", groups: [], service: undefined, text: "hello /you" }],
    ["/join room", { kind: "join", group: "room" }],
    ["/leave", { kind: "leave", group: undefined }],
    ["/send -s safe -g a -g b to  all", { kind: "send", groups: ["a", "b"], service: "safe", text: "to  all" }],
    ["/msg #bob#node hi there", { kind: "send", groups: ["#bob#node"], service: undefined, text: "hi there" }],
    ["/service SAFE", { kind: "service", service: "safe" }],
    ["/views  ", { kind: "views" }],
  ])("%j is understood", (line, meaning) => expect(parseChatLine(line)).toEqual(meaning));

  test.each([
    ["/jion room", "there is no /jion; did you mean /join?"],
    ["/join", "write /join GROUP"],
    ["/join two words", "write /join GROUP"],
    ["/send -s saef x", 'there is no service "saef"; did you mean safe?'],
    ["/send -s safe", "write /send [-s SERVICE] [-g GROUP]... TEXT"],
    ["/msg bob hi", "write /msg #USER#DAEMON TEXT"],
  ])("%j is a mistake that is named", (line, message) => {
    expect(() => parseChatLine(line)).toThrow(new ChatInputError(message));
  });

  test("are never anything but understood or a mistake", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseChatLine(`/${text}`);
        } catch (error) {
          expect(error).toBeInstanceOf(ChatInputError);
        }
      }),
    );
  });
});

describe("messages in a pipe", () => {
  async function* chunks(bytes: Uint8Array, sizes: readonly number[]) {
    let at = 0;
    for (let i = 0; at < bytes.length; i++) {
      const size = sizes.length === 0 ? bytes.length : (sizes[i % sizes.length] ?? 1);
      yield bytes.subarray(at, at + size);
      at += size;
    }
  }
  const collect = async (source: AsyncIterable<Uint8Array>) => {
    const all: Uint8Array[] = [];
    for await (const message of source) all.push(message);
    return all;
  };
  const concatenated = (parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

  test("come out as they went in, however the pipe cuts them", async () => {
    const line = fc.uint8Array({ maxLength: 20 }).map((bytes) => bytes.filter((byte) => byte !== 10));
    const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 8 }), sizes, async (messages, cuts) => {
        for (const framing of ["lines", "lengths"] as const) {
          const bytes = concatenated(messages.map((message) => framed(message, framing)));
          expect(await collect(messagesOf(chunks(bytes, cuts), framing, 100))).toEqual(messages);
        }
        const whole = concatenated(messages);
        expect(await collect(messagesOf(chunks(whole, cuts), "whole", 1_000))).toEqual([whole]);
      }),
    );
  });

  test("may lack the last newline, but not the end of a length-delimited message", async () => {
    const text = new TextEncoder().encode("a\nb");
    expect((await collect(messagesOf(chunks(text, []), "lines", 10))).map((m) => new TextDecoder().decode(m))).toEqual([
      "a",
      "b",
    ]);
    const cut = framed(text, "lengths").subarray(0, -1);
    await expect(collect(messagesOf(chunks(cut, []), "lengths", 10))).rejects.toThrow(
      "the input ends in the middle of a message",
    );
    await expect(collect(messagesOf(chunks(new Uint8Array(100), [10]), "lines", 50))).rejects.toThrow(
      "longer than 50 bytes",
    );
  });

  test("may be as long as the limit, and no longer", async () => {
    for (const framing of ["lines", "lengths", "whole"] as const) {
      const piped = (bytes: number) =>
        framing === "whole" ? new Uint8Array(bytes) : framed(new Uint8Array(bytes), framing);
      for (const cuts of [[], [1], [3]]) {
        expect(await collect(messagesOf(chunks(piped(10), cuts), framing, 10))).toHaveLength(1);
        await expect(collect(messagesOf(chunks(piped(11), cuts), framing, 10))).rejects.toThrow(CliError);
      }
    }
  });
});

describe("numbers for people", () => {
  test("have the unit that suits them", () => {
    expect([0.0004, 0.25, 12.345, 250, 15_000, 600_000, 9_000_000, 400_000_000].map(shownDuration)).toEqual([
      "0 us",
      "250 us",
      "12.35 ms",
      "250 ms",
      "15 s",
      "10 min",
      "2 h 30 min",
      "4 days",
    ]);
    expect([0, 999, 1_500, 25_000_000, 3e12].map(shownBytes)).toEqual(["0 B", "999 B", "1.5 kB", "25 MB", "3 TB"]);
    expect(bar(0.5, 4)).toBe("[##..]");
  });

  test("stand to the right in tables", () => {
    expect(
      table([
        ["name", "n"],
        ["a", "1"],
        ["bcdef", "200"],
      ]),
    ).toBe("name     n\na        1\nbcdef  200");
  });

  test("percentiles are samples that occurred", () => {
    expect(summarise([])).toBeUndefined();
    const samples = Array.from({ length: 1_000 }, (_, i) => 1_000 - i);
    expect(summarise(samples)).toMatchObject({
      count: 1_000,
      minMs: 1,
      p50Ms: 500,
      p99Ms: 990,
      p999Ms: 999,
      maxMs: 1_000,
      meanMs: 500.5,
    });
  });

  test("text from outside cannot move the cursor", () => {
    expect(printable("a\x1b[2Jb\tc\n")).toBe("a\\x1b[2Jb\tc\\x0a");
  });

  test("a hung line keeps its words, its start and its width, and styles take no room", () => {
    expect(hung("  a: one two three", 12, 4)).toBe("  a: one two\n    three");
    expect(hung("short", 12, 4)).toBe("short");
    expect(hung("abcdefghijkl", 5, 2)).toBe("abcde\n  fgh\n  ijk\n  l");
    expect(hung("\x1b[36mone two\x1b[39m three", 13, 2)).toBe("\x1b[36mone two\x1b[39m three");
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{1,30}$/), { minLength: 1 }),
        fc.integer({ min: 4, max: 40 }),
        (words, width) => {
          const text = hung(words.join(" "), width, 2);
          expect(text.replaceAll(/\s/g, "")).toBe(words.join(""));
          for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  test("wrapped text keeps its words and width", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 }), (words) => {
        const lines = wrapped(words.join(" "), 20, "  ").split("\n");
        expect(lines.join(" ").trim().split(/\s+/)).toEqual(words);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(20);
      }),
    );
  });
});

describe("the doctor", () => {
  const site = loopbackConfig(["a", "b"]);

  test("finds small receive buffers and what raises them", () => {
    expect(judgeReceiveBuffer(8_388_608).verdict).toBe("ok");
    expect(judgeReceiveBuffer(undefined).verdict).toBe("ok");
    expect(judgeReceiveBuffer(212_992)).toMatchObject({
      verdict: "warning",
      remedy: "sysctl -w net.core.rmem_max=4194304, and in /etc/sysctl.d to keep it",
    });
  });

  test("compares datagrams with the MTU", () => {
    expect(judgeMtu(site, "10.0.0.1", "eth0", 9_000).message).toBe(
      "MTU 9000; the daemons find out how long datagrams may be",
    );
    const own = { ...site, hasOwnDatagramBytes: true };
    expect(judgeMtu(own, "10.0.0.1", "eth0", 1_500).verdict).toBe("ok");
    expect(judgeMtu(own, "10.0.0.1", "eth0", 1_400)).toMatchObject({
      verdict: "warning",
      remedy: expect.stringContaining("1372"),
    });
    expect(judgeMtu(own, "10.0.0.1", "eth0", 9_000)).toMatchObject({
      verdict: "ok",
      remedy: expect.stringContaining("8900"),
    });
  });

  test("takes missing multicast as serious only where the file demands it", () => {
    expect(judgeMulticast(site, "239.1.1.1", true, undefined).verdict).toBe("ok");
    expect(judgeMulticast(site, "239.1.1.1", false, undefined).verdict).toBe("warning");
    expect(judgeMulticast({ ...site, dissemination: "multicast" }, "239.1.1.1", false, "no route")).toMatchObject({
      verdict: "problem",
      message: "no route",
    });
  });

  test("says which daemon does not answer, and which ports it needs", () => {
    const findings = judgeDaemon(
      site,
      { name: "b", address: "4813@127.0.0.1", status: undefined, problem: "refused" },
      0,
      1,
    );
    expect(findings).toMatchObject([
      {
        verdict: "problem",
        message: "no answer at 4813@127.0.0.1: refused",
        remedy: expect.stringContaining("UDP port 4814"),
      },
    ]);
  });

  test("compares files, clocks and views", () => {
    const other = localConfig({ name: "c" });
    const status = {
      name: "a",
      version: "1",
      atMs: 100_000,
      uptimeMs: 5,
      membershipState: "operational",
      site: { hash: other.hash, daemons: other.daemons, receiveBufferBytes: 1_000 },
      configuration: { members: ["a"], absent: ["b"], primary: false },
    } as unknown as DaemonStatus;
    const findings = judgeDaemon(
      site,
      { name: "a", address: "4803@127.0.0.1", status, problem: undefined },
      90_000,
      90_010,
    );
    expect(findings.map(({ verdict }) => verdict)).toEqual(["ok", "problem", "warning", "warning"]);
    expect(findings[1]?.message).toContain("it lacks a 127.0.0.1:4803, b 127.0.0.1:4813; it has c 127.0.0.1:4803");
    expect(findings[2]?.message).toContain("+9995 ms (± 5.00 ms)");
    expect(findings[3]?.message).toBe("it got 1 kB: its window stays below that");
  });
});
