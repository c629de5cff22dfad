/** What may stand to the right of a directive's `=`. */
export type ValueForm =
  | { readonly form: "boolean" }
  /** `word`: may stand instead of a number, for what is found out. */
  | {
      readonly form: "number";
      readonly min: number;
      readonly max: number;
      readonly unit: string;
      readonly word?: string;
    }
  | { readonly form: "string"; readonly lengthMax: number; readonly example: string }
  | { readonly form: "choice"; readonly choices: readonly string[]; readonly anyCase: boolean }
  /** A set in braces, each with `!` before it to take it away again. */
  | { readonly form: "flags" }
  /** Nothing, or `= format`. */
  | { readonly form: "format"; readonly lengthMax: number }
  /** Nothing at all. */
  | { readonly form: "bare" }
  | { readonly form: "primaryPolicy" };

export const DEBUG_FLAGS = [
  "DEBUG",
  "EXIT",
  "PRINT",
  "DATA_LINK",
  "NETWORK",
  "PROTOCOL",
  "SESSION",
  "CONFIGURATION",
  "MEMBERSHIP",
  "FLOW_CONTROL",
  "STATUS",
  "EVENTS",
  "GROUPS",
  "MEMORY",
  "SKIPLIST",
  "ACM",
  "SECURITY",
  "ALL",
  "NONE",
] as const;

export const EVENT_PRIORITIES = ["pDEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL"] as const;

export const TIMEOUT_DIRECTIVES = [
  "TokenTimeout",
  "HurryTimeout",
  "AliveTimeout",
  "JoinTimeout",
  "RepTimeout",
  "SegTimeout",
  "GatherTimeout",
  "FormTimeout",
  "LookupTimeout",
] as const;

const boolean: ValueForm = { form: "boolean" };
const timeout: ValueForm = { form: "number", min: 1, max: 999_999_999, unit: "milliseconds" };

function string(lengthMax: number, example: string): ValueForm {
  return { form: "string", lengthMax, example };
}

function number(min: number, max: number, unit: string) {
  return { form: "number", min, max, unit } as const;
}

/** Spread's own directives (spread-client-protocol.md 9.2, 9.3). */
const SPREAD_DIRECTIVES = {
  DebugFlags: { form: "flags" },
  EventPriority: { form: "choice", choices: EVENT_PRIORITIES, anyCase: false },
  EventLogFile: string(255, "/var/log/amalgam.log"),
  EventTimeStamp: { form: "format", lengthMax: 39 },
  EventPreciseTimeStamp: { form: "bare" },
  DangerousMonitor: boolean,
  SocketPortReuse: { form: "choice", choices: ["on", "off", "auto"], anyCase: true },
  RuntimeDir: string(255, "/var/run/spread"),
  DaemonUser: string(32, "spread"),
  DaemonGroup: string(32, "spread"),
  AllowedAuthMethods: string(255, '"NULL IP"'),
  RequiredAuthMethods: string(255, '"IP"'),
  AccessControlPolicy: string(64, '"PERMIT"'),
  MaxSessionMessages: number(1, 999_999_999, "messages"),
  ActiveIPVersion: { form: "choice", choices: ["IPv4", "IPv6"], anyCase: true },
  Window: number(1, 32_767, "packets"),
  PersonalWindow: number(1, 32_767, "packets"),
  AcceleratedRing: boolean,
  AcceleratedWindow: number(0, 32_767, "packets"),
  TokenTimeout: timeout,
  HurryTimeout: timeout,
  AliveTimeout: timeout,
  JoinTimeout: timeout,
  RepTimeout: timeout,
  SegTimeout: timeout,
  GatherTimeout: timeout,
  FormTimeout: timeout,
  LookupTimeout: timeout,
  WideAreaNetwork: boolean,
  ExcludeSegAddrsFromHash: boolean,
  IgnoreMulticastJoinErrors: boolean,
} as const satisfies Record<string, ValueForm>;

/** What we add in the same syntax. A file that uses one of them is not for a Spread daemon any more. */
const OUR_DIRECTIVES = {
  Dissemination: { form: "choice", choices: ["auto", "multicast", "unicast", "tcp"], anyCase: true },
  TimeoutProfile: { form: "choice", choices: ["lan", "fast", "sites", "spread", "wan"], anyCase: true },
  PrimaryPolicy: { form: "primaryPolicy" },
  GroupAddresses: { form: "choice", choices: ["auto", "always", "never"], anyCase: true },
  RegionWaste: number(0, 99, "percent"),
  PayloadLimit: number(1_024, 999_999_999, "bytes"),
  DatagramBytes: { ...number(576, 65_000, "bytes"), word: "auto" },
  MaxSessions: number(1, 100_000, "sessions"),
  SlowPatience: number(0, 3_600_000, "milliseconds"),
  MaxSessionBytes: number(65_536, 999_999_999, "bytes"),
  MaxNativeSessionMessages: number(1, 999_999_999, "messages"),
  DeliveryWindow: number(65_536, 999_999_999, "bytes"),
  ResumeGrace: number(0, 999_999_999, "milliseconds"),
  ResumeBytes: number(0, 999_999_999, "bytes"),
  ResumeBytesTotal: number(0, 9_999_999_999, "bytes"),
  HttpPort: number(0, 65_535, "as a port, 0 for none"),
  HttpAddress: string(64, "127.0.0.1"),
  // The path of a Unix socket has at most 107 bytes, and the longest below it is /65534.admin/socket; a longer one the system would cut.
  UnixSocketDir: string(88, "/tmp"),
  AccessFile: string(255, "/etc/amalgam/spread.access_ip"),
  PasswordFile: string(255, "/etc/amalgam/passwords"),
  WideAreaOrder: { form: "choice", choices: ["demand", "clock"], anyCase: true },
  Protocol: number(1, 255, "as a version of the datagrams"),
} as const satisfies Record<string, ValueForm>;

export const DIRECTIVES = { ...SPREAD_DIRECTIVES, ...OUR_DIRECTIVES } as const;
export type DirectiveName = keyof typeof DIRECTIVES;

export const DIRECTIVE_NAMES = Object.keys(DIRECTIVES) as readonly DirectiveName[];

export function isDirective(word: string): word is DirectiveName {
  return Object.hasOwn(DIRECTIVES, word);
}

export function valueForm(name: DirectiveName): ValueForm {
  return DIRECTIVES[name];
}

/** What can be said of a link between two sites: numbers, some of them `none`. */
const LINK_DIRECTIVES = {
  Weight: { min: 1, max: 1_000_000, unit: "the cost of the way", none: true },
  RateLimit: { min: 64, max: 10_000_000, unit: "kbit/s", none: true },
  StartRate: { min: 64, max: 10_000_000, unit: "kbit/s", none: false },
  SilenceTimeout: { min: 600, max: 600_000, unit: "milliseconds", none: false },
} as const;
export type LinkDirectiveName = keyof typeof LINK_DIRECTIVES;

export const LINK_DIRECTIVE_NAMES = Object.keys(LINK_DIRECTIVES) as readonly LinkDirectiveName[];

export function isLinkDirective(word: string): word is LinkDirectiveName {
  return Object.hasOwn(LINK_DIRECTIVES, word);
}

export function linkDirectiveForm(name: LinkDirectiveName): {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
  readonly none: boolean;
} {
  return LINK_DIRECTIVES[name];
}

const RESERVED = new Set<string>([
  ...Object.keys(SPREAD_DIRECTIVES),
  ...DEBUG_FLAGS,
  ...EVENT_PRIORITIES,
  "Spread_Segment",
  "VirtualID",
  "C",
  "D",
  "M",
]);
const RESERVED_ANY_CASE = new Set(["true", "false", "yes", "no", "on", "off", "auto"]);

/** Whether Spread reads the word as a keyword, so that a daemon can be called that only in quotes. */
export function isReserved(word: string): boolean {
  return RESERVED.has(word) || RESERVED_ANY_CASE.has(word.toLowerCase());
}
