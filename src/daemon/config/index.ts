export { loadSiteConfig, resolveSiteConfig } from "./load.ts";
export { localConfig, loopbackConfig, loopbackConfigText, type ParsedSite, parseSiteConfig } from "./parse-site.ts";
export { ConfigError, type Problem } from "./problem.ts";
export {
  type DaemonConfig,
  daemonNamed,
  daemonWithId,
  type InterfaceConfig,
  type PrimaryPolicy,
  type SegmentConfig,
  type SiteConfig,
} from "./site.ts";
export { DEFAULT_PORT, type HostLookup } from "./topology.ts";
