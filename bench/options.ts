/** The value of `--name=value` on the command line, or the default. */
export function option(name: string, otherwise: string): string {
  const prefix = `--${name}=`;
  const given = process.argv.find((argument) => argument.startsWith(prefix));
  return given === undefined ? otherwise : given.slice(prefix.length);
}
