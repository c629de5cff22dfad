import fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import type { ViewCause } from "../wire/spread/membership.ts";
import { FlushGroup } from "./flush-group.ts";
import { type Membership, viewKey } from "./membership.ts";

/** What a component of daemons orders. Weak messages may overtake others, but not those of their sender. */
type Item =
  | { readonly kind: "data"; readonly sender: string; readonly weak: boolean; readonly deliver: (to: Member) => void }
  | {
      readonly kind: "view";
      readonly cause: ViewCause;
      readonly members: string[];
      readonly changed?: string;
      readonly sets: string[][];
      readonly index: number;
    }
  | { readonly kind: "transitional" };

/** One stretch of the total order, between two changes of the network. */
type Component = { log: Item[]; members: string[] };

type Installed = { readonly key: string; readonly survivors: readonly string[]; readonly delivered: Set<number> };

class Member {
  readonly name: string;
  readonly group: FlushGroup<number>;
  readonly views: Installed[] = [];
  /** Where it reads: it finishes one component before it goes on to the next. */
  segments: Component[];
  position = 0;
  overtaken = new Set<Item>();
  transitionals = 0;

  constructor(name: string, world: World, component: Component, position: number) {
    this.name = name;
    this.segments = [component];
    this.position = position;
    this.group = new FlushGroup<number>(
      {
        vote: (kind, id) =>
          world.order(this, true, (to) => {
            to.group.vote(kind, name, id);
          }),
        flushRequest: () => {},
        view: (view, _cause, survivors) => {
          this.transitionals = 0;
          this.views.push({ key: viewKey(view.id), survivors, delivered: new Set() });
        },
        transitional: () => {
          this.transitionals++;
          expect(this.transitionals).toBe(1);
        },
        message: (number) => {
          expect(world.sentIn.get(number)).toBe(this.view);
          const { delivered } = this.views.at(-1) as Installed;
          expect(delivered.has(number)).toBe(false);
          delivered.add(number);
        },
        lost: () => {
          throw new Error("nothing is lost");
        },
      },
      false,
    );
  }

  get view(): string | undefined {
    return this.views.at(-1)?.key;
  }

  get component(): Component {
    return this.segments.at(-1) as Component;
  }
}

/** How often chance takes each action, at most. */
const WEIGHTS = { join: 4, end: 2, split: 2, merge: 2, send: 40, flush: 20, overtake: 60, deliver: 40 } as const;
type Action = keyof typeof WEIGHTS;

/** Daemons with a perfect EVS underneath, members that do as chance says. */
class World {
  readonly random: Random;
  readonly everyone: Member[] = [];
  readonly sentIn = new Map<number, string | undefined>();
  readonly sentBy = new Map<number, Member>();
  readonly alive = new Map<string, Member>();
  components: Component[] = [{ log: [], members: [] }];
  readonly #deck: Action[] = [];
  #names = 0;
  #views = 0;
  #messages = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
    // Each world has habits of its own: some never split, in some hardly anything comes in order.
    for (const [action, most] of Object.entries(WEIGHTS)) {
      const count = this.random.integer(action === "deliver" ? 5 : 0, most);
      for (let i = 0; i < count; i++) this.#deck.push(action as Action);
    }
    this.#deck.push("deliver");
  }

  step(): void {
    const members = [...this.alive.values()];
    const action = members.length === 0 ? "join" : this.random.pick(this.#deck);
    const member = this.random.pick(members);
    switch (action) {
      case "join":
        return members.length < 7 ? this.#join() : undefined;
      case "end":
        return this.#end(member, this.random.chance(0.5) ? "leave" : "disconnect");
      case "split":
        return this.#split();
      case "merge":
        return this.#merge();
      case "send":
        return this.#send(member);
      case "flush":
        return void member.group.flush();
      case "overtake":
        return this.#overtake(member);
      case "deliver":
        return void this.#deliver(member);
    }
  }

  /** Everything is delivered and flushed. */
  settle(): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (const member of this.alive.values()) {
        while (this.#deliver(member)) busy = true;
        busy = member.group.flush() || busy;
      }
    }
  }

  order(sender: Member, weak: boolean, deliver: (to: Member) => void): void {
    if (this.alive.get(sender.name) !== sender) return;
    sender.component.log.push({ kind: "data", sender: sender.name, weak, deliver });
  }

  #send(sender: Member): void {
    const weak = this.random.chance(0.5);
    const mode = sender.group.sendMode(weak);
    if (mode.kind === "blocked") return;
    const number = ++this.#messages;
    this.sentIn.set(number, sender.view);
    this.sentBy.set(number, sender);
    const vulnerableIn = mode.kind === "vulnerable" ? mode.id : undefined;
    this.order(sender, weak, (to) => to.group.message(sender.name, number, vulnerableIn));
  }

  #join(): void {
    const name = `m${++this.#names}`;
    const component = this.random.pick(this.components);
    const member = new Member(name, this, component, component.log.length);
    this.everyone.push(member);
    this.alive.set(name, member);
    component.members.push(name);
    this.#view(component, "join", [[name]], name);
  }

  #end(member: Member, cause: "leave" | "disconnect"): void {
    const { component, name } = member;
    this.alive.delete(name);
    component.members = component.members.filter((other) => other !== name);
    if (component.members.length > 0) this.#view(component, cause, [[name]], name);
  }

  #view(component: Component, cause: ViewCause, sets: string[][], changed?: string): void {
    const members = [...component.members];
    const item = { kind: "view" as const, cause, members, sets, index: ++this.#views };
    component.log.push(changed === undefined ? item : { ...item, changed });
  }

  #split(): void {
    const old = this.random.pick(this.components);
    if (old.members.length < 2) return;
    const names = this.random.shuffle([...old.members]);
    const cut = this.random.integer(1, names.length - 1);
    this.components = this.components.filter((component) => component !== old);
    for (const side of [names.slice(0, cut), names.slice(cut)]) {
      const members = side.map((name) => this.alive.get(name) as Member);
      const component: Component = { log: this.#agreedPart(old, members), members: side };
      const lost = new Set(old.log.slice(component.log.length));
      component.log.push({ kind: "transitional" });
      this.#view(component, "network", [[...side]]);
      // Messages of those on this side that had no place in the old configuration are sent again in the new one.
      for (const item of lost) if (item.kind === "data" && side.includes(item.sender)) component.log.push(item);
      for (const member of members) member.segments[member.segments.length - 1] = component;
      this.components.push(component);
    }
  }

  /** What this side will deliver of the old configuration: at least what one of its members has delivered already. */
  #agreedPart(old: Component, members: readonly Member[]): Item[] {
    let least = 0;
    for (const [i, item] of old.log.entries()) {
      const seen = members.some((member) => {
        const here = member.segments.length === 1 && member.position > i;
        return here || member.overtaken.has(item);
      });
      if (seen || item.kind !== "data") least = i + 1;
    }
    return old.log.slice(0, this.random.integer(least, old.log.length));
  }

  #merge(): void {
    if (this.components.length < 2) return;
    const [a, b] = this.random.shuffle([...this.components]) as [Component, Component];
    this.components = this.components.filter((component) => component !== a && component !== b);
    const merged: Component = { log: [], members: [...a.members, ...b.members] };
    this.components.push(merged);
    if (merged.members.length === 0) return;
    this.#view(
      merged,
      "network",
      [[...a.members], [...b.members]].filter((set) => set.length > 0),
    );
    for (const name of merged.members) this.alive.get(name)?.segments.push(merged);
  }

  #deliver(member: Member): boolean {
    while (member.segments.length > 1 && member.position === (member.segments[0] as Component).log.length) {
      member.segments.shift();
      member.position = 0;
    }
    const item = (member.segments[0] as Component).log[member.position];
    if (item === undefined) return false;
    member.position++;
    if (!member.overtaken.delete(item)) this.#hand(member, item);
    return true;
  }

  /** Some weak messages of one sender come before others that are ordered earlier. */
  #overtake(member: Member): void {
    const { log, members } = member.segments[0] as Component;
    if (members.length === 0) return;
    const sender = this.random.pick(members);
    let count = this.random.integer(1, 5);
    for (let i = member.position; i < log.length && count > 0; i++) {
      const item = log[i] as Item;
      if (item.kind === "transitional" || (item.kind === "view" && item.cause === "network")) return;
      if (item.kind === "view") {
        if (item.changed === sender) return;
      } else if (item.sender === sender && !member.overtaken.has(item)) {
        if (!item.weak) return;
        count--;
        member.overtaken.add(item);
        this.#hand(member, item);
      }
    }
  }

  #hand(member: Member, item: Item): void {
    if (item.kind === "data") return item.deliver(member);
    if (item.kind === "transitional") return member.group.transitional();
    const membership: Membership = {
      id: { leader: 1, time: 1, index: item.index },
      cause: item.cause,
      members: item.members,
      changed: item.changed,
      ownSet: item.sets.find((set) => set.includes(member.name)) ?? [],
    };
    member.group.membership(membership);
  }
}

/** Those who go on together have delivered the same in the view before. */
function checkSets(world: World): void {
  for (const p of world.everyone) {
    for (const [i, next] of p.views.entries()) {
      const before = p.views[i - 1];
      if (before === undefined) continue;
      for (const name of next.survivors) {
        const q = world.everyone.find((other) => other.name === name) as Member;
        const at = q.views.findIndex((view) => view.key === next.key);
        if (at < 1) continue;
        expect(q.views[at - 1]?.key).toBe(before.key);
        expect((q.views[at - 1] as Installed).delivered).toEqual(before.delivered);
      }
    }
  }
}

test("whatever happens, messages are delivered in the view they were sent in, and alike by those who stay together", () => {
  let views = 0;
  let messages = 0;
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 20, max: 400 }), (seed, steps) => {
      const world = new World(seed);
      for (let i = 0; i < steps; i++) world.step();
      world.settle();
      checkSets(world);
      for (const member of world.alive.values()) {
        expect(member.group.state).toBe("steady");
        const others = member.component.members.map((name) => world.alive.get(name)?.view);
        expect(new Set(others)).toEqual(new Set([member.view]));
        views += member.views.length;
        for (const [number, sender] of world.sentBy) {
          if (sender !== member) continue;
          messages++;
          expect(member.views.some(({ delivered }) => delivered.has(number))).toBe(true);
        }
      }
    }),
    { numRuns: 400 },
  );
  expect(views).toBeGreaterThan(1_000);
  expect(messages).toBeGreaterThan(1_000);
});
