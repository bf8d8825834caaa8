import type { WriteContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { containerFailed } from "../errors.ts";
import { whyFenced } from "../fence.ts";
import { REFUSED, stampName } from "../layout.ts";
import { outputTail } from "../output.ts";
import { quoteAll } from "../shell.ts";
import { commandText } from "../user-command.ts";

/** How the container of a release is run. */
export type ContainerInput = {
  readonly name: string;
  readonly engine: "podman" | "docker";
  readonly options: readonly string[];
  readonly command: readonly string[];
  readonly ready: readonly string[];
  /** Milliseconds until it has to be ready. */
  readonly readyMs: number;
  readonly stopFirst: boolean;
  readonly sudo: boolean;
};

/** Seconds that a container of which nothing else is known has to stay up. */
const STEADY_SECONDS = 2;

const HEAD = `
[ -d "$P/.lockstep/fence/$STAMP" ] || exit ${REFUSED.fenced}
engine() { if [ -n "$SUDO" ]; then sudo -n "$ENGINE" "$@"; else "$ENGINE" "$@"; fi; }
# running containers of this target but one
others() { engine ps --filter "label=lockstep=$NAME" --format '{{.Names}}' | while read -r c; do
  [ "$c" = "$1" ] || printf '%s\\n' "$c"; done; }
stop() { while read -r c; do engine stop "$c" >/dev/null </dev/null || exit 1; done; }`;

/** Stops whatever runs: there was nothing before. */
const STOP = `${HEAD}
others '' | stop`;

/**
 * A container that was started before is started again, so that going back is as quick as it can be. One that
 * does not get ready is removed, and the old one goes on, or is started again.
 */
const follow = (run: string, ready: string): string => `${HEAD}
cd "$P/current" && IMAGE=$(cat image) || exit
ID=$(pwd -P) && ID=\${ID##*/} && new="$NAME-$ID"
old=$(others "$new")
running() { [ "$(engine inspect -f '{{.State.Running}}' "$new" 2>/dev/null)" = true ]; }
up= looks=0
# asked what the config says, else what it says of itself; one of which nothing is known has to stay up
ready() {
  running || return 1
  if [ -n "$READY" ]; then engine exec "$new" ${ready} >/dev/null 2>&1 </dev/null; return; fi
  case $(engine inspect -f '{{if .State.Health}}{{.State.Health.Status}}{{end}}' "$new" 2>/dev/null) in
    (healthy) return 0 ;;
    (''|none)
      [ -n "$fresh" ] || return 0
      s=$(engine inspect -f '{{.State.StartedAt}}' "$new")
      [ "$s" = "$up" ] || { up=$s; looks=0; }
      looks=$((looks + 1)); [ "$looks" -gt ${STEADY_SECONDS} ]; return ;;
  esac
  # podman leaves it to systemd to ask, which may not be there
  [ "$ENGINE" = podman ] && engine healthcheck run "$new" >/dev/null 2>&1 </dev/null
}
if ! running; then
  fresh=yes
  [ -z "$STOPFIRST" ] || printf '%s\\n' "$old" | sed -n '/./p' | stop || exit
  if engine inspect "$new" >/dev/null 2>&1; then engine start "$new" >/dev/null
  else ( ${run} ) >/dev/null
  fi || failed=yes
fi
i=0
until [ -n "$failed" ] || ready; do
  if [ "$i" -ge "$SECS" ]; then failed=yes; else i=$((i + 1)); sleep 1; fi
done
if [ -n "$failed" ]; then
  engine logs --tail 20 "$new" 2>&1
  engine rm -f "$new" >/dev/null 2>&1
  if [ -n "$STOPFIRST" ]; then for c in $old; do engine start "$c" >/dev/null; done; fi
  exit 1
fi
others "$new" | stop || exit
# containers of releases that are gone
engine ps -a --filter "label=lockstep=$NAME" --format '{{.Names}}' | while read -r c; do
  [ -d "$P/releases/\${c#"$NAME-"}" ] || engine rm "$c" >/dev/null </dev/null
done`;

/**
 * Has a container of the live release take the place of the one before.
 *
 * @throws {LockstepError} `SSH_CONTAINER_FAILED`, `FENCED`
 */
export async function followContainer(
  ctx: WriteContext<SshConnection>,
  path: string,
  container: ContainerInput,
): Promise<void> {
  const { options, command, ready } = container;
  const host = hostOf(ctx.connection, ctx.unit);
  const words = '"$ENGINE" run -d --name "$new" --label "lockstep=$NAME"';
  const variables = await commandText(ctx, ctx.connection, { host, words: ["true"] });
  // the variables of the config are for commands on the host; a container gets what its options say
  const exported = variables.split("\n").slice(0, -1).join("\n");
  const as = container.sudo ? `sudo -n ${passedOn(ctx, options)}` : "";
  const run = `${exported}\n${as}${words} ${quoteAll(options)} "$IMAGE" ${quoteAll(command)} </dev/null`;
  await ask(ctx, { path, container, text: follow(run, quoteAll(ready)) });
}

/** Has sudo keep the variables that the options take: it would drop them without a word. */
function passedOn({ connection }: WriteContext<SshConnection>, options: readonly string[]): string {
  const taken = takenBy(options, connection.settings.env);
  return taken.length === 0 ? "" : `--preserve-env=${taken.join(",")} `;
}

/** Names of the variables that options of a container take without saying a value. */
export function takenBy(
  options: readonly string[],
  env: Readonly<Record<string, unknown>>,
): string[] {
  const names = new Set(["LOCKSTEP_HOST", "LOCKSTEP_RELEASE", ...Object.keys(env)]);
  return [...names].filter((name) =>
    options.some((option) => [name, `-e${name}`, `-e=${name}`, `--env=${name}`].includes(option)),
  );
}

/** Stops the container of a first release that is put back. */
export async function stopContainer(
  ctx: WriteContext<SshConnection>,
  path: string,
  container: ContainerInput,
): Promise<void> {
  await ask(ctx, { path, container, text: STOP });
}

async function ask(
  ctx: WriteContext<SshConnection>,
  {
    path,
    container,
    text,
  }: { readonly path: string; readonly container: ContainerInput; readonly text: string },
): Promise<void> {
  const host = hostOf(ctx.connection, ctx.unit);
  const values = {
    P: path,
    STAMP: stampName(ctx.stamp),
    NAME: container.name,
    ENGINE: container.engine,
    SUDO: container.sudo ? "yes" : "",
    STOPFIRST: container.stopFirst ? "yes" : "",
    READY: container.ready.length > 0 ? "yes" : "",
    SECS: String(Math.max(STEADY_SECONDS + 1, Math.ceil(container.readyMs / 1000))),
    failed: "",
    fresh: "",
  };
  const ran = await host.exec(ctx, { text, values });
  if (ran.status === 0) return;
  const { stamp } = ctx;
  const isFenced = ran.status === REFUSED.fenced;
  const why = isFenced ? await whyFenced(ctx, host, { path, stamp }) : undefined;
  throw why ?? containerFailed(host, container.name, outputTail(`${ran.stdout}\n${ran.stderr}`));
}
