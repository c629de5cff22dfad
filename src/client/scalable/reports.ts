import { type NodeId, regionViewKey, type RegionViewId } from "../../base/ids.ts";
import type { NodeTelling } from "../../cms/node-report.ts";

type Sealed = NodeTelling["sealed"][number];

/**
 * What a node has reported and its daemons do not have for certain (docs/protocols/native-session.md): to be told again at another daemon,
 * all in one.
 */
export class Reports {
  #n = 0;
  #acknowledged = 0;
  readonly #sealed = new Map<string, Sealed>();
  readonly #retired = new Map<string, RegionViewId>();

  /** The node has applied all changes up to `n`, and this is how views ended by that. Returns what to tell. */
  installed(n: number, sealed: readonly Sealed[]): NodeTelling {
    this.#n = n;
    for (const view of sealed) this.#sealed.set(regionViewKey(view.id), view);
    return { n, sealed, retired: [], inquired: [] };
  }

  /** The view has ended everywhere. Returns what to tell. */
  retired(id: RegionViewId): NodeTelling {
    this.#retired.set(regionViewKey(id), id);
    return { n: this.#n, sealed: [], retired: [id], inquired: [] };
  }

  /** The node wants to know of these whether they have failed, and asks again if it hears nothing. Returns what to tell. */
  inquired(inquired: readonly NodeId[]): NodeTelling {
    return { n: this.#n, sealed: [], retired: [], inquired };
  }

  /** A daemon has made this common knowledge. A view may have been sealed again since, further on. */
  acknowledge({ n, sealed, retired }: NodeTelling): void {
    this.#acknowledged = Math.max(this.#acknowledged, n);
    for (const { id, last } of sealed) {
      const key = regionViewKey(id);
      if ((this.#sealed.get(key)?.last ?? 0) <= last) this.#sealed.delete(key);
    }
    for (const id of retired) this.#retired.delete(regionViewKey(id));
  }

  /** All that is not acknowledged; `undefined` if that is nothing. */
  outstanding(): NodeTelling | undefined {
    if (this.#n <= this.#acknowledged && this.#sealed.size === 0 && this.#retired.size === 0) return undefined;
    return { n: this.#n, sealed: [...this.#sealed.values()], retired: [...this.#retired.values()], inquired: [] };
  }
}
