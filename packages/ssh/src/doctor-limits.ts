import type { Finding, ReadContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import type { RemoteHost } from "./host.ts";
import { lastLine, oneLine, outputTail } from "./output.ts";
import { ENGINE } from "./steps/pull.ts";

type Told = Omit<Finding, "unit">;

/** sshd tells every session which connection it belongs to. @see sshd(8), SSH_CONNECTION */
const CONNECTION = `printf '%s' "$SSH_CONNECTION"`;

/** What sshd would start with; only root may ask. */
const LIMITS = `
PATH=$PATH:/usr/sbin:/usr/local/sbin
sshd -T 2>/dev/null | grep -Ei '^(maxsessions|maxstartups|allowtcpforwarding) ' | tr '\\n' ','`;

/** What the SSH server of a host allows; starts a second command while the shared shell is open. */
export async function* limits(
  host: RemoteHost,
  ctx: ReadContext<SshConnection>,
): AsyncGenerator<Told> {
  const bounds = { timeoutMs: 30_000 };
  const shared = await host.run(ctx, { text: CONNECTION, values: {} }, bounds);
  const other = await host.exec(ctx, { text: CONNECTION, values: {} }, bounds);
  if (shared.stdout !== other.stdout) {
    yield {
      level: "warn",
      text: "its SSH server allows one session per connection: each upload and each command logs in anew",
      fix: "Raise MaxSessions in sshd_config; 10 is the default.",
    };
  } else if (shared.stdout !== "") {
    yield { level: "ok", text: "several commands share one connection" };
  }
  const told = await host.run(ctx, { text: LIMITS, values: {} }, bounds);
  const said = oneLine(told.stdout).replace(/,$/, "").replaceAll(",", ", ");
  if (said !== "") yield { level: "ok", text: `sshd_config there says ${said}` };
}

/** Whether the container engine answers, as the steps ask it. */
export async function engine(host: RemoteHost, ctx: ReadContext<SshConnection>): Promise<Told[]> {
  const { container } = ctx.connection.settings;
  if (container === undefined) return [];
  const values = { ENGINE: container.engine, SUDO: container.sudo ? "yes" : "" };
  const text = `${ENGINE}\nengine info >/dev/null`;
  const ran = await host.exec(ctx, { text, values }, { timeoutMs: 30_000 });
  if (ran.status === 0) return [{ level: "ok", text: `${container.engine} answers` }];
  const said = oneLine(lastLine(outputTail(ran.stderr)));
  return [
    {
      level: "fail",
      text: `${container.engine} does not answer${said === "" ? "" : `: ${said}`}`,
      fix: `Run \`${container.sudo ? "sudo -n " : ""}${container.engine} info\` on the host as the same user.`,
    },
  ];
}
