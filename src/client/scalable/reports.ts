import { type NodeId, regionViewKey, type RegionViewId } from "../../base/ids.ts";
import type { NodeTelling } from "../../cms/node-report.ts";
import type { SettledStream } from "../../cms/settled.ts";

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
  readonly #settled = new Map<string, SettledStream>();

  /** The node has applied all changes up to `n`, and this is how views ended by that. Returns what to tell. */
  installed(n: number, sealed: readonly Sealed[]): NodeTelling {
    this.#n = n;
    for (const view of sealed) this.#sealed.set(regionViewKey(view.id), view);
    return { n, sealed, retired: [], inquired: [], settled: [] };
  }

  /** The view has ended everywhere. Returns what to tell. */
  retired(id: RegionViewId): NodeTelling {
    this.#retired.set(regionViewKey(id), id);
    return { n: this.#n, sealed: [], retired: [id], inquired: [], settled: [] };
  }

  /** The node wants to know of these whether they have failed, and asks again if it hears nothing. Returns what to tell. */
  inquired(inquired: readonly NodeId[]): NodeTelling {
    return { n: this.#n, sealed: [], retired: [], inquired, settled: [] };
  }

  /** What became of the stream of a node that has failed. Returns what to tell. */
  settled(stream: SettledStream): NodeTelling {
    this.#settled.set(keyOf(stream), stream);
    return { n: this.#n, sealed: [], retired: [], inquired: [], settled: [stream] };
  }

  /** A daemon has made this common knowledge. A view may have been sealed again since, further on. */
  acknowledge({ n, sealed, retired, settled }: NodeTelling): void {
    this.#acknowledged = Math.max(this.#acknowledged, n);
    for (const { id, last } of sealed) {
      const key = regionViewKey(id);
      if ((this.#sealed.get(key)?.last ?? 0) <= last) this.#sealed.delete(key);
    }
    for (const id of retired) this.#retired.delete(regionViewKey(id));
    for (const stream of settled) this.#settled.delete(keyOf(stream));
  }

  /** All that is not acknowledged; `undefined` if that is nothing. */
  outstanding(): NodeTelling | undefined {
    const open = this.#sealed.size + this.#retired.size + this.#settled.size;
    if (this.#n <= this.#acknowledged && open === 0) return undefined;
    return {
      n: this.#n,
      sealed: [...this.#sealed.values()],
      retired: [...this.#retired.values()],
      inquired: [],
      settled: [...this.#settled.values()],
    };
  }
}

function keyOf({ id, sender }: SettledStream): string {
  return `${regionViewKey(id)} ${sender}`;
}
