import { EmulatedLink } from "./emulated-link.ts";
import type { Answer, Request } from "./emulator.ts";

/*
 * Emulated links in a process of their own, so that their timing does not suffer from what they are used for. Told what to do by its
 * parent (`emulator.ts`), with whom it ends.
 */
const links = new Map<number, EmulatedLink>();

process.on("disconnect", () => process.exit(0));
process.on("message", (request: Request) => void answer(request));

async function answer(request: Request): Promise<void> {
  const reply = (told: Answer): void => {
    process.send?.(told);
  };
  try {
    reply({ id: request.id, value: await carryOut(request) });
  } catch (error) {
    reply({ id: request.id, error: error instanceof Error ? error.message : String(error) });
  }
}

async function carryOut(request: Request): Promise<unknown> {
  if (request.kind === "open") {
    links.set(request.link, await EmulatedLink.open(request.conditions, request.seed));
    return undefined;
  }
  const link = links.get(request.link);
  if (link === undefined) throw new Error(`there is no link ${request.link}`);
  switch (request.kind) {
    case "enter":
      return link.enter(request.direction, request.exit, request.port);
    case "set":
      return link.set(request.conditions, request.directions);
    case "cut":
      return link.cut(request.directions);
    case "mend":
      return link.mend(request.directions);
    case "statistics":
      return link.statistics(request.direction);
    case "close":
      links.delete(request.link);
      return link.close();
  }
}
