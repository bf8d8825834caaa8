import type { Stamp, TargetContext } from "@lockstep/plugin";
import { readEnvironment, type SshConnection } from "./connection.ts";
import type { Ran, RemoteHost } from "./host.ts";
import { REFUSED, stampName } from "./layout.ts";
import { quote, quoteAll } from "./shell.ts";

/** What is run, and for whom. */
export interface UserCommand {
  readonly host: RemoteHost;
  /** Program and arguments. */
  readonly words: readonly string[];
  /** With it the command only runs while this is the stamp of the host. */
  readonly stamp?: Stamp;
}

/**
 * Runs a user's command in the live release, in a shell of its own, with the variables of the config.
 *
 * Words and values reach the host on stdin: no argument list and no process list on the way shows them.
 *
 * @returns Status 126 or 127 when there is no such program, as shells have it; 70 when the stamp is gone.
 */
export async function runUserCommand(
  ctx: TargetContext,
  connection: SshConnection,
  { host, words, stamp }: UserCommand,
): Promise<Ran> {
  const variables = await readEnvironment(connection, ctx);
  const text = [
    'cd "$P/current" || exit',
    ...(stamp === undefined ? [] : [STAMPED]),
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`),
    `exec ${quoteAll(words)} </dev/null`,
  ];
  return host.exec(ctx, {
    text: text.join("\n"),
    values: {
      P: connection.settings.path,
      ...(stamp === undefined ? {} : { STAMP: stampName(stamp) }),
    },
  });
}

const STAMPED = `[ -d "$P/.lockstep/fence/$STAMP" ] || exit ${REFUSED.fenced}`;
