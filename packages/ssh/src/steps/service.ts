import type { WriteContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { serviceNotReady } from "../errors.ts";
import { lastLine } from "../output.ts";
import { runInStep } from "./run-in-step.ts";

/** A systemd unit that follows the link. */
export type ServiceInput = {
  readonly systemd: string;
  readonly action: "restart" | "reload" | "reload-or-restart";
  readonly sudo: boolean;
  /** Milliseconds until it has to be active. */
  readonly readyMs: number;
};

/** Waits until the unit is active: for N seconds; a unit that failed is not waited for. */
const AWAIT = `
i=0
while :; do
  s=$(systemctl show -p ActiveState -p SubState "$UNIT" | sort | tr '\\n' ' ')
  case $s in
    ('ActiveState=active '*) exit 0 ;;
    ('ActiveState=failed '*) break ;;
  esac
  [ "$i" -lt "$SECONDS_LEFT" ] || break
  i=$((i + 1)); sleep 1
done
printf '%s\\n' "$s"
systemctl status --no-pager --lines 20 "$UNIT" 2>/dev/null | tail -n 20
exit 1`;

/** The command that has the unit follow the link. */
export function serviceWords({ systemd, action, sudo }: ServiceInput): readonly string[] {
  return [...(sudo ? ["sudo", "-n"] : []), "systemctl", action, systemd];
}

/**
 * Restarts or reloads the unit and waits until it is active.
 *
 * @throws {LockstepError} `SSH_COMMAND_FAILED`, `SSH_SERVICE_NOT_READY`, `FENCED`
 */
export async function followLink(
  ctx: WriteContext<SshConnection>,
  path: string,
  service: ServiceInput,
): Promise<void> {
  await runInStep(ctx, { words: serviceWords(service), path });
  const host = hostOf(ctx.connection, ctx.unit);
  const values = { UNIT: service.systemd, SECONDS_LEFT: String(Math.ceil(service.readyMs / 1000)) };
  const ran = await host.exec(ctx, { text: AWAIT, values });
  if (ran.status === 0) return;
  ctx.log(ran.stdout);
  throw serviceNotReady(host, service.systemd, lastLine(ran.stdout.split("\n")[0] ?? ""));
}
