import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Feed, FeedScheduler } from "./feed.ts";

/** A feed of items that carry their own identity: [feed, number] and padding. */
function feedOf(id: number, sizes: readonly number[]): Feed {
  let next = 0;
  return {
    pull(itemsMax, bytesMax, out) {
      let bytes = bytesMax;
      for (let items = 0; items < itemsMax && next < sizes.length; items++) {
        const size = sizes[next] as number;
        if (size > bytes) break;
        const item = new Uint8Array(size);
        item.set([id, next]);
        out.push(item);
        bytes -= size;
        next += 1;
      }
      return next < sizes.length;
    },
  };
}

describe("FeedScheduler", () => {
  it("pulls feeds of one class in turn", () => {
    const scheduler = new FeedScheduler(1, () => {});
    scheduler.sink(0).register(feedOf(1, [2, 2, 2]));
    scheduler.sink(0).register(feedOf(2, [2]));
    const out: Uint8Array[] = [];
    expect(scheduler.pull(3, 100, out)).toBe(true);
    expect(out.map((item) => item[0])).toEqual([1, 2, 1]);
  });

  it("pulls an urgent class to its end before the next one", () => {
    const scheduler = new FeedScheduler(2, () => {});
    scheduler.sink(1).register(feedOf(9, [2, 2]));
    scheduler.sink(0).register(feedOf(1, [2, 2]));
    const out: Uint8Array[] = [];
    expect(scheduler.pull(10, 100, out)).toBe(false);
    expect(out.map((item) => item[0])).toEqual([1, 1, 9, 9]);
  });

  it("says once that it has become ready, and again after it was emptied", () => {
    let ready = 0;
    const scheduler = new FeedScheduler(1, () => (ready += 1));
    const feed = feedOf(1, [2]);
    scheduler.sink(0).register(feed);
    scheduler.sink(0).register(feed);
    scheduler.sink(0).register(feedOf(2, [2]));
    expect(ready).toBe(1);
    scheduler.pull(10, 100, []);
    scheduler.sink(0).register(feedOf(3, [2]));
    expect(ready).toBe(2);
  });

  it("sends everything once, in order within a feed, and keeps to both limits of every pull", () => {
    const sizes = fc.array(fc.integer({ min: 2, max: 30 }), { maxLength: 8 });
    const feeds = fc.array(fc.tuple(fc.nat(2), sizes), { maxLength: 6 });
    fc.assert(
      fc.property(feeds, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 30, max: 60 }), (plan, items, bytes) => {
        const scheduler = new FeedScheduler(3, () => {});
        plan.forEach(([feedClass, list], id) => scheduler.sink(feedClass).register(feedOf(id, list)));
        const sent: Uint8Array[] = [];
        for (let more = true, pulls = 0; more; pulls++) {
          const out: Uint8Array[] = [];
          more = scheduler.pull(items, bytes, out);
          expect(out.length).toBeLessThanOrEqual(items);
          expect(out.reduce((sum, item) => sum + item.length, 0)).toBeLessThanOrEqual(bytes);
          expect(pulls).toBeLessThan(100);
          sent.push(...out);
        }
        plan.forEach(([, list], id) => {
          const numbers = sent.filter((item) => item[0] === id).map((item) => item[1]);
          expect(numbers).toEqual(list.map((_, index) => index));
        });
      }),
    );
  });
});
