export { NO_LOSS, type LossModel } from "./loss.ts";
export { LAN, NODE_PROCESSOR, type Latency, type NetworkModel, type ProcessorModel } from "./network-model.ts";
export {
  Simulation,
  type Replica,
  type ReplicaDelivery,
  type ReplicaEnvironment,
  type SimulationOptions,
} from "./simulation.ts";
export { Cluster, type ClusterOptions, type Program, type ProgramEnvironment } from "./cluster.ts";
export { replaySchedule, runSchedule, type RunOptions, type RunResult, type RunStats } from "./run-schedule.ts";
export { replayStack, runStack, type StackResult, type StackStats } from "./run-stack.ts";
export { generateStackSchedule, type PlannedAct, type PlannedClient } from "./client-plan.ts";
export {
  generateSchedule,
  type PlannedSend,
  type Schedule,
  type ScheduleOptions,
  type SitesPlan,
} from "./schedule.ts";
export { type RegionsResult, type RegionStats, replayRegions, runRegions } from "./regions/run-regions.ts";
export { generateRegions, type RegionOptions } from "./regions/generate.ts";
export type { GroupAct, RegionFault, RegionSchedule, RegionSend } from "./regions/schedule.ts";
export { type TimelyResult, type TimelyStats, replayTimely, runTimely } from "./timely/run-timely.ts";
export { generateTimely, type TimelyOptions } from "./timely/generate.ts";
export type { TimelyFault, TimelyGroupPlan, TimelySchedule } from "./timely/schedule.ts";
export { PLATO_CELLS, TIMELY_CELLS } from "./timely/cells.ts";
export { type Fault, describeFault } from "./faults.ts";
export { shrinkSchedule } from "./shrink.ts";
export { EVS_CELLS } from "./evs-cells.ts";
export { REGION_CELLS } from "./regions/cells.ts";
export { coverageReport, type CoverageReport, type CoverageTable } from "../base/coverage.ts";
export { formatTimeline, type TimelineEntry } from "./timeline.ts";
export type { SiteLayout } from "./world.ts";
export type { Violation } from "./check/checker.ts";
