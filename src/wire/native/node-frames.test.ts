import { expect, test } from "vitest";
import { TypeBit } from "../spread/codes.ts";
import { encodeFrame } from "../spread/frame.ts";
import { decodeNodeNews, decodeNodeReport, encodeNodeNews, encodeNodeReport } from "./node-frames.ts";

test("what a node is told comes back as it was", () => {
  for (const change of [new Uint8Array(0), Uint8Array.of(1, 2, 3)]) {
    for (const suspended of [true, false]) {
      for (const expelled of [true, false]) {
        const news = { node: 2 ** 45 + 7, suspended, expelled, change };
        expect(decodeNodeNews(encodeNodeNews(news), 0)).toEqual(news);
      }
    }
  }
});

test("other messages tell a node nothing", () => {
  expect(decodeNodeNews(encodeFrame(TypeBit.agreed, "", ["g"], 1, new Uint8Array(20)), 0)).toBeUndefined();
  expect(decodeNodeNews(encodeFrame(TypeBit.agreed, "", [], 2, new Uint8Array(20)), 0)).toBeUndefined();
  expect(decodeNodeNews(encodeFrame(TypeBit.agreed, "", [], 1, new Uint8Array(5)), 0)).toBeUndefined();
});

test("a report is told from its acknowledgement, and from messages to groups", () => {
  const report = Uint8Array.of(4, 5);
  expect(decodeNodeReport("report", encodeNodeReport("report", report), 0)).toEqual(report);
  expect(decodeNodeReport("acknowledged", encodeNodeReport("acknowledged", report), 0)).toEqual(report);
  expect(decodeNodeReport("report", encodeNodeReport("acknowledged", report), 0)).toBeUndefined();
  expect(decodeNodeReport("report", encodeFrame(TypeBit.agreed, "", ["g"], 2, report), 0)).toBeUndefined();
});
