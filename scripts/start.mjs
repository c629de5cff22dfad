/*
 * `npm start`: three daemons on this machine over real UDP, clients with live traffic in three groups, one daemon killed and
 * brought back, and what the members saw of it. `--once` does one pass and exits: 0 if everything was as it should be.
 */
import { fork } from "node:child_process";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { describeChange } from "../dist/daemon/index.js";
import { connect } from "../dist/index.js";

const NAMES = ["alpha", "beta", "gamma"];
const PORTS = [4803, 14_803, 24_803, 28_803];
const SEND_EVERY_MS = 10;
/** When it runs on: people who join the group are to see their own words. */
const CALM_SEND_EVERY_MS = 2_000;
const VICTIM = "gamma";

const options = process.argv.slice(2);
const strange = options.find((option) => option !== "--once");
if (strange !== undefined) {
  const usage =
    "npm start: three daemons, until Ctrl-C; npm start -- --once: one pass, which exits 0 if all was as it should be";
  const isHelp = strange === "--help" || strange === "-h";
  console[isHelp ? "log" : "error"](isHelp ? usage : `there is no ${strange}. ${usage}`);
  process.exit(isHelp ? 0 : 2);
}
const once = options.includes("--once");
const startedAt = performance.now();
const daemons = new Map();
const clients = [];
const views = new Map();
const problems = [];
let port = 0;
let ending = false;
/** The pass is over: what happens now is somebody else's doing, and nothing is compared any more. */
let runsOn = false;

process.on("exit", () => {
  for (const { child } of daemons.values()) child.kill("SIGKILL");
});
// Nobody reads on (`| head`).
process.stdout.on("error", () => void end());
process.on("SIGINT", () => void end());
process.on("SIGHUP", () => void end());
process.on("SIGTERM", () => void end());

try {
  await main();
} catch (error) {
  if (!ending) {
    console.error(error);
    process.exit(1);
  }
}

async function main() {
  port = await freePorts();
  say(`starting three daemons on 127.0.0.1: ${NAMES.map((name, i) => `${name} ${port + 10 * i}`).join(", ")}`);
  await Promise.all(NAMES.map(startOne));
  await until("the daemons have formed a configuration", () => everyDaemonHas(NAMES), 15_000);

  await addClient("ada", "alpha", ["chat", "prices"]);
  await addClient("ben", "beta", ["chat", "jobs"]);
  await addClient("eve", VICTIM, ["chat", "prices", "jobs"]);
  await viewsToldAlike();

  await traffic(2_000, "all three daemons");

  const { child } = daemons.get(VICTIM);
  say("");
  say(`killing ${VICTIM} (SIGKILL, pid ${child.pid}): nobody is told`);
  const meanwhile = traffic(4_000, "a daemon that dies");
  await sleep(500);
  const killedAt = performance.now();
  child.kill("SIGKILL");
  daemons.delete(VICTIM);
  const others = NAMES.filter((name) => name !== VICTIM);
  await until("the others go on", () => everyDaemonHas(others), 10_000);
  await until("eve is back at another daemon", () => clients.every(({ connection }) => connection.connected), 10_000);
  await until(
    "eve is a member of her groups again",
    () => memberCount("chat") === 3 && memberCount("jobs") === 2,
    10_000,
  );
  await viewsToldAlike();
  await meanwhile;
  say(`delivery stood still for ${seconds(longestSilenceSince(killedAt))} s, the time it takes to be sure of a death`);

  say("");
  say(`bringing ${VICTIM} back`);
  await startOne(VICTIM, NAMES.indexOf(VICTIM));
  await until("it is in the configuration", () => everyDaemonHas(NAMES), 15_000);
  await addClient("gus", VICTIM, ["chat"]);
  await viewsToldAlike();
  await traffic(1_500, "all three daemons again");
  checkOrder();

  say("");
  if (once) {
    say(problems.length === 0 ? "everything was as it should be" : `not as it should be: ${problems.join("; ")}`);
    await end();
    return;
  }
  runsOn = true;
  adviseNext();
  while (!ending) await traffic(10_000, `${daemons.size} daemons`, CALM_SEND_EVERY_MS);
}

// ---- daemons --------------------------------------------------------------------------------------------------------

function startOne(name) {
  const script = fileURLToPath(new URL("./demo-daemon.mjs", import.meta.url));
  const child = fork(script, [name, NAMES.join(","), String(port)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const daemon = { child, members: [], address: "" };
  daemons.set(name, daemon);
  return new Promise((resolve, reject) => {
    child.on("message", (message) => {
      if (message.kind === "started") {
        daemon.address = message.address;
        resolve();
      } else if (message.kind === "failed") {
        reject(new Error(`${name} did not start: ${message.message}`));
      } else {
        const { change } = message;
        daemon.members = change.members;
        tell(`${name.padEnd(5)} in ${change.members.join("+")}: ${describeChange(change)}`);
      }
    });
    child.once("exit", (code, signal) => {
      if (daemons.get(name)?.child === child) daemons.delete(name);
      if (signal === "SIGKILL" || ending || runsOn) return;
      reject(new Error(`${name} ended with ${code}`));
      problems.push(`${name} ended by itself`);
    });
  });
}

function everyDaemonHas(names) {
  return names.every((name) => daemons.get(name)?.members.join() === names.join());
}

/** A base port at which all three can listen, by TCP and UDP. */
async function freePorts() {
  for (const base of PORTS) {
    const needed = NAMES.flatMap((_, i) => [base + 10 * i, base + 10 * i + 1]);
    const free = await Promise.all(needed.map(isFree));
    if (free.every(Boolean)) return base;
  }
  throw new Error(`no ports are free for the daemons: ${PORTS.join(", ")} and those behind them are taken`);
}

async function isFree(candidate) {
  const tcp = new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(candidate, "127.0.0.1", () => server.close(() => resolve(true)));
  });
  const udp = new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => socket.close(() => resolve(false)));
    socket.bind(candidate, "127.0.0.1", () => socket.close(() => resolve(true)));
  });
  return (await tcp) && (await udp);
}

// ---- clients --------------------------------------------------------------------------------------------------------

async function addClient(name, daemonName, groups) {
  const first = daemons.get(daemonName).address;
  const rest = [...daemons.values()].map(({ address }) => address).filter((address) => address !== first);
  const connection = await connect([first, ...rest], { name });
  const client = { name, connection, groups, received: 0, sent: 0, order: new Map(), arrivals: [] };
  clients.push(client);
  void follow(client);
  for (const group of groups) await connection.join(group);
  say(`${name} is connected to ${daemonName} as ${connection.privateGroup}, in ${groups.join(", ")}`);
}

async function follow(client) {
  try {
    for await (const event of client.connection) {
      switch (event.kind) {
        case "message":
          client.received += 1;
          if (runsOn) break;
          client.arrivals.push(performance.now());
          for (const group of event.groups)
            note(client, group, `${event.sender} ${new TextDecoder().decode(event.payload)}`);
          break;
        case "view":
          noteView(client, event);
          break;
        case "gap":
          client.order.delete(event.group);
          tell(`${client.name} missed messages of ${event.group} (${event.reason})`);
          break;
        case "disconnected":
          tell(`${client.name} lost its daemon: ${event.reason}`);
          break;
        case "reconnected":
          tell(`${client.name} is connected again, to ${event.address} as ${event.privateGroup}`);
          break;
        default: // Transitional signals and the like: the views tell enough here.
      }
    }
  } catch (error) {
    if (!ending) problems.push(`${client.name}: ${error.message}`);
  }
}

/** Everything that a member delivered of a group, in its order; begun anew where it missed something. */
function note(client, group, what) {
  const order = client.order.get(group) ?? [];
  order.push(what);
  client.order.set(group, order);
}

function noteView(client, view) {
  const key = `${view.group} ${JSON.stringify(view.id)}`;
  let known = views.get(key);
  if (known === undefined) {
    known = { view, members: view.members.join(" "), seenBy: [], told: false };
    views.set(key, known);
    setTimeout(() => tellView(known), 60);
  }
  known.seenBy.push(client.name);
  // To who joins, all are new: the others say better what has changed.
  if (view.joined.length < known.view.joined.length) known.view = view;
  if (known.members !== view.members.join(" ")) problems.push(`members saw different views of ${view.group}`);
}

function tellView(known) {
  const { view } = known;
  known.told = true;
  const came = view.joined.length > 0 ? `, came: ${view.joined.join(" ")}` : "";
  const left = view.left.length > 0 ? `, gone: ${view.left.join(" ")}` : "";
  const side = view.primary ? "primary" : "not primary";
  tell(
    `${view.group}: ${view.members.join(" ")} (${view.cause}${came}${left}; ${side}), seen alike by ${known.seenBy.join(", ")}`,
  );
}

function memberCount(group) {
  const last = [...views.values()].findLast(({ view }) => view.group === group);
  return last?.view.members.length ?? 0;
}

async function viewsToldAlike() {
  await until("all views are told", () => [...views.values()].every(({ told }) => told), 5_000);
}

async function traffic(ms, where, everyMs = SEND_EVERY_MS) {
  const before = clients.map(({ received, sent }) => ({ received, sent }));
  const services = ["agreed", "safe"];
  const begin = performance.now();
  const timer = setInterval(() => {
    for (const client of clients) {
      const group = client.groups[client.sent % client.groups.length];
      const service = services[client.sent % 2];
      client.sent += 1;
      client.connection.send(group, `${client.name}-${client.sent}`, { service }).catch((error) => {
        if (!ending) problems.push(`${client.name} could not send: ${error.message}`);
      });
    }
  }, everyMs);
  await sleep(ms);
  clearInterval(timer);
  await sleep(200);
  const took = (performance.now() - begin - 200) / 1000;
  if (ending) return;
  const each = clients.map(({ name, received }, i) => {
    const count = received - (before[i]?.received ?? 0);
    if (count === 0 && !runsOn) problems.push(`${name} received nothing`);
    return `${name} ${perSecond(count / took)}`;
  });
  const sent = clients.reduce((sum, client, i) => sum + client.sent - (before[i]?.sent ?? 0), 0);
  say(`traffic with ${where}: ${perSecond(sent / took, " messages")} sent; delivered: ${each.join(", ")}`);
}

/** The longest time in which nothing at all was delivered to any client since then, ms. */
function longestSilenceSince(since) {
  const times = clients.flatMap(({ arrivals }) => arrivals.filter((at) => at >= since)).sort((a, b) => a - b);
  let longest = 0;
  for (const [i, at] of [...times, performance.now()].entries())
    longest = Math.max(longest, at - (times[i - 1] ?? since));
  return longest;
}

/** Whether the members of a group delivered the same messages in the same order: those who were there all the time. */
function checkOrder() {
  for (const group of ["chat", "prices", "jobs"]) {
    const orders = clients
      .filter((client) => client.order.has(group))
      .map(({ name, order }) => ({ name, list: order.get(group) }));
    const longest = orders.reduce((a, b) => (a.list.length >= b.list.length ? a : b));
    for (const { name, list } of orders) {
      const from = longest.list.indexOf(list[0]);
      const same = list.every((what, i) => what === longest.list[from + i]);
      if (from < 0 || !same) problems.push(`${name} and ${longest.name} delivered ${group} in different orders`);
    }
    say(`${group}: ${longest.list.length} messages, in the same order at ${orders.map(({ name }) => name).join(", ")}`);
  }
}

// ---- what it says ---------------------------------------------------------------------------------------------------

function adviseNext() {
  const address = `${port}@127.0.0.1`;
  const next = [
    [`npx amalgam chat --address ${address} --join chat`, "a client for people"],
    [`npx amalgam monitor --address ${address}`, "the daemons, live"],
    [`npx amalgam ping --address ${address}`, "latency of each service"],
    [`npx amalgam flood --address ${address}`, "throughput"],
    [`kill -9 ${daemons.get("beta").child.pid}`, "another daemon"],
  ];
  const width = Math.max(...next.map(([line]) => line.length));
  const lines = next.map(([line, does]) => `  ${line.padEnd(width)}    ${does}`);
  console.log(`The daemons run on, with some traffic. In another terminal, in this folder:

${lines.join("\n")}

Ctrl-C ends everything.
`);
}

function say(text) {
  console.log(text === "" ? "" : `${stamp()}  ${text}`);
}

/** What a daemon or a member saw; that they go at the end is no news. */
function tell(text) {
  if (ending) return;
  console.log(`${stamp()}    ${text}`);
}

function stamp() {
  return `${seconds(performance.now() - startedAt)} s`.padStart(7);
}

function perSecond(rate, what = "") {
  return `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}${what}/s`;
}

function seconds(ms) {
  return (ms / 1000).toFixed(2);
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(what, condition, ms) {
  const giveUpAt = performance.now() + ms;
  while (!condition()) {
    if (ending) throw new Error("ending");
    if (performance.now() > giveUpAt) throw new Error(`waited ${ms / 1000} s in vain: ${what}`);
    await sleep(5);
  }
}

async function end() {
  if (ending) return;
  ending = true;
  if (!once) console.log("ending: clients say good-bye, daemons leave");
  await Promise.race([Promise.all(clients.map(({ connection }) => connection.close())), sleep(1_000)]);
  const children = [...daemons.values()]
    .map(({ child }) => child)
    .filter((child) => child.exitCode === null && child.signalCode === null);
  const ended = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
  for (const child of children) if (child.connected) child.send({ kind: "stop" });
  await Promise.race([Promise.all(ended), sleep(5_000)]);
  process.exit(problems.length === 0 ? 0 : 1);
}
