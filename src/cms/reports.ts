import { type NodeId, regionViewKey, type RegionViewId } from "../base/ids.ts";
import type { NodeTelling } from "./node-report.ts";
import type { NodeReport } from "./replica.ts";

/** What one node has reported to its daemon, until it has been ordered. Reports are cumulative: they add up to one. */
export class PendingReport {
  #n = 0;
  #isOpen = false;
  readonly #sealed = new Map<string, NodeReport["sealed"][number]>();
  readonly #retired = new Map<string, RegionViewId>();
  readonly #inquired = new Set<NodeId>();

  get isOpen(): boolean {
    return this.#isOpen;
  }

  add({ n, sealed, retired, inquired }: NodeTelling): void {
    this.#isOpen = true;
    this.#n = Math.max(this.#n, n);
    for (const view of sealed) this.#sealed.set(regionViewKey(view.id), view);
    for (const id of retired) this.#retired.set(regionViewKey(id), id);
    for (const id of inquired) this.#inquired.add(id);
  }

  /** All of it, as one report. */
  take(node: NodeId): NodeReport {
    const report = {
      node,
      n: this.#n,
      sealed: [...this.#sealed.values()],
      retired: [...this.#retired.values()],
      inquired: [...this.#inquired],
    };
    this.#isOpen = false;
    this.#sealed.clear();
    this.#retired.clear();
    this.#inquired.clear();
    return report;
  }
}
