import type { RegionPolicy } from "../../cms/region-policy.ts";
import {
  type MembershipTimeouts,
  membershipTimeouts,
  type TimeoutProfile,
  timeoutsOfTable,
} from "../../membership/timeouts.ts";
import { WIRE_VERSION_MAX, WIRE_VERSION_MIN } from "../../wire/prefix.ts";
import { type DirectiveName, TIMEOUT_DIRECTIVES } from "./directives.ts";
import type { ConfigFile, Setting } from "./parser.ts";
import { configError, type Problem, problemAt } from "./problem.ts";
import {
  AUTHENTICATION_METHODS,
  type AuthenticationConfig,
  type AuthenticationMethod,
  type DaemonConfig,
  type LogConfig,
  type PrimaryPolicy,
  type RuntimeConfig,
  type SessionLimits,
  type SegmentConfig,
  type SiteConfig,
  type WindowConfig,
} from "./site.ts";
import { type Address, isLoopback, isUnspecified, parseAddress } from "./address.ts";

/** The directives of a file, each with its default, and the rules that need more than one of them. */
export class Settings {
  readonly #file: ConfigFile;
  readonly #warnings: Problem[];

  constructor(file: ConfigFile, warnings: Problem[]) {
    this.#file = file;
    this.#warnings = warnings;
  }

  has(name: DirectiveName): boolean {
    return this.#file.settings.has(name);
  }

  boolean(name: DirectiveName, otherwise: boolean): boolean {
    const value = this.#file.settings.get(name)?.value;
    return typeof value === "boolean" ? value : otherwise;
  }

  number(name: DirectiveName, otherwise: number): number {
    const value = this.#file.settings.get(name)?.value;
    return typeof value === "number" ? value : otherwise;
  }

  text(name: DirectiveName, otherwise: string): string {
    const value = this.#file.settings.get(name)?.value;
    return typeof value === "string" ? value : otherwise;
  }

  words(name: DirectiveName): readonly string[] | undefined {
    const value = this.#file.settings.get(name)?.value;
    return typeof value === "object" ? value : undefined;
  }

  /** All nine timeouts of the file, or a profile. */
  timeouts(siteCount: number): MembershipTimeouts {
    const given = TIMEOUT_DIRECTIVES.filter((name) => this.has(name));
    const first = given[0];
    const wideArea = this.boolean("WideAreaNetwork", false);
    if (first === undefined) {
      const otherwise = wideArea ? "wan" : siteCount > 1 ? "sites" : "lan";
      return membershipTimeouts(this.text("TimeoutProfile", otherwise) as TimeoutProfile);
    }
    const missing = TIMEOUT_DIRECTIVES.filter((name) => !this.has(name));
    if (missing.length > 0) {
      const remedy = `Set these too: ${missing.join(", ")}; or use TimeoutProfile = lan, fast, sites, spread or wan`;
      throw this.#error(first, "timeouts are set all nine together or not at all", remedy);
    }
    if (this.has("TimeoutProfile")) this.#warn("TimeoutProfile", "the nine timeouts of this file override the profile");
    const value = (name: DirectiveName) => this.number(name, 0);
    if (2 * value("HurryTimeout") > value("TokenTimeout")) {
      const message = "the token of an idle ring goes round so seldom that it is given up for lost";
      this.#warn("HurryTimeout", message, `At most half of TokenTimeout (${value("TokenTimeout")}), better a third`);
    }
    if (value("RepTimeout") <= value("JoinTimeout")) {
      const message = "daemons give their representative up before it has spoken again";
      this.#warn("RepTimeout", message, `More than twice JoinTimeout (${value("JoinTimeout")})`);
    }
    return timeoutsOfTable([
      value("TokenTimeout"),
      value("HurryTimeout"),
      value("AliveTimeout"),
      value("JoinTimeout"),
      value("RepTimeout"),
      value("SegTimeout"),
      value("GatherTimeout"),
      value("FormTimeout"),
      value("LookupTimeout"),
    ]);
  }

  window(): WindowConfig {
    const given = (name: "Window" | "PersonalWindow"): number | undefined =>
      this.has(name) ? this.number(name, 0) : undefined;
    // Spread's defaults count where the file's own numbers are compared; what is not in the file adapts.
    const global = given("Window") ?? 160;
    const personal = given("PersonalWindow") ?? Math.min(20, global);
    if (personal > global) {
      const remedy = `Window is ${global}: what one daemon may send per round is part of what all may`;
      throw this.#error("PersonalWindow", `PersonalWindow is greater than Window`, remedy);
    }
    const accelerated = this.boolean("AcceleratedRing", !this.boolean("WideAreaNetwork", false));
    const acceleratedPackets = this.number("AcceleratedWindow", Math.min(15, personal));
    if (accelerated && acceleratedPackets > personal) {
      const remedy = `PersonalWindow is ${personal}: a daemon cannot send more after the token than it may send at all`;
      throw this.#error("AcceleratedWindow", "AcceleratedWindow is greater than PersonalWindow", remedy);
    }
    return { global: given("Window"), personal: given("PersonalWindow"), accelerated, acceleratedPackets };
  }

  regions(): RegionPolicy {
    const rules = { auto: "auto", always: "hybrid", never: "regions" } as const;
    const addresses = this.text("GroupAddresses", "auto") as keyof typeof rules;
    return { dissemination: rules[addresses], wasteLimit: this.number("RegionWaste", 0) / 100 };
  }

  primaryPolicy(daemonCount: number): PrimaryPolicy {
    const [kind = "majority", size = "0"] = this.words("PrimaryPolicy") ?? [];
    if (kind === "all" && daemonCount > 1) {
      const message = "every side of a split is primary: what is decided on one side may contradict the other";
      this.#warn("PrimaryPolicy", message, "Use this only where data may diverge; otherwise majority");
    }
    if (kind !== "static") return { kind } as PrimaryPolicy;
    if (Number(size) > daemonCount) {
      const message = `no configuration could ever be primary: ${size} daemons are asked for and there are ${daemonCount}`;
      throw this.#error("PrimaryPolicy", message);
    }
    if (Number(size) * 2 <= daemonCount) {
      const message = `two sides of a split could both be primary: ${size} is not more than half of ${daemonCount} daemons`;
      this.#warn("PrimaryPolicy", message, "Use this only if the network cannot split, or use majority");
    }
    return { kind, size: Number(size) };
  }

  authentication(): AuthenticationConfig {
    const policy = this.text("AccessControlPolicy", "PERMIT");
    if (policy !== "PERMIT") {
      throw this.#error("AccessControlPolicy", `there is no access control policy ${policy}`, "There is PERMIT");
    }
    const asked = this.has("AllowedAuthMethods") || this.has("RequiredAuthMethods");
    const allowed = this.#methods("AllowedAuthMethods");
    if (asked && allowed.length === 0) {
      const name = this.has("AllowedAuthMethods") ? "AllowedAuthMethods" : "RequiredAuthMethods";
      const remedy = 'Without conditions beyond the required methods: AllowedAuthMethods = "NULL"';
      this.#warn(name, "no client can connect: no allowed method is left", remedy);
    }
    return {
      allowed: asked ? allowed : ["NULL"],
      required: this.#methods("RequiredAuthMethods"),
      accessFile: this.text("AccessFile", "spread.access_ip"),
      passwordFile: this.has("PasswordFile") ? this.text("PasswordFile", "") : undefined,
    };
  }

  sessions(payloadBytesMax: number): SessionLimits {
    const resumeBytesMax = this.number("ResumeBytes", 8 * 1024 * 1024);
    const resumeTotalBytesMax = this.number("ResumeBytesTotal", Math.max(64 * 1024 * 1024, resumeBytesMax));
    if (resumeTotalBytesMax < resumeBytesMax) {
      const message = "what is kept for all clients is less than what is kept for one";
      throw this.#error("ResumeBytesTotal", message, `ResumeBytes is ${resumeBytesMax}`);
    }
    return {
      sessionsMax: this.number("MaxSessions", 4_000),
      messagesMax: this.number("MaxSessionMessages", 1_000),
      nativeMessagesMax: this.number("MaxNativeSessionMessages", 20_000),
      slowPatienceMs: this.number("SlowPatience", 1_000),
      bytesMax: this.number("MaxSessionBytes", 32 * 1024 * 1024),
      payloadBytesMax,
      deliveryWindowBytes: this.number("DeliveryWindow", 4 * 1024 * 1024),
      resumeGraceMs: this.number("ResumeGrace", 30_000),
      resumeBytesMax,
      resumeTotalBytesMax,
      unixDirectory: this.text("UnixSocketDir", "/tmp"),
      portReuse: this.text("SocketPortReuse", "auto") as "on" | "off" | "auto",
    };
  }

  log(): LogConfig {
    const priorities: Readonly<Record<string, LogConfig["level"]>> = {
      pDEBUG: "debug",
      INFO: "info",
      WARNING: "warning",
      ERROR: "error",
      CRITICAL: "critical",
      FATAL: "fatal",
    };
    return {
      level: priorities[this.text("EventPriority", "INFO")] ?? "info",
      flags: this.words("DebugFlags") ?? ["PRINT", "EXIT"],
      file: this.has("EventLogFile") ? this.text("EventLogFile", "") : undefined,
    };
  }

  http(): { readonly address: string; readonly port: number } | undefined {
    const port = this.number("HttpPort", 0);
    const address = parseAddress(this.text("HttpAddress", "127.0.0.1"));
    if (address === undefined) {
      throw this.#error(
        "HttpAddress",
        "HttpAddress is no address",
        "For example 127.0.0.1, or 0.0.0.0 for all interfaces",
      );
    }
    if (port === 0 && this.has("HttpAddress")) {
      this.#warn("HttpAddress", "nothing listens at this address without HttpPort", "For example: HttpPort = 9803");
    }
    return port === 0 ? undefined : { address: address.text, port };
  }

  /** Daemons of one host count up from HttpPort: none of them may come upon where one of them listens for clients or daemons. */
  checkHttp(http: SiteConfig["http"], daemons: readonly DaemonConfig[]): void {
    if (http === undefined) return;
    const mayStream = ["auto", "tcp"].includes(this.text("Dissemination", "auto"));
    for (const { name, address: own, httpPort } of daemons) {
      for (const other of daemons) {
        const places = other.interfaces.filter(({ client, daemon }) => {
          return (client && httpPort === other.port) || (daemon && mayStream && httpPort === other.port + 1);
        });
        if (!isSameHost(own, other.address) || !places.some(({ address }) => meets(address, http.address))) continue;
        const counts = httpPort === http.port ? "is" : `counts up to ${httpPort} for ${name}, which is`;
        const message = `HttpPort ${counts} a port of ${other.name}, at ${other.address}:${other.port}`;
        const remedy =
          "Daemons use their port and the next one: HttpPort needs as many free ones in a row as a host has daemons";
        throw this.#error("HttpPort", message, remedy);
      }
    }
  }

  /** Whom to become when started as root. */
  runtime(): RuntimeConfig {
    const given = (name: "DaemonUser" | "DaemonGroup"): string | undefined =>
      this.has(name) ? this.text(name, "") : undefined;
    return { user: given("DaemonUser"), group: given("DaemonGroup") };
  }

  protocolVersion(): number | undefined {
    if (!this.has("Protocol")) return undefined;
    const version = this.number("Protocol", WIRE_VERSION_MAX);
    if (version < WIRE_VERSION_MIN || version > WIRE_VERSION_MAX) {
      const remedy = `This release speaks ${WIRE_VERSION_MIN} to ${WIRE_VERSION_MAX}`;
      throw this.#error("Protocol", `there is no version ${version} of the datagrams`, remedy);
    }
    return version;
  }

  /** Multicast needs a multicast address: a broadcast address stands for copies to each daemon. */
  checkDissemination(segments: readonly SegmentConfig[]): void {
    const without = segments.find((segment) => !segment.multicast && segment.daemons.length > 1);
    if (this.text("Dissemination", "auto") !== "multicast" || without === undefined) return;
    const message = `the segment ${without.address} has no multicast address: its daemons get a copy each`;
    this.#warn("Dissemination", message, "Give the segment an address such as 239.192.48.3, or use unicast");
  }

  wideAreaOrder(siteCount: number): "demand" | "clock" {
    if (siteCount < 2 && this.has("WideAreaOrder")) {
      this.#warn("WideAreaOrder", "one site needs no order between sites: this changes nothing", "Take it out");
    }
    return this.text("WideAreaOrder", "demand") as "demand" | "clock";
  }

  /** Says so of directives that are understood and have no effect here. */
  warnOfUnused(): void {
    const stamp = "the log has the time in milliseconds always: this changes nothing";
    for (const name of ["EventTimeStamp", "EventPreciseTimeStamp"] as const) {
      if (this.has(name)) this.#warn(name, stamp, "Take it out");
    }
    if (this.has("RuntimeDir")) {
      const message = "the daemon does not change its directory or its root: this changes nothing";
      this.#warn(
        "RuntimeDir",
        message,
        "For a restricted view of the file system: RootDirectory= of systemd, or a container",
      );
    }
    if (this.text("SocketPortReuse", "auto") === "off") {
      const message = "Node always lets a daemon listen where closed connections linger: off has no effect";
      this.#warn("SocketPortReuse", message, "A port with a living daemon is refused in any case");
    }
    const classes = this.words("DebugFlags")?.filter((flag) => !["PRINT", "EXIT"].includes(flag)) ?? [];
    if (classes.length > 0) {
      const message = `the log has levels and no classes of events: ${classes.join(" ")} change nothing`;
      this.#warn("DebugFlags", message, "EventPriority = pDEBUG logs everything");
    }
  }

  #methods(name: "AllowedAuthMethods" | "RequiredAuthMethods"): AuthenticationMethod[] {
    const words = this.text(name, "")
      .split(/\s+/)
      .filter((word) => word !== "");
    const known: AuthenticationMethod[] = [];
    for (const word of words) {
      const method = AUTHENTICATION_METHODS.find((candidate) => candidate === word);
      if (method === undefined) {
        const remedy = `There are ${AUTHENTICATION_METHODS.join(", ")}`;
        this.#warn(name, `there is no authentication method ${JSON.stringify(word)}; it is ignored`, remedy);
      } else if (method === "PWORD" && !this.has("PasswordFile")) {
        const message = "the method PWORD needs a PasswordFile; Spread's own file of passwords cannot be used";
        const remedy =
          'Write lines of "amalgam password USER" into a file and name it: PasswordFile = /etc/amalgam/passwords';
        if (name === "RequiredAuthMethods") throw this.#error(name, message, remedy);
        this.#warn(name, `${message}. It is not offered`, remedy);
      } else if (!known.includes(method)) {
        known.push(method);
      }
    }
    return known;
  }

  #error(name: DirectiveName, message: string, remedy?: string): Error {
    return configError(this.#file.source, this.#at(name), message, remedy);
  }

  #warn(name: DirectiveName, message: string, remedy?: string): void {
    this.#warnings.push(problemAt("warning", this.#file.source, this.#at(name), message, remedy));
  }

  #at(name: DirectiveName): Setting["at"] {
    return this.#file.settings.get(name)?.at ?? this.#file.end;
  }
}

/** Whether two daemons share a host, as far as a file tells: each loopback address is this host's. */
function isSameHost(a: string, b: string): boolean {
  return a === b || (isOf(a, isLoopback) && isOf(b, isLoopback));
}

/** Whether two sockets with one port would be in each other's way; who listens at 127.0.0.1 does so at ::1 too. */
function meets(a: string, b: string): boolean {
  const [one, other] = [a, b].map((address) => (address === "::1" ? "127.0.0.1" : address));
  return one === other || isOf(a, isUnspecified) || isOf(b, isUnspecified);
}

function isOf(text: string, holds: (address: Address) => boolean): boolean {
  const address = parseAddress(text);
  return address !== undefined && holds(address);
}
