import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answersInOrder } from "./worker-pool.ts";

/** A thread's module, without a file. `task` is what was sent, `answer(value)` sends what it gives back. */
function threadThat(does: string): URL {
  const module = `import { parentPort, threadId } from "node:worker_threads";
    const answer = (value) => parentPort.postMessage(value);
    parentPort.on("message", (task) => { ${does} });`;
  return new URL(`data:text/javascript,${encodeURIComponent(module)}`);
}

const nameOf = (task: { n: number }): string => `task ${task.n}`;

async function listOf<Answer>(answers: AsyncIterable<Answer>): Promise<Answer[]> {
  const list: Answer[] = [];
  for await (const answer of answers) list.push(answer);
  return list;
}

describe("a pool of worker threads", () => {
  test("answers in the order of the tasks, whatever they take and however many threads there are", async () => {
    const worker = threadThat("setTimeout(() => answer(task.n), task.ms)");
    const delays = fc.array(fc.nat(8), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(delays, fc.integer({ min: 1, max: 4 }), async (all, threads) => {
        const tasks = all.map((ms, n) => ({ n, ms }));
        expect(await listOf(answersInOrder({ worker, threads, tasks, nameOf }))).toEqual(tasks.map(({ n }) => n));
      }),
      { numRuns: 10 },
    );
  });

  test("uses all its threads", async () => {
    const worker = threadThat("setTimeout(() => answer(threadId), 1)");
    const tasks = Array.from({ length: 30 }, (_, n) => ({ n }));
    expect(
      new Set(await listOf(answersInOrder<{ n: number }, number>({ worker, threads: 3, tasks, nameOf }))).size,
    ).toBe(3);
  });

  test("is never more than a few tasks ahead of the one that is reported", async () => {
    let taken = 0;
    function* endless() {
      for (;;) yield { n: taken++ };
    }
    const answers = answersInOrder<{ n: number }, number>({
      worker: threadThat("answer(task.n)"),
      threads: 2,
      tasks: endless(),
      nameOf,
    });
    let reported = 0;
    for await (const n of answers) {
      expect(n).toBe(reported++);
      // Time enough for the threads to run away.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(taken - reported).toBeLessThanOrEqual(8);
      if (reported === 100) break;
    }
    expect(reported).toBe(100);
  });

  test.each([
    ["throws", 'throw new Error("a bug")', /^task 5 was not finished: Error: a bug\n {4}at /],
    ["exits", "process.exit(7)", /^task 5 was not finished: Error: the worker thread ended with code 7/],
  ])("names the task at which a thread %s, after the answers before it", async (_, dying, message) => {
    const worker = threadThat(
      `if (task.n === 5) { ${dying} } else setTimeout(() => answer(task.n), task.n === 4 ? 30 : 0)`,
    );
    const tasks = Array.from({ length: 20 }, (_each, n) => ({ n }));
    const answers: unknown[] = [];
    const all = (async () => {
      for await (const answer of answersInOrder({ worker, threads: 3, tasks, nameOf })) answers.push(answer);
    })();
    await expect(all).rejects.toMatchObject({ name: "CliError", exitCode: 1, message: expect.stringMatching(message) });
    expect(answers).toEqual([0, 1, 2, 3, 4]);
  });

  test("names the first task if the module cannot be loaded", async () => {
    const worker = new URL("file:///there/is/no/such.js");
    await expect(listOf(answersInOrder({ worker, threads: 2, tasks: [{ n: 1 }], nameOf }))).rejects.toThrow(
      /^task 1 was not finished: .*such\.js/,
    );
  });

  test("ends its threads, and the answers, when it is told to stop", async () => {
    const stop = new AbortController();
    const worker = threadThat("if (task.n < 2) answer(task.n); else for (;;);");
    const tasks = Array.from({ length: 9 }, (_, n) => ({ n }));
    const seen: unknown[] = [];
    for await (const answer of answersInOrder({ worker, threads: 2, tasks, nameOf, signal: stop.signal })) {
      seen.push(answer);
      if (seen.length === 2) setTimeout(() => stop.abort(), 10);
    }
    expect(seen).toEqual([0, 1]);
    const none = answersInOrder({ worker, threads: 2, tasks, nameOf, signal: stop.signal });
    expect(await listOf(none)).toEqual([]);
  });
});
