import type { TargetContext } from "@lockstep/plugin";
import { readEnvironment, type SshConnection } from "./connection.ts";
import type { Ran, RemoteHost } from "./host.ts";
import { quote, quoteAll } from "./shell.ts";

/**
 * Runs a user's command in the live release, in a shell of its own, with the variables of the config.
 *
 * Words and values reach the host on stdin: no argument list and no process list on the way shows them.
 *
 * @returns Status 126 or 127 when there is no such program, as shells have it.
 */
export async function runUserCommand(
  ctx: TargetContext,
  connection: SshConnection,
  { host, words }: { readonly host: RemoteHost; readonly words: readonly string[] },
): Promise<Ran> {
  const variables = await readEnvironment(connection, ctx);
  const exports = Object.entries(variables).map(
    ([name, value]) => `export ${name}=${quote(value)}`,
  );
  const text = ['cd "$P/current" || exit', ...exports, `exec ${quoteAll(words)} </dev/null`];
  return host.exec(ctx, {
    text: text.join("\n"),
    values: { P: connection.settings.path },
  });
}
