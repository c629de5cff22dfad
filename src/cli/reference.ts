import type { Command } from "./command.ts";
import { helpOf, overview } from "./help.ts";

/** The text of docs/cli.md: what `--help` says, in one place. */
export function cliReference(commands: readonly Command[]): string {
  const block = (text: string) => `\`\`\`text\n${text.trimEnd()}\n\`\`\``;
  const sections = commands.map((command) => `## amalgam ${command.name}\n\n${block(helpOf(command))}`);
  return `# The amalgam command

What \`amalgam --help\` and \`amalgam COMMAND --help\` say. A test keeps this page and the program equal
(\`npx vitest run --project real src/cli -u\` writes it anew).

Results go to the standard output, remarks and progress to the standard error. Colours and redrawing are used on
terminals only; \`NO_COLOR\` turns colours off. An unknown command, option or value is answered with the nearest right one.

${block(overview(commands))}

${sections.join("\n\n")}
`;
}
