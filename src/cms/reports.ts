import { type NodeId, regionViewKey, type RegionViewId } from "../base/ids.ts";
import type { NodeTelling } from "./node-report.ts";
import type { NodeReport } from "./replica.ts";
import type { SettledStream } from "./settled.ts";

/** What one node has reported to its daemon, until it has been ordered. Reports are cumulative: they add up to one. */
export class PendingReport {
  #n = 0;
  #isOpen = false;
  readonly #sealed = new Map<string, NodeReport["sealed"][number]>();
  readonly #retired = new Map<string, RegionViewId>();
  readonly #inquired = new Set<NodeId>();
  readonly #settled = new Map<string, SettledStream>();

  get isOpen(): boolean {
    return this.#isOpen;
  }

  add({ n, sealed, retired, inquired, settled }: NodeTelling): void {
    this.#isOpen = true;
    this.#n = Math.max(this.#n, n);
    for (const view of sealed) this.#sealed.set(regionViewKey(view.id), view);
    for (const id of retired) this.#retired.set(regionViewKey(id), id);
    for (const id of inquired) this.#inquired.add(id);
    for (const stream of settled) this.#settled.set(`${regionViewKey(stream.id)} ${stream.sender}`, stream);
  }

  /** All of it, as one report. */
  take(node: NodeId): NodeReport {
    const report = {
      node,
      n: this.#n,
      sealed: [...this.#sealed.values()],
      retired: [...this.#retired.values()],
      inquired: [...this.#inquired],
      settled: [...this.#settled.values()],
    };
    this.#isOpen = false;
    this.#sealed.clear();
    this.#retired.clear();
    this.#inquired.clear();
    this.#settled.clear();
    return report;
  }
}
