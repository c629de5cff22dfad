import type { Command } from "../command.ts";
import { chat } from "./chat.ts";
import { doctor } from "./doctor.ts";
import { flood } from "./flood.ts";
import { monitor } from "./monitor.ts";
import { ping } from "./ping.ts";
import { receive } from "./receive.ts";
import { send } from "./send.ts";

/** All subcommands, in the order of `amalgam --help`. */
export const commands: readonly Command[] = [chat, send, receive, flood, ping, monitor, doctor];
