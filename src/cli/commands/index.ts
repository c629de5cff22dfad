import type { Command } from "../command.ts";
import { bench } from "./bench.ts";
import { chat } from "./chat.ts";
import { daemon } from "./daemon.ts";
import { doctor } from "./doctor.ts";
import { flood } from "./flood.ts";
import { monitor } from "./monitor.ts";
import { password } from "./password.ts";
import { ping } from "./ping.ts";
import { receive } from "./receive.ts";
import { reload } from "./reload.ts";
import { send } from "./send.ts";
import { sim } from "./sim.ts";

/** All subcommands, in the order of `amalgam --help`. */
export const commands: readonly Command[] = [
  daemon,
  chat,
  send,
  receive,
  flood,
  ping,
  monitor,
  doctor,
  reload,
  password,
  sim,
  bench,
];
