// What the test suites need of the machine they run on: programs that npm does not bring.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

const SSHD = "packages/testkit, packages/ssh: hosts, adapter and contract suites on OpenSSH's sshd";
const SHELLS = "packages/ssh: quoting and framing in dash, busybox, csh, fish, zsh and ksh";
const TARS = "packages/artifact: archives as busybox and toybox unpack them";
const SOURCES =
  "packages/artifact: sources taken from a git commit, ignore rules compared with git's";
const IMAGES =
  "packages/registry, apps/cli: images on CNCF distribution, and as skopeo, umoci and podman read them";
const BUCKETS = "packages/testkit, packages/s3, apps/cli: sites and state on a Ceph RADOS gateway";
const CONTAINERS =
  "packages/ssh: containers that follow a link, on podman, asked by podman and by docker";
const FRONT = "packages/ssh: a service behind nginx that is never gone";
const UNITS = "packages/ssh: services of systemd, on a machine of their own";
const SITES = "packages/s3: a site of 10,000 files as a browser sees it";
const ROUTER = "packages/s3: the router of CloudFront in njs";
const ENDS = "apps/cli, apps/demo: whole runs on OpenSSH's sshd";

/** Programs, the Debian package of each, and the suites that cannot run without it. */
const NEEDS = [
  { name: "sshd", package: "openssh-server", suites: [SSHD, ENDS] },
  { name: "ssh-keygen", package: "openssh-client", suites: [SSHD, ENDS] },
  { name: "useradd", package: "passwd", suites: [SSHD, ENDS] },
  { name: "setpriv", package: "util-linux", suites: [SSHD, IMAGES, BUCKETS, ENDS] },
  { name: "dash", package: "dash", suites: [SSHD, SHELLS] },
  { name: "busybox", package: "busybox-static", suites: [SSHD, SHELLS, TARS, CONTAINERS, IMAGES] },
  { name: "toybox", package: "toybox", suites: [TARS] },
  { name: "csh", package: "csh", suites: [SHELLS] },
  { name: "fish", package: "fish", suites: [SHELLS] },
  { name: "zsh", package: "zsh", suites: [SHELLS] },
  { name: "ksh93", package: "ksh93u+m", suites: [SHELLS] },
  { name: "mksh", package: "mksh", suites: [SHELLS] },
  { name: "docker-registry", package: "docker-registry", suites: [IMAGES] },
  { name: "radosgw", package: "radosgw", suites: [BUCKETS] },
  { name: "ceph-mon", package: "ceph-mon", suites: [BUCKETS] },
  { name: "ceph-osd", package: "ceph-osd", suites: [BUCKETS] },
  { name: "skopeo", package: "skopeo", suites: [IMAGES] },
  { name: "umoci", package: "umoci", suites: [IMAGES] },
  { name: "podman", package: "podman", suites: [IMAGES, CONTAINERS] },
  { name: "docker", package: "docker.io", suites: [CONTAINERS] },
  { name: "runc", package: "runc", suites: [IMAGES, CONTAINERS] },
  { name: "nginx", package: "nginx-light", suites: [FRONT] },
  { name: "sudo", package: "sudo", suites: [SSHD] },
  { name: "mkfs.xfs", package: "xfsprogs", suites: [SSHD] },
  { name: "mkfs.btrfs", package: "btrfs-progs", suites: [SSHD] },
  { name: "systemd-nspawn", package: "systemd-container", suites: [UNITS] },
  { name: "chromium", package: "chromium", suites: [SITES] },
  { name: "njs", package: "njs", suites: [ROUTER] },
  { name: "openssl", package: "openssl", suites: [IMAGES] },
  { name: "git", package: "git", suites: [SOURCES] },
];

/** Being root is a need too: sshd changes to other accounts, and accounts are made and removed. */
const ROOT = { name: "root", suites: [SSHD, IMAGES, BUCKETS, CONTAINERS, FRONT, UNITS, ENDS] };

const FOLDERS = [...(process.env.PATH ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];

/** What is not here, each with the suites that cannot run for it. */
export function missing() {
  const programs = NEEDS.filter(({ name }) => !FOLDERS.some((dir) => existsSync(`${dir}/${name}`)));
  return isRoot() ? programs : [ROOT, ...programs];
}

/** The suites on real servers: what `LOCKSTEP_TEST=sandbox` leaves out. */
export function realSuites() {
  return ROOT.suites;
}

/** Why nothing can be installed here; undefined when it can. */
export function reasonNotToInstall() {
  if (!isRoot()) return "not root";
  if (!existsSync("/usr/bin/apt-get")) return "no apt-get";
  return undefined;
}

/** Installs Debian packages without starting a daemon. Does nothing when nothing is wanted. */
export function install(needs) {
  const packages = needs.flatMap((need) => need.package ?? []);
  if (packages.length === 0) return;

  process.stderr.write(`Installing for the tests: ${packages.join(" ")}\n`);
  withoutDaemons(() => {
    aptGet(["update", "-qq"]);
    aptGet(["install", "-y", "-qq", "-o=Dpkg::Use-Pty=0", "--no-install-recommends", ...packages]);
  });
}

/** Debian asks policy-rc.d before it starts a service: 101 means no. Leaves an existing one alone. */
function withoutDaemons(act) {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return act();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    return act();
  } finally {
    rmSync(policy, { force: true });
  }
}

/** A failure is not an end yet: what is still missing afterwards decides. */
function aptGet(words) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", words, { stdio: ["ignore", "inherit", "inherit"], env });
}

function isRoot() {
  return process.getuid?.() === 0;
}
