import { type ErrorCatalogue, pluginErrors } from "@lockstep/plugin";

/** Every code this package may raise. */
export const sshErrors: ErrorCatalogue = {
  ...pluginErrors,
  SSH_AUTH_FAILED: {
    when: "A host refused every key that was offered.",
    why: "Without a login nothing can be read. Nothing is tried again: hosts lock out addresses that fail often.",
    fix: "Try `ssh user@host` with the same key, and put its public half into authorized_keys on the host.",
  },
  SSH_COMMAND_FAILED: {
    when: "The restart command ended with a status other than 0.",
    why: "The release is linked, but the service may still run the old one: the run is put back.",
    fix: "Read the output in the message, and run the command on the host as the same user.",
  },
  SSH_CONFIG_UNREADABLE: {
    when: "ssh_config could not be read for a host, or what it says is wrong.",
    why: "It decides where a connection goes and who logs in.",
    fix: "Try `ssh -G` with that host, name another file with `sshConfig`, or set it to false.",
  },
  SSH_CONNECTION_LOST: {
    when: "A connection ended in the middle of a call, or the host stopped answering.",
    why: "What was under way may have happened or not; the steps look before they write again.",
    fix: "Deploy again, or run `lockstep recover` when the run is open. If it happens at once every time, look at MaxStartups and MaxSessions of the SSH server.",
  },
  SSH_CONTAINER_FAILED: {
    when: "The container engine of a host refused, or the container of a release did not get ready.",
    why: "A release whose container does not run is put back.",
    fix: "Read the output in the message: it is the engine's, or the end of the container's log.",
  },
  SSH_CURRENT_FOREIGN: {
    when: "`current` on a host is not a link to a release that Lockstep put there.",
    why: "Something else made it, and what Lockstep did not make it does not replace.",
    fix: "To take over a tree of Capistrano, Deployer or by hand as it is, set `adopt: true` in the options of the target; the flag `--adopt` is about another store of Lockstep. Else move `current` away on the host, or choose another path.",
  },
  SSH_DISK_FULL: {
    when: "The disk of a host has no room, or the quota of the account is used up.",
    why: "A release that is not complete never goes live.",
    fix: "Free space on the host, or keep fewer releases with `keep`.",
  },
  SSH_HOST_CERTIFICATE: {
    when: "known_hosts trusts a certificate authority for a host and lists no key of it.",
    why: "The library that speaks SSH knows no host certificates, and a key nobody vouched for is not accepted.",
    fix: 'Set transport: "openssh", which knows them, or pin the key of the host with `hostKey`.',
  },
  SSH_HOST_HELD: {
    when: "A run is to take a host over from another store, and a run of that store is at work there.",
    why: "Two stores cannot tell whose run is newer; both would go on, and each undo the other.",
    fix: "Wait until that run has ended, or 60 s when it died; then deploy again. To have runs wait for each other, let them share one store.",
  },
  SSH_HOST_KEY_CHANGED: {
    when: "A host showed another key than the one that is known.",
    why: "Either it was set up anew, or somebody stands in between. Nothing was sent to it.",
    fix: "Ask who runs the host for its fingerprint. If it is the one shown, replace the old entry.",
  },
  SSH_HOST_KEY_REVOKED: {
    when: "A host showed a key that known_hosts, or the file that RevokedHostKeys in ssh_config names, marks as revoked.",
    why: "Whoever marked it no longer trusts that key.",
    fix: "Give the host a new key.",
  },
  SSH_HOST_KEY_UNKNOWN: {
    when: "Neither known_hosts nor the config has a key for a host.",
    why: "Without a known key nobody can tell the host from an impostor.",
    fix: "Compare the fingerprint with the one on the host, then add the line that the hint shows.",
  },
  SSH_HOST_UNREACHABLE: {
    when: "No SSH connection to a host could be made.",
    why: "A target is only changed when all of its hosts can be.",
    fix: 'Look at address, port, firewall and the SSH server. A server with which the library finds "no matching" algorithm needs transport: "openssh". A host that is down for longer, or for good, leaves the config, and the others are deployed to without it.',
  },
  SSH_JUMPS_ENDLESS: {
    when: "The jump hosts that ssh_config names lead to one another.",
    why: "Such a way never arrives.",
    fix: "Correct ProxyJump in ssh_config, or name the hosts to go through with `jump`.",
  },
  SSH_IMAGE_UNKNOWN: {
    when: "`container.image` names no image by digest, and no target that promises one.",
    why: "A tag may change between two hosts.",
    fix: "Name a registry target, and put it before this one in `order`; or write `name@sha256:…`.",
  },
  SSH_KEY_UNREADABLE: {
    when: "The identity file is missing, no private key, or needs a passphrase.",
    why: "It is what the login is made with.",
    fix: 'Correct `identity`, or give `passphrase: secret("NAME")`, or add the key to an agent and set `agent: true`.',
  },
  SSH_KNOWN_HOSTS_UNREADABLE: {
    when: "The known_hosts file cannot be read, and a host has no pinned key.",
    why: "There is nothing to compare the key of the host with.",
    fix: "Create it, name another with `knownHosts`, or pin `hostKey` for each host.",
  },
  SSH_LAYOUT_UNKNOWN: {
    when: "The path on a host was laid out by another version of this package, or the layout is damaged.",
    why: "Its meaning may have changed.",
    fix: "Deploy with the version that laid it out, or choose another path.",
  },
  SSH_NO_IDENTITY: {
    when: "Neither an agent nor an identity file has a key that may be offered.",
    why: "There is nothing to log in with; passwords are not supported. With `IdentitiesOnly` in ssh_config an agent is asked for the keys alone that an IdentityFile names.",
    fix: "Start an agent (SSH_AUTH_SOCK) and add the key with ssh-add, or set `identity`.",
  },
  SSH_PASSPHRASE_UNSUPPORTED: {
    when: "A passphrase is given, and the transport is the ssh program.",
    why: "The program reads passphrases from a terminal or an agent only.",
    fix: 'Add the key to an agent and leave `passphrase` out, or set transport: "ssh2".',
  },
  SSH_PATH_DENIED: {
    when: "The account may not create or write the path on a host.",
    why: "Releases are put there.",
    fix: "Have an administrator run the command that the hint shows.",
  },
  SSH_PROGRAM_MISSING: {
    when: "The transport is the ssh program, and this machine has none.",
    why: "There is nothing to connect with.",
    fix: 'Install OpenSSH\'s client, or set transport: "ssh2".',
  },
  SSH_PROXY_COMMAND: {
    when: "ssh_config has a `ProxyCommand` for a host, and the transport is `ssh2`.",
    why: "Only the ssh program runs such commands, and going around it would reach another host, or none.",
    fix: 'Set transport: "openssh", or name the hosts to go through with `jump`.',
  },
  SSH_RELEASE_GONE: {
    when: "A host no longer keeps the release that is to become live again.",
    why: "A rollback never uploads.",
    fix: "Deploy that version anew, and raise `keep` to have more to return to.",
  },
  SSH_RELEASE_TAKEN: {
    when: "A host has another content under the id of the release.",
    why: "A release never changes once it is there.",
    fix: "Deploy with a new release id.",
  },
  SSH_REMOTE_FAILED: {
    when: "A command that Lockstep ran on a host failed in a way it has no name for.",
    why: "The state after it is not the one that was wanted.",
    fix: "Read the output in the message: it comes from the host.",
  },
  SSH_SERVICE_NOT_READY: {
    when: "After the link moved, the systemd unit did not become active in time, or failed.",
    why: "A release whose service does not run is put back.",
    fix: "Read the log of the unit: `journalctl -u UNIT` on the host.",
  },
  SSH_SHARED_CONFLICT: {
    when: "The artifact has something at a path that `shared` or `envFile` names, or a file or link on the way there.",
    why: "Which of the two is meant is not for Lockstep to guess.",
    fix: 'Leave it out of the artifact with `exclude`. For what is shared `onConflict: "replace"` removes it; the file with variables can have another `envFile.path`.',
  },
  SSH_SHARED_MISSING: {
    when: "A file that `shared` names is not on a host.",
    why: "The release would get a link that leads nowhere.",
    fix: "Put the file below `shared` on the host.",
  },
  SSH_SHELL_UNUSABLE: {
    when: "The account's login did not give a shell that answers.",
    why: "Every step needs a POSIX shell on the host.",
    fix: "Try `ssh user@host sh -c true`. Accounts for file transfer only, forced commands and an `exit` in a start-up file cannot be used.",
  },
  SSH_SPLIT_FILESYSTEM: {
    when: "`releases` or `.lockstep` on a host is on another file system than the path.",
    why: "A link can be replaced in one step only within one file system.",
    fix: "Mount the whole path, not a folder in it.",
  },
  SSH_STORE_KEY: {
    when: "A store on a host was asked for a key that none can have.",
    why: "Keys become names of files.",
    fix: "Report it: this is a bug of whoever asked.",
  },
  SSH_STORE_OPTIONS: {
    when: "The options of `sshStore` are wrong.",
    why: "Without them the state of the environment cannot be found.",
    fix: "Correct what the message names in the config.",
  },
  SSH_STORE_RESTLESS: {
    when: "A value of a store on a host was replaced each time it was read.",
    why: "Half of one value and half of another is neither.",
    fix: "Try again. If it repeats, look at what else writes below that folder.",
  },
  SSH_STORE_UNFIT: {
    when: "The file system below a store on a host gave one name to two files, or has no hard links.",
    why: "That a name is given only once is what keeps two runs apart.",
    fix: "Keep the store on a local file system of the host, such as ext4 or xfs.",
  },
  SSH_TIMEOUT: {
    when: "A host took longer than allowed.",
    why: "A host that hangs must not hold up the others. What was asked of it may still happen.",
    fix: "Look at the load and the disks of the host, then deploy again.",
  },
  SSH_TOOL_MISSING: {
    when: "A program that every POSIX system has is missing on a host.",
    why: "Uploads are unpacked and checked with it.",
    fix: "Install it: coreutils, tar and gzip, or busybox.",
  },
  SSH_TUNNEL_DENIED: {
    when: "The SSH server of a host does not allow connections to be forwarded.",
    why: "HTTP checks reach private ports through the SSH connection.",
    fix: "Set `AllowTcpForwarding local` for the account, or use a command as check.",
  },
  SSH_UPLOAD_INCOMPLETE: {
    when: "What arrived on a host is not what was sent.",
    why: "Each file is compared with the manifest before a release may go live.",
    fix: "Deploy again. If it repeats, look at the disk of the host.",
  },
  SSH_USER_MISSING: {
    when: "The config names no user for a host, and neither USER nor LOGNAME is set.",
    why: "Every login needs a name.",
    fix: "Set `user`.",
  },
  SSH_WAY_BACK_OPEN: {
    when: "A link was put back, but `restart`, `service`, `container`, `drain` or `undrain` failed after it.",
    why: "What serves the host may still run the release. It stays, with the marker by which the next try knows what is left to do.",
    fix: "Mend what failed (it is told before this one), then run `lockstep recover`.",
  },
  SSH_WENT_BACK: {
    when: "With `confirmWithinMs`, a host got no word in time and put its link back by itself.",
    why: "That is what it is for: a release that cuts the host off must not stay.",
    fix: "Look at why the run took so long, then deploy again.",
  },
};
