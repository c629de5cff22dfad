import { expect, test } from "vitest";
import { TypeBit } from "../spread/codes.ts";
import { encodeFrame } from "../spread/frame.ts";
import { decodeNodeNews, encodeNodeNews } from "./node-frames.ts";

test("what a node is told comes back as it was", () => {
  for (const change of [new Uint8Array(0), Uint8Array.of(1, 2, 3)]) {
    for (const suspended of [true, false]) {
      const news = { node: 2 ** 45 + 7, suspended, change };
      expect(decodeNodeNews(encodeNodeNews(news), 0)).toEqual(news);
    }
  }
});

test("other messages tell a node nothing", () => {
  expect(decodeNodeNews(encodeFrame(TypeBit.agreed, "", ["g"], 1, new Uint8Array(20)), 0)).toBeUndefined();
  expect(decodeNodeNews(encodeFrame(TypeBit.agreed, "", [], 2, new Uint8Array(20)), 0)).toBeUndefined();
  expect(decodeNodeNews(encodeFrame(TypeBit.agreed, "", [], 1, new Uint8Array(5)), 0)).toBeUndefined();
});
