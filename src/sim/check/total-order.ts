import { serviceRank } from "../../ordering/service.ts";
import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/**
 * K10: there is one order of all agreed and safe messages and of all configurations that the sequence of every
 * process agrees with: the graph of what follows what, over all processes, has no cycle.
 */
export const totalOrder: CheckerFactory = (history, report) => ({
  finish() {
    const names: (number | string)[] = [];
    const numbers = new Map<number | string, number>();
    const after: number[][] = [];
    const incoming: number[] = [];
    const node = (name: number | string): number => {
      let number = numbers.get(name);
      if (number === undefined) {
        number = names.length;
        numbers.set(name, number);
        names.push(name);
        after.push([]);
        incoming.push(0);
      }
      return number;
    };
    const agreed = serviceRank("agreed");
    for (const life of history.lives.values()) {
      let last = -1;
      const follow = (name: number | string): void => {
        const number = node(name);
        if (last !== -1) {
          after[last]?.push(number);
          incoming[number] = (incoming[number] as number) + 1;
        }
        last = number;
      };
      for (const epoch of life.epochs) {
        follow(epoch.configuration.key);
        for (const message of epoch.delivered) if (history.rank(message) >= agreed) follow(message);
      }
    }
    const ready: number[] = [];
    incoming.forEach((count, number) => {
      if (count === 0) ready.push(number);
    });
    let ordered = 0;
    for (let number = ready.pop(); number !== undefined; number = ready.pop()) {
      ordered++;
      for (const next of after[number] as number[]) {
        incoming[next] = (incoming[next] as number) - 1;
        if (incoming[next] === 0) ready.push(next);
      }
    }
    if (ordered === names.length) return;
    const cycle = findCycle(after, incoming).map((number) => {
      const name = names[number] as number | string;
      return typeof name === "number" ? messageName(name) : name;
    });
    report(`no one order fits all: ${cycle.join(" < ")} < ${cycle[0]}`, history.end?.at ?? 0);
  },
});

/** A shortest cycle through some node that is left over when all that can be ordered is. */
function findCycle(after: readonly (readonly number[])[], incoming: readonly number[]): number[] {
  // Going backwards from what is left over ends on a cycle; forwards it may not. So turn the edges round.
  const before: number[][] = after.map(() => []);
  after.forEach((nexts, number) => {
    if (incoming[number] === 0) return;
    for (const next of nexts) if (incoming[next] !== 0) before[next]?.push(number);
  });
  const seen = new Set<number>();
  let number = incoming.findIndex((count) => count !== 0);
  while (!seen.has(number)) {
    seen.add(number);
    number = before[number]?.[0] as number;
  }
  // From here breadth first back to itself, for the shortest one.
  const cameFrom = new Map<number, number>();
  const queue = [number];
  for (let i = 0; i < queue.length; i++) {
    for (const previous of before[queue[i] as number] as number[]) {
      if (previous === number) {
        const cycle = [number];
        for (let at = queue[i] as number; at !== number; at = cameFrom.get(at) as number) cycle.push(at);
        return cycle;
      }
      if (cameFrom.has(previous)) continue;
      cameFrom.set(previous, queue[i] as number);
      queue.push(previous);
    }
  }
  return [number];
}
