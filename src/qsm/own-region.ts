import type { GroupNumber, NodeId, RegionId } from "../base/ids.ts";
import { absentOf, type Change, placeOf } from "../cms/views.ts";

/** The region that a node is in, if it is in one; and which of its groups the node is not in, where regions are approximate. */
export class OwnRegion {
  readonly #me: NodeId;
  #region: RegionId | undefined;
  #absent: ReadonlySet<GroupNumber> = new Set();

  constructor(me: NodeId) {
    this.#me = me;
  }

  /** The groups of the region that the node is not in, as of the last `become`. */
  get absent(): ReadonlySet<GroupNumber> {
    return this.#absent;
  }

  /** What `absent` is to be once this change is applied. Each change once, in order. */
  absentAfter({ regionsCreated, regionsChanged, regionsDeleted }: Change): ReadonlySet<GroupNumber> {
    const me = this.#me;
    if (regionsDeleted.some((region) => region === this.#region)) this.#region = undefined;
    for (const { region, added, removed } of regionsChanged) {
      if (added.some(({ id }) => id === me)) this.#region = region;
      else if (region === this.#region && removed.includes(me)) this.#region = undefined;
    }
    for (const view of regionsCreated) if (placeOf(view.members, me) !== undefined) this.#region = view.id.region;
    if (this.#region === undefined) return new Set();
    const own = this.#region;
    const news =
      regionsCreated.find(({ id }) => id.region === own) ?? regionsChanged.find(({ region }) => region === own);
    return news === undefined ? this.#absent : new Set(absentOf(news, me));
  }

  become(absent: ReadonlySet<GroupNumber>): void {
    this.#absent = absent;
  }
}
