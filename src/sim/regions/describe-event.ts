import type { RegionsHistory } from "./check/history.ts";
import { nodeName, numberOf, viewName } from "./check/names.ts";
import type { RegionEvent } from "./event.ts";

/** A line of the timeline; `undefined` for what would be too much. */
export function describeEvent(event: RegionEvent, history: RegionsHistory): string | undefined {
  switch (event.kind) {
    case "start":
      return `node ${numberOf(event.node)} starts on machine ${event.machine}`;
    case "end":
      return `${nodeName(history, event.node)} ends`;
    case "failed":
      return `service ${event.n}: ${nodeName(history, event.failed)} has failed`;
    case "opened": {
      const { id, members } = event.view;
      const names = members.map((member) => numberOf(member.id)).join(", ");
      return `service ${event.n}: ${viewName(id)}: {${names}}`;
    }
    case "superseded":
      return `service ${event.n}: ${viewName(event.id)} is superseded`;
    case "final": {
      const last = event.last.map(({ sender, seq }) => `${numberOf(sender)}: ${seq}`).join(", ");
      return `service ${event.n}: ${viewName(event.id)} is final {${last}}`;
    }
    case "closed":
      return `service: ${viewName(event.id)} has ended`;
    case "applied":
      return `${nodeName(history, event.node)} applies ${event.change.n}`;
    case "retired":
      return `${nodeName(history, event.node)} retires ${viewName(event.id)}`;
    case "lost":
      return `${nodeName(history, event.node)}: LOST of ${nodeName(history, event.sender)}`;
    case "quiet":
      return "no more faults";
    case "suspended":
      return `${nodeName(history, event.node)} is ${event.isSuspended ? "" : "not "}suspended`;
    case "map":
    case "logged":
    case "applying":
    case "group":
    case "left":
    case "submit":
    case "deliver":
    case "stable":
    case "packet":
    case "last":
    case "sent":
    case "ticked":
    case "fencedHeard":
    case "token":
    case "told":
    case "taken":
    case "awaited":
    case "heard":
    case "round":
    case "untold":
    case "visited":
    case "acknowledged":
    case "cleaned":
    case "over":
      return undefined;
  }
}
