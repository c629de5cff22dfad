import type { SettledStream } from "../../cms/settled.ts";
import type { Change, NodeAddress, NodeInfo } from "../../cms/views.ts";
import type { World } from "../world.ts";
import type { NodeReports } from "./node-process.ts";
import { NodeSession } from "./node-session.ts";
import { Path, type PathModel } from "./path.ts";
import type { RegionDaemons } from "./region-daemons.ts";
import type { RegionService } from "./region-service.ts";

/** What one life of a machine is told by the membership service, in the machine's loop. */
export interface AttachmentClient {
  /** It is this node. */
  registered(info: NodeInfo, now: number): void;
  change(change: Change, now: number): void;
  /** Whether no changes are computed where it is attached. */
  suspended(isSuspended: boolean): void;
  /** The node has been declared failed: this life is over. `settled`: what is known to have been accepted of it. */
  expelled(settled: readonly SettledStream[]): void;
}

/** How one life of a machine reaches the membership service. */
export interface Attachment extends NodeReports {
  join(group: string): void;
  leave(group: string): void;
  /** The process lives and runs. */
  heard(): void;
  /** The process has ended, and the service hears of it. */
  ended(): void;
  /** The machine's daemon fails: it takes so long to go on with another one. */
  failOver(forMs: number): void;
  /** For so long, what it is told comes so much later. */
  lag(byMs: number, forMs: number): void;
}

/** A life as its machine's network knows it. */
export type LifeOptions = { readonly machine: number; readonly name: string; readonly address: NodeAddress };

/** Over a path to a service in one place; it is a node from the beginning. */
export function attachByPath(
  service: RegionService,
  world: World,
  { machine, name, address }: LifeOptions,
  model: PathModel,
  client: AttachmentClient,
): Attachment {
  const path = new Path(world, machine, world.node(machine).incarnation, model);
  const info = service.register(name, address, {
    change: (change) => path.down((now) => client.change(change, now)),
    expelled: (settled) => path.down(() => client.expelled(settled)),
  });
  const { id } = info;
  client.registered(info, world.node(machine).localTime(world.now));
  return {
    join: (group) => path.up(() => service.join(id, group)),
    leave: (group) => path.up(() => service.leave(id, group)),
    heard: () => path.up(() => service.heard(id)),
    ended: () => path.up(() => service.fail(id)),
    failOver: (forMs) => path.interrupt(forMs),
    lag: (byMs, forMs) => path.lag(byMs, forMs),
    installed: (n, sealed) => path.up(() => service.installed(id, n, sealed)),
    retired: (view) => path.up(() => service.retired(id, view)),
    inquire: (nodes) => path.up(() => service.inquired(id, nodes)),
    settled: (stream) => path.up(() => service.settled(id, stream)),
  };
}

/** Over a session of a daemon, and the next one if that fails; it is a node when it is in a group. */
export function attachBySession(
  daemons: RegionDaemons,
  world: World,
  { machine, name, address }: LifeOptions,
  client: AttachmentClient,
): Attachment {
  const { numbers } = daemons;
  const { incarnation } = world.node(machine);
  const run = (action: (now: number) => void): void => world.node(machine).run(incarnation, action);
  const after = (ms: number, action: (now: number) => void): void => world.at(world.now + ms, () => run(action));
  let turn = machine;
  const session = new NodeSession(
    {
      user: name.slice(1).replace("#", ""),
      address,
      dial: () => daemons.connect(machine, numbers[turn++ % numbers.length] as number),
      after,
    },
    {
      registered: (id, now) => client.registered({ id, name, address }, now),
      change: (change, now) => client.change(change, now),
      suspended: (isSuspended) => client.suspended(isSuspended),
      expelled: (settled) => client.expelled(settled),
    },
  );
  run(() => session.connect());
  return {
    join: (group) => run(() => session.join(group)),
    leave: (group) => run(() => session.leave(group)),
    heard: () => {},
    ended: () => {},
    failOver: (forMs) => run(() => session.hangUp(forMs)),
    // One that is frozen may do both when it runs again, and in any order, unless one follows from the other.
    lag: (byMs) =>
      run(() => {
        session.pause();
        after(byMs, () => session.resume());
      }),
    installed: (n, sealed) => session.report({ n, sealed }),
    retired: (id) => session.report({ retired: [id] }),
    inquire: (inquired) => session.report({ inquired }),
    settled: (stream) => session.report({ settled: [stream] }),
  };
}
