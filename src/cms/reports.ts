import { regionViewKey, type RegionViewId } from "../base/ids.ts";
import type { NodeReport } from "./replica.ts";

/** What one node has reported to its daemon, until it has been ordered. Reports are cumulative: they add up to one. */
export class PendingReport {
  #n = 0;
  #isOpen = false;
  readonly #sealed = new Map<string, NodeReport["sealed"][number]>();
  readonly #retired = new Map<string, RegionViewId>();

  get isOpen(): boolean {
    return this.#isOpen;
  }

  add({ n, sealed, retired }: Pick<NodeReport, "n" | "sealed" | "retired">): void {
    this.#isOpen = true;
    this.#n = Math.max(this.#n, n);
    for (const view of sealed) this.#sealed.set(regionViewKey(view.id), view);
    for (const id of retired) this.#retired.set(regionViewKey(id), id);
  }

  /** All of it, as one report. */
  take(node: number): NodeReport {
    const report = { node, n: this.#n, sealed: [...this.#sealed.values()], retired: [...this.#retired.values()] };
    this.#isOpen = false;
    this.#sealed.clear();
    this.#retired.clear();
    return report;
  }
}
