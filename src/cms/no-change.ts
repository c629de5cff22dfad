import type { Change } from "./views.ts";

/** What a change says of which there is nothing to say. */
export const NO_CHANGE: Omit<Change, "seq" | "n"> = {
  failed: [],
  viewsFailed: [],
  regionsCreated: [],
  regionsChanged: [],
  regionsDeleted: [],
  groupsCreated: [],
  groupsChanged: [],
  groupsDeleted: [],
  finals: [],
};
