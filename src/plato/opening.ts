import type { NodeId } from "../base/ids.ts";
import type { StateBody } from "../wire/plato/bodies.ts";
import { type MemberState, StateAssembly, stateParts } from "./closing.ts";

/** What the members of a view bring into it, as it comes in. A view is opened when that of all of them is here. */
export class Opening {
  /** What this member brings, as it is told to others. */
  readonly parts: readonly StateBody[];
  readonly #members: readonly NodeId[];
  readonly #states = new Map<NodeId, MemberState>();
  readonly #assemblies = new Map<NodeId, StateAssembly>();

  /** `members`: of the view, by id; `state`: what `me` brings. */
  constructor(view: number, members: readonly NodeId[], me: NodeId, state: MemberState, bodyBytesMax: number) {
    this.parts = stateParts(view, state, bodyBytesMax);
    this.#members = members;
    this.#states.set(me, state);
  }

  /** A part of what another member brings. Returns whether that is whole now, and was not before. */
  add(from: NodeId, part: StateBody): boolean {
    if (this.#states.has(from)) return false;
    let assembly = this.#assemblies.get(from);
    if (assembly === undefined) this.#assemblies.set(from, (assembly = new StateAssembly()));
    const state = assembly.add(part);
    if (state !== undefined) this.#states.set(from, state);
    return state !== undefined;
  }

  /** Those of whom something is missing. */
  get missing(): readonly NodeId[] {
    return this.#members.filter((member) => !this.#states.has(member));
  }

  /** By member, in their order; undefined while something is missing. */
  get states(): ReadonlyMap<NodeId, MemberState> | undefined {
    if (this.missing.length > 0) return undefined;
    return new Map(this.#members.map((member) => [member, this.#states.get(member) as MemberState]));
  }
}
