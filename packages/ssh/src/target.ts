import { artifactErrors } from "@lockstep/artifact";
import { defineTarget, type Target, type TargetBody } from "@lockstep/plugin";
import { lookAhead, whileReading } from "./ahead.ts";
import { sshErrors } from "./catalogue.ts";
import { eachHost, gatherHosts, type SshConnection } from "./connection.ts";
import { doctor } from "./doctor.ts";
import { liveOf } from "./facts.ts";
import { fenceHost } from "./fence.ts";
import { drop } from "./foreseen.ts";
import { Gateway } from "./gateway.ts";
import { refuseHeld } from "./held.ts";
import { type SshOptions, type SshSettings, sshSchema } from "./options.ts";
import { placeOf } from "./place.ts";
import { plan } from "./plan.ts";
import { sshHost } from "./ssh-host.ts";
import { activate } from "./steps/activate.ts";
import { checkHttp } from "./steps/check-http.ts";
import { checkProcess } from "./steps/check-process.ts";
import { confirm, held } from "./steps/confirm.ts";
import { undrain } from "./steps/drain.ts";
import { furnish } from "./steps/furnish.ts";
import { gate } from "./steps/gate.ts";
import { once } from "./steps/once.ts";
import { pause } from "./steps/pause.ts";
import { prune } from "./steps/prune.ts";
import { pull } from "./steps/pull.ts";
import { checkCommand } from "./steps/run-command.ts";
import { upload } from "./steps/upload.ts";
import { VERSION } from "./version.ts";

/**
 * Servers over SSH: a release is a folder on each host, and `current` is a link to the live one.
 *
 * Making the target touches nothing. Needs a POSIX shell and tar on the hosts, and a host key that
 * is known beforehand.
 */
export function ssh(options: SshOptions): Target<SshConnection> {
  return defineTarget(
    { plugin: "@lockstep/ssh", version: VERSION, schema: sshSchema, make },
    options,
  );
}

function make(settings: SshSettings): TargetBody<SshConnection> {
  const { path, hosts } = settings;
  return {
    places: hosts.map((host) => placeOf(host, path)),
    traits: { fencing: "checked" },
    steps: [pull, upload, furnish, once, activate, undrain],
    checks: [checkHttp, checkCommand, checkProcess, gate, pause, held],
    retires: [prune, confirm],
    errors: { ...artifactErrors, ...sshErrors },

    async connect() {
      const { login } = settings;
      const gateway = new Gateway();
      const made = hosts.map((host) =>
        sshHost({ host, login, gateway, where: { name: host.name, place: placeOf(host, path) } }),
      );
      return gatherHosts({ settings, hosts: made, gateway });
    },

    async live(ctx) {
      return whileReading(ctx, async () =>
        eachHost(ctx.connection, ctx, async (host) =>
          liveOf(host, await lookAhead(ctx, host), settings),
        ),
      );
    },

    plan,

    async fence(stamp, ctx) {
      const { heartbeats } = ctx.connection;
      drop(ctx.connection);
      await refuseHeld(ctx, stamp, path);
      await eachHost(ctx.connection, ctx, (host) =>
        fenceHost(ctx, host, { path, stamp, heartbeats }),
      );
    },

    doctor,
  };
}
