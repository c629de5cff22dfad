import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { membershipTimeouts } from "../../membership/timeouts.ts";
import { adminPlaces } from "../admin.ts";
import { DEBUG_FLAGS, DIRECTIVE_NAMES } from "./directives.ts";
import { localConfig, loopbackConfig, parseSiteConfig } from "./parse-site.ts";
import { ConfigError } from "./problem.ts";

const NONE = { severity: "warning" } as const;

function failure(text: string, lookup?: (name: string) => string[]): ConfigError {
  try {
    parseSiteConfig(text, "spread.conf", lookup);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("expected a ConfigError");
}

const SEGMENT = "Spread_Segment 10.0.0.255:4803 { a 10.0.0.1 ; b 10.0.0.2 }\n";

describe("a configuration file", () => {
  test("of a Spread daemon gives its segments, ids and hash", () => {
    const { site, warnings } = parseSiteConfig("Spread_Segment 127.0.0.255:4911 {\n  localhost 127.0.0.1\n}\n");
    expect(warnings).toEqual([]);
    expect(site.spreadHash).toBe(930_046_480);
    expect(site.segments).toHaveLength(1);
    expect(site.segments[0]).toMatchObject({ address: "127.0.0.255", port: 4911, multicast: false });
    expect(site.daemons).toEqual([
      {
        name: "localhost",
        id: 482_711_334,
        segment: 0,
        site: 0,
        index: 0,
        address: "127.0.0.1",
        host: undefined,
        port: 4911,
        httpPort: undefined,
        interfaces: [{ address: "127.0.0.1", zone: undefined, client: true, daemon: true, monitor: true }],
      },
    ]);
  });

  test("may use every directive of Spread", () => {
    const { site, warnings } = parseSiteConfig(
      `
      # comment
      DebugFlags = { PRINT EXIT ! EXIT SESSION }
      EventPriority = WARNING
      EventLogFile = "/var/log/spread_%h.log"
      EventTimeStamp = "[%H:%M]"
      EventPreciseTimeStamp
      DangerousMonitor = TRUE
      SocketPortReuse = ON
      RuntimeDir = /run/spread
      DaemonUser = nobody  DaemonGroup = 'no group'
      AllowedAuthMethods = "NULL IP"   RequiredAuthMethods = "IP"
      AccessControlPolicy = "PERMIT"
      MaxSessionMessages = 5000
      ActiveIPVersion = ipv4
      Window = 200  PersonalWindow = 40  AcceleratedRing = no  AcceleratedWindow = 60
      TokenTimeout = 1 HurryTimeout = 2 AliveTimeout = 3 JoinTimeout = 4 RepTimeout = 5 SegTimeout = 6
      GatherTimeout = 7 FormTimeout = 80 LookupTimeout = 9
      WideAreaNetwork = no
      ExcludeSegAddrsFromHash = yes
      IgnoreMulticastJoinErrors = true
      Spread_Segment 239.1.2.3 10.0.0.255 {
        one 10.0.0.1 VirtualID = 17 { D 10.0.0.1  C 192.168.0.1 192.168.0.2 }
        10.0.0.2 ;
        "C" 10.0.0.3
      }
      Spread_Segment 239.1.2.4:5000 { other }`,
      "spread.conf",
      () => ["::1", "10.0.1.1"],
    );
    expect(warnings.map(({ line, message }) => [line, message])).toEqual([
      [22, "only the first address of a segment is used"],
      [17, "the token of an idle ring goes round so seldom that it is given up for lost"],
      [6, "the log has the time in milliseconds always: this changes nothing"],
      [7, "the log has the time in milliseconds always: this changes nothing"],
      [10, "the daemon does not change its directory or its root: this changes nothing"],
      [3, "the log has levels and no classes of events: SESSION change nothing"],
    ]);
    expect(
      site.daemons.map(({ name, id, address, port, segment }) => ({ name, id, address, port, segment })),
    ).toMatchObject([
      { name: "one", id: 17, address: "10.0.0.1", port: 4803, segment: 0 },
      { name: "10.0.0.2", address: "10.0.0.2", port: 4803 },
      { name: "C", address: "10.0.0.3" },
      { name: "other", address: "10.0.1.1", port: 5000, segment: 1 },
    ]);
    expect(site.daemons[0]?.interfaces).toEqual([
      { address: "10.0.0.1", zone: undefined, client: false, daemon: true, monitor: false },
      { address: "192.168.0.1", zone: undefined, client: true, daemon: false, monitor: false },
      { address: "192.168.0.2", zone: undefined, client: true, daemon: true, monitor: true },
    ]);
    expect(site.segments[0]).toMatchObject({ multicast: true, moreAddresses: ["10.0.0.255"] });
    expect(site.timeouts).toMatchObject({ tokenMs: 1, tokenProbeMs: 2, lookupMs: 9, formResendMs: 10 });
    expect(site.window).toEqual({ global: 200, personal: 40, accelerated: false, acceleratedPackets: 60 });
    expect(site.authentication).toMatchObject({ allowed: ["NULL", "IP"], required: ["IP"] });
    expect(site.log).toEqual({
      level: "warning",
      flags: ["PRINT", "SESSION"],
      file: "/var/log/spread_%h.log",
    });
    expect(site).toMatchObject({ dangerousMonitor: true, ignoreMulticastJoinErrors: true, family: "ipv4" });
    expect(site.sessions).toMatchObject({ messagesMax: 5_000, portReuse: "on" });
    expect(site.runtime).toEqual({ user: "nobody", group: "no group" });
  });

  test("names no folder whose sockets would have longer paths than the system takes", () => {
    const socketIn = (bytes: number): string => {
      const text = `UnixSocketDir = "/${"x".repeat(bytes - 1)}" Spread_Segment 127.0.0.255 { a 127.0.0.1:65534 }`;
      return adminPlaces(parseSiteConfig(text).site.sessions.unixDirectory, 65_534).socket;
    };
    expect(socketIn(88)).toHaveLength(107);
    expect(() => socketIn(89)).toThrow("UnixSocketDir is longer than 88 bytes");
  });

  test("may use our extensions in the same syntax", () => {
    const { site } = parseSiteConfig(`
      Dissemination = unicast   TimeoutProfile = fast   PrimaryPolicy = static 2   PayloadLimit = 100000
      GroupAddresses = Always   RegionWaste = 20
      DatagramBytes = 8900   HttpPort = 9803   HttpAddress = 0.0.0.0   Protocol = 1   MaxSessions = 10
      Spread_Segment 127.0.0.255:4803 { a 127.0.0.1:4803  b 127.0.0.1:4813  c 127.0.0.2:4803 }`);
    expect(site).toMatchObject({
      dissemination: "unicast",
      timeouts: membershipTimeouts("fast"),
      primaryPolicy: { kind: "static", size: 2 },
      regions: { dissemination: "hybrid", wasteLimit: 0.2 },
      datagramBytes: 8_900,
      http: { address: "0.0.0.0", port: 9_803 },
      protocolVersion: 1,
    });
    expect(site.sessions).toMatchObject({ payloadBytesMax: 100_000, sessionsMax: 10 });
    expect(site.daemons.map(({ port, httpPort }) => [port, httpPort])).toEqual([
      [4803, 9803],
      [4813, 9804],
      [4803, 9805],
    ]);
  });

  test("may bound what is kept for clients, and name a file of passwords", () => {
    const { site, warnings } = parseSiteConfig(`
      DeliveryWindow = 100000   ResumeGrace = 0   ResumeBytes = 90000000   MaxNativeSessionMessages = 50
      AllowedAuthMethods = "IP PWORD"   PasswordFile = /etc/amalgam/passwords
      ${SEGMENT}`);
    expect(warnings).toEqual([]);
    expect(site.sessions).toMatchObject({
      deliveryWindowBytes: 100_000,
      resumeGraceMs: 0,
      resumeBytesMax: 90_000_000,
      resumeTotalBytesMax: 90_000_000,
      nativeMessagesMax: 50,
    });
    expect(site.authentication).toMatchObject({ allowed: ["IP", "PWORD"], passwordFile: "/etc/amalgam/passwords" });
  });

  test("may use IPv6, with names of daemons taken from canonical addresses", () => {
    const { site } = parseSiteConfig(
      "Spread_Segment [ff02:0:0::1]:4900 { FD00:0:0:0:0:0:0:1 ; b fd00::2 { D fd00::2 C fe80::2%eth0 } }",
    );
    expect(site).toMatchObject({ family: "ipv6", segments: [{ address: "ff02::1", multicast: true, port: 4900 }] });
    expect(site.daemons.map((daemon) => daemon.name)).toEqual(["fd00::1", "b"]);
    expect(site.daemons[1]?.interfaces[1]).toMatchObject({ address: "fe80::2", zone: "eth0", client: true });
  });

  test("needs none of its directives", () => {
    const { site } = parseSiteConfig(SEGMENT);
    expect(site).toMatchObject({
      dissemination: "auto",
      timeouts: membershipTimeouts("lan"),
      primaryPolicy: { kind: "majority" },
      regions: { dissemination: "auto", wasteLimit: 0 },
      window: { global: undefined, personal: undefined, accelerated: true, acceleratedPackets: 15 },
      sessions: { messagesMax: 1_000, payloadBytesMax: 16_777_216 },
      http: undefined,
      authentication: { allowed: ["NULL"], required: [] },
    });
  });

  test("sends longer packets over streams, unless there are sites or it is told otherwise", () => {
    const bytes = (prefix: string) => parseSiteConfig(prefix + SEGMENT).site.datagramBytes;
    expect(bytes("")).toBe(1_400);
    expect(bytes("DatagramBytes = Auto\n")).toBe(1_400);
    expect(() => bytes("DatagramBytes = none\n")).toThrow(
      "DatagramBytes is a number from 576 to 65000 (bytes), or auto",
    );
    expect(bytes("Dissemination = TCP\n")).toBe(8_000);
    expect(bytes("Dissemination = tcp DatagramBytes = 2000\n")).toBe(2_000);
    const sites = `Dissemination = tcp Site x { ${SEGMENT} } Site y { Spread_Segment 10.9.255.255 { z 10.9.0.1 } }`;
    expect(parseSiteConfig(sites).site.datagramBytes).toBe(1_400);
    expect(() => parseSiteConfig(`Dissemination = tpc\n${SEGMENT}`)).toThrow(/Did you mean tcp/);
  });

  test("takes numbers of ten digits as well, where a directive goes as far", () => {
    const total = (text: string) =>
      parseSiteConfig(`ResumeBytesTotal = ${text} ${SEGMENT}`).site.sessions.resumeTotalBytesMax;
    expect(total("5000000000")).toBe(5_000_000_000);
    expect(total("9999999999")).toBe(9_999_999_999);
    expect(() => total("10000000000")).toThrow('from 0 to 9999999999 (bytes); found "10000000000"');
    expect(() => total("5000000000x")).toThrow("ResumeBytesTotal is a number");
  });

  test("has a hash that changes with what the daemons must agree on, and only then", () => {
    const hash = (prefix: string, segment = SEGMENT) => parseSiteConfig(prefix + segment).site.hash;
    for (const free of [
      "Dissemination = tcp\n",
      "TimeoutProfile = fast\n",
      "Window = 99\n",
      "HttpPort = 9803\n",
      "Dissemination = unicast\n",
    ]) {
      expect(hash(free)).toBe(hash(""));
    }
    const others = [
      "PayloadLimit = 5000\n",
      "PrimaryPolicy = none\n",
      "PrimaryPolicy = static 2\n",
      "RegionWaste = 5\n",
      "GroupAddresses = never\n",
    ].map((p) => hash(p));
    others.push(hash("", SEGMENT.replace("b 10.0.0.2", "b 10.0.0.3")), hash("", SEGMENT.replace("4803", "4804")));
    expect(new Set([...others, hash("")]).size).toBe(others.length + 1);
  });
});

describe("without a file", () => {
  test("there is one local daemon", () => {
    const site = localConfig();
    expect(site.daemons).toMatchObject([{ name: "localhost", address: "127.0.0.1", port: 4803 }]);
    expect(localConfig({ name: "node", port: 5000 }).daemons).toMatchObject([{ name: "node", port: 5000 }]);
    for (const name of ["odd name", "", 'with"quote', "a-name-of-20-letters"]) {
      expect(() => localConfig({ name })).toThrow(`no daemon can be called ${JSON.stringify(name)}`);
    }
    expect(localConfig({ name: "a-name-of-19-letter" }).daemons[0]?.name).toBe("a-name-of-19-letter");
  });

  test("several daemons of one host have ports of their own", () => {
    expect(loopbackConfig(["a", "b"], { port: 5000 }).daemons.map((daemon) => daemon.port)).toEqual([5000, 5010]);
  });
});

describe("what is wrong is shown where it is, with what would be right", () => {
  test("the whole message has file, line, column, the line, a caret and the remedy", () => {
    expect(failure(`\n\tWindwo = 160\n${SEGMENT}`).message).toBe(
      [
        'spread.conf:2:2: error: there is no directive "Windwo"',
        "  2 | \tWindwo = 160",
        "    | \t^^^^^^",
        "  Did you mean Window?",
      ].join("\n"),
    );
  });

  test.each([
    [
      "",
      "1:1",
      "the file has no Spread_Segment",
      "The smallest file is: Spread_Segment 127.0.0.255:4803 { localhost 127.0.0.1 }",
    ],
    ["Window=160", "1:1", "there must be blanks around =", "Write Window = 160"],
    ["Window =160", "1:8", 'expected = after Window, found "=160"', "Write = 160"],
    ["window = 160", "1:1", 'there is no directive "window"', "Case counts: write Window"],
    ["Window = many", "1:10", 'Window is a number from 1 to 32767 (packets); found "many"', undefined],
    ["Window = 0", "1:10", 'Window is a number from 1 to 32767 (packets); found "0"', undefined],
    ["DangerousMonitor = on", "1:20", 'DangerousMonitor is true or false; found "on"', undefined],
    ["SocketPortReuse = true", "1:19", 'SocketPortReuse is on, off or auto; found "true"', undefined],
    [
      "EventPriority = INFOS",
      "1:17",
      'EventPriority is pDEBUG, INFO, WARNING, ERROR, CRITICAL or FATAL; found "INFOS"',
      "Did you mean INFO?",
    ],
    ["DebugFlags = { PRNT }", "1:16", 'this is no debug flag; found "PRNT"', "Did you mean PRINT?"],
    [
      "PrimaryPolicy = static",
      "1:23",
      "static needs the number of daemons that make a primary; found the end of the file",
      "For example: PrimaryPolicy = static 3",
    ],
    [
      "PrimaryPolicy = static 3 Spread_Segment 10.0.0.255 { a 10.0.0.1 }",
      "1:1",
      "no configuration could ever be primary: 3 daemons are asked for and there are 1",
      undefined,
    ],
    [
      "Spread_Segment { a 10.0.0.1 }",
      "1:16",
      'expected the segment\'s address, found "{"',
      "For example: Spread_Segment 10.0.0.255:4803 { … }",
    ],
    [
      "Spread_Segment 10.0.0.255 {\n a 10.0.0.1\n",
      "1:27",
      "the segment that begins here is not closed",
      "Close it with }",
    ],
    [
      "Spread_Segment 10.0.0.255 { C 10.0.0.1 }",
      "1:29",
      'expected a daemon\'s name or address, found "C"',
      'C is a keyword; as a name write "C"',
    ],
    [
      "Spread_Segment 10.0.0.255 { 17 10.0.0.1 }",
      "1:29",
      'expected a daemon\'s name or address, found "17"',
      '17 is a number; as a name write "17"',
    ],
    [
      "Spread_Segment 10.0.0.255 { a 10.0.0.1 a 10.0.0.2 }",
      "1:40",
      "two daemons are called a",
      "Names tell daemons apart; change one",
    ],
    [
      "Spread_Segment 10.0.0.255 { a 10.0.0.1 b 10.0.0.1 }",
      "1:42",
      "b and a have the same address and port",
      "On one address each needs a port of its own: b 10.0.0.1:4805",
    ],
    [
      "Spread_Segment 10.0.0.255 { a 10.0.0.1 b 10.0.0.1:4804 }",
      "1:42",
      "the ports of b and a overlap",
      "A daemon uses its port and the next one: leave at least one port between them",
    ],
    [
      "Spread_Segment 10.0.0.255 { a }",
      "1:29",
      'no address is known for the name "a"',
      "Write the address behind the name: a 10.0.0.1; or the name of its host: a Host = node1.example.org",
    ],
    [
      "Spread_Segment 10.0.0.255 { a fd00::1 }",
      "1:16",
      "10.0.0.255 is an IPv4 address, but the first daemon has an IPv6 address",
      "All daemons and segments of a site use one family",
    ],
    [
      "Spread_Segment 10.0.0.255 { a 224.0.0.1 }",
      "1:31",
      "a daemon cannot have a multicast address",
      "Give the address by which the others reach it",
    ],
    [
      "Spread_Segment 10.0.0.255 { a 10.0.0.1 { C 10.0.0.1 } }",
      "1:29",
      "no interface of a is for other daemons at its address 10.0.0.1",
      "Add D 10.0.0.1 to the list",
    ],
    [
      "Spread_Segment 10.0.0.255 { a 10.0.0.1 { 10.0.0.1:99 } }",
      "1:42",
      "an interface has no port of its own",
      "Give a itself a port: 10.0.0.1:99",
    ],
    [
      "Spread_Segment 10.0.0.255 { a 10.0.0.1 VirtualID = 5 b 10.0.0.2 VirtualID = 5 }",
      "1:77",
      "b and a have the same virtual id 5",
      "Set another one: name address VirtualID = number",
    ],
    [
      'Spread_Segment 10.0.0.255 { "a b" 10.0.0.1 }',
      "1:29",
      'the name "a b" contains " "',
      "Names are made of the ASCII characters from $ to ~: letters, digits, - . _ and others, no blanks and no #",
    ],
    ['Spread_Segment 10.0.0.255 { "" 10.0.0.1 }', "1:29", "a daemon's name cannot be empty", undefined],
    [
      "Spread_Segment 10.0.0.255 { }",
      "1:1",
      "no segment has a daemon",
      "Name one between the braces, such as: node1 10.0.0.1",
    ],
    [
      "Spread_Segment 239.1.1.1:65535 { a 10.0.0.1:4803 }",
      "1:16",
      "port 65535 leaves none for the token",
      "The group uses its port and the next one",
    ],
    [
      "Spread_Segment [ff02::1] { a [fe80::1%eth0]:4803 }",
      "1:30",
      "a daemon cannot have a link-local address",
      "Give it a global or unique local one (fd…): the zone behind the % is another one on each host",
    ],
    ["Spread_Segment 0.0.0.0 { a 10.0.0.1 }", "1:16", "a segment cannot have the unspecified address", undefined],
    ["Spread_Segment 10.0.0.255:70000 { a 10.0.0.1 }", "1:16", "there is no port 70000", "Ports end at 65535"],
    ['EventLogFile = "abc', "1:16", "the quoted text that begins here never ends", 'Close it with "'],
    [
      `TokenTimeout = 5 ${SEGMENT}`,
      "1:1",
      "timeouts are set all nine together or not at all",
      "Set these too: HurryTimeout, AliveTimeout, JoinTimeout, RepTimeout, SegTimeout, GatherTimeout, FormTimeout, LookupTimeout; or use TimeoutProfile = lan, fast, sites, spread or wan",
    ],
    [
      "HttpPort = 65535 Spread_Segment 127.0.0.255 { a 127.0.0.1 ; b 127.0.0.1:4810 }",
      "1:63",
      "HttpPort leaves no port for b: daemons of one host count up from 65535",
      "At most 65534 here",
    ],
    [
      "HttpPort = 4809 Spread_Segment 127.0.0.255 { a 127.0.0.1 ; b 127.0.0.1:4810 }",
      "1:1",
      "HttpPort counts up to 4810 for b, which is a port of b, at 127.0.0.1:4810",
      "Daemons use their port and the next one: HttpPort needs as many free ones in a row as a host has daemons",
    ],
    [
      "HttpPort = 4804 Spread_Segment 127.0.0.255 { a 127.0.0.1 }",
      "1:1",
      "HttpPort is a port of a, at 127.0.0.1:4803",
      "Daemons use their port and the next one: HttpPort needs as many free ones in a row as a host has daemons",
    ],
    [
      `Window = 10 PersonalWindow = 20 ${SEGMENT}`,
      "1:13",
      "PersonalWindow is greater than Window",
      "Window is 10: what one daemon may send per round is part of what all may",
    ],
    [
      `AcceleratedWindow = 21 ${SEGMENT}`,
      "1:1",
      "AcceleratedWindow is greater than PersonalWindow",
      "PersonalWindow is 20: a daemon cannot send more after the token than it may send at all",
    ],
    [
      `ResumeBytes = 2000 ResumeBytesTotal = 1000 ${SEGMENT}`,
      "1:20",
      "what is kept for all clients is less than what is kept for one",
      "ResumeBytes is 2000",
    ],
    [
      `RequiredAuthMethods = "PWORD" ${SEGMENT}`,
      "1:1",
      "the method PWORD needs a PasswordFile; Spread's own file of passwords cannot be used",
      'Write lines of "amalgam password USER" into a file and name it: PasswordFile = /etc/amalgam/passwords',
    ],
    [`AccessControlPolicy = "DENY" ${SEGMENT}`, "1:1", "there is no access control policy DENY", "There is PERMIT"],
    ["}", "1:1", "this } closes nothing", undefined],
    ["[10.0.0.1]:80", "1:1", "only an IPv6 address stands in brackets", "For example [ff02::1]:4803"],
  ])("%j", (text, place, message, remedy) => {
    const { problem } = failure(text);
    expect({ place: `${problem.line}:${problem.column}`, message: problem.message, remedy: problem.remedy }).toEqual({
      place,
      message,
      remedy,
    });
  });

  test.each([
    ["a segment of 129 daemons", many(129), "there are more than 128 daemons"],
    ["21 segments", SEGMENT.repeat(21), "two daemons are called a"],
    [
      "six addresses",
      "Spread_Segment 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 { a 1.2.3.4 }",
      "a segment has at most 5 addresses",
    ],
    [
      "eleven interfaces",
      `Spread_Segment 1.1.1.1 { a 1.2.3.4 { ${"1.2.3.4 ".repeat(11)} } }`,
      "a daemon has at most 10 interfaces",
    ],
  ])("limits: %s", (_, text, message) => {
    expect(failure(text).problem.message).toBe(text.startsWith(SEGMENT) ? "there are more than 20 segments" : message);
  });
});

describe("what is odd is a warning", () => {
  test.each([
    [`Window = 160 Window = 170 ${SEGMENT}`, "Window was set before; this value replaces the first one"],
    [SEGMENT.replace("a ", "a; "), 'the name ends with a semicolon: "a;"'],
    [
      SEGMENT.replace("a ", "a-name-of-21-letters- "),
      "names end after 19 characters: this daemon is called a-name-of-21-letter",
    ],
    [SEGMENT.replace("10.0.0.255", "127.0.0.255"), "daemons of other hosts cannot be reached by 127.0.0.255"],
    [`AllowedAuthMethods = "NULL PAM" ${SEGMENT}`, 'there is no authentication method "PAM"; it is ignored'],
    [
      `AllowedAuthMethods = "NULL PWORD" ${SEGMENT}`,
      "the method PWORD needs a PasswordFile; Spread's own file of passwords cannot be used. It is not offered",
    ],
    [`RequiredAuthMethods = "IP" ${SEGMENT}`, "no client can connect: no allowed method is left"],
    [
      `PrimaryPolicy = static 1 ${SEGMENT}`,
      "two sides of a split could both be primary: 1 is not more than half of 2 daemons",
    ],
    [`HttpAddress = 0.0.0.0 ${SEGMENT}`, "nothing listens at this address without HttpPort"],
  ])("%j", (text, message) => {
    expect(parseSiteConfig(text).warnings).toMatchObject([{ ...NONE, message }]);
  });

  test("a byte order mark, carriage returns and tabs change nothing", () => {
    const text = "Spread_Segment 10.0.0.255 {\n a 10.0.0.1\n}\n";
    const { site, warnings } = parseSiteConfig(`\uFEFF${text.replaceAll("\n", "\r\n").replaceAll(" ", "\t")}`);
    expect([site.hash, warnings]).toEqual([parseSiteConfig(text).site.hash, []]);
  });

  test("an address that is none is taken as a name, and then looked up", () => {
    const text = "Spread_Segment 10.0.0.255 { 10.0.0.999 }";
    expect(failure(text).problem.message).toBe('no address is known for the name "10.0.0.999"');
    expect(parseSiteConfig(text, "f", () => ["10.0.0.9"]).warnings).toMatchObject([
      { ...NONE, message: "10.0.0.999 is no address and is taken as a name" },
    ]);
  });
});

describe("arbitrary text", () => {
  const pieces = fc.oneof(
    fc.constantFrom(...DIRECTIVE_NAMES, ...DEBUG_FLAGS, "Spread_Segment", "VirtualID", "C", "D", "M"),
    fc.constantFrom("{", "}", "=", ";", "!", "[", "]", "#", "\n", '"', "'", "static", "auto", "on", "true", "lan"),
    fc.constantFrom(
      "10.0.0.1",
      "10.0.0.1:4803",
      "::1",
      "[ff02::1]:80",
      "0.0.0.0",
      "239.0.0.1",
      "17",
      "a",
      "b",
      "9999999999",
    ),
    fc.string({ maxLength: 8 }),
  );

  test("shows what it has warned of before", () => {
    const { message } = failure("Spread_Segment 127.0.0.255:4803 {\n a 127.0.0.999\n}\n");
    expect(message).toContain("spread.conf:2:4: warning: 127.0.0.999 is no address and is taken as a name");
    expect(message).toContain('spread.conf:2:2: error: no address is known for the name "a"');
  });

  test("never makes the parser throw anything but a ConfigError", () => {
    const attempt = (text: string) => {
      try {
        parseSiteConfig(text, "f", (name) => (name === "a" ? ["10.0.0.7"] : []));
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
      }
    };
    fc.assert(fc.property(fc.string({ unit: "binary" }), attempt));
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (words) => attempt(words.join(" "))),
      { numRuns: 500 },
    );
    const segment = fc.array(pieces, { maxLength: 12 });
    fc.assert(
      fc.property(segment, segment, (addresses, daemons) =>
        attempt(`Spread_Segment 10.0.0.255 ${addresses.join(" ")} { ${daemons.join(" ")} }`),
      ),
      { numRuns: 500 },
    );
  });
});

function many(count: number): string {
  const daemons = Array.from({ length: count }, (_, i) => `d${i} 10.0.${i >> 8}.${i & 255}`);
  return `Spread_Segment 10.1.255.255 { ${daemons.join("\n")} }`;
}
