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
  /** Folder below the path of the target; default `current`. */
  readonly folder?: string;
  /** With it the command only runs while this is the stamp of the host. */
  readonly stamp?: Stamp;
}

/**
 * Runs a user's command in a release, in a shell of its own, with the variables of the config and with
 * `LOCKSTEP_HOST` and `LOCKSTEP_RELEASE`.
 *
 * Words and values reach the host on stdin: no argument list and no process list on the way shows them.
 *
 * @returns Status 126 or 127 when there is no such program, as shells have it; 70 when the stamp is gone.
 */
export async function runUserCommand(
  ctx: TargetContext,
  connection: SshConnection,
  { host, words, stamp, folder = "current" }: UserCommand,
): Promise<Ran> {
  const text = [
    'cd "$P/$FOLDER" || exit',
    ...(stamp === undefined ? [] : [STAMPED]),
    await commandText(ctx, connection, { host, words }),
  ];
  return host.exec(ctx, {
    text: text.join("\n"),
    values: {
      P: connection.settings.path,
      FOLDER: folder,
      ...(stamp === undefined ? {} : { STAMP: stampName(stamp) }),
    },
  });
}

/** Prints the folder of the release: the one it runs in, or the live one where it runs beside them. */
const RELEASE_HERE = "if [ -d .lockstep ]; then cd -P current 2>/dev/null || exit; fi; pwd -P";

/** The last lines of a script: a command of the user's with its variables, run where the script is. */
export async function commandText(
  ctx: TargetContext,
  connection: SshConnection,
  { host, words }: Pick<UserCommand, "host" | "words">,
): Promise<string> {
  const variables = { LOCKSTEP_HOST: host.name, ...(await readEnvironment(connection, ctx)) };
  return [
    `LOCKSTEP_RELEASE=$(${RELEASE_HERE}); LOCKSTEP_RELEASE=\${LOCKSTEP_RELEASE##*/}; export LOCKSTEP_RELEASE`,
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`),
    `exec ${quoteAll(words)} </dev/null`,
  ].join("\n");
}

const STAMPED = `[ -d "$P/.lockstep/fence/$STAMP" ] || exit ${REFUSED.fenced}`;
