/**
 * The daemon, to be embedded in a process of one's own.
 *
 * @packageDocumentation
 */
export { ConfigError, loadSiteConfig, localConfig, loopbackConfig, parseSiteConfig } from "./config/index.ts";
export type { DaemonConfig, PrimaryPolicy, SegmentConfig, SiteConfig } from "./config/index.ts";
export { DaemonError, type DaemonErrorCode } from "./error.ts";
export type { NodeEvent } from "./node.ts";
export { type Daemon, type DaemonOptions, startDaemon } from "./start.ts";
export { type ConfigurationChange, type DaemonStatus, describeCause, describeChange } from "./status.ts";
